//! Queries, writes and session settings: what they call, what they write, what they switch.

use squawk_syntax::SyntaxKind::{self as K};
use squawk_syntax::SyntaxNode;

use super::{lower, node, push};
use crate::sql::name::Name;
use crate::sql::statement::{Class, Effect, EffectKind};

/// `SELECT`, `VALUES`, `TABLE`: harmless but for what they call, create (`INTO`) or write (`WITH … DELETE`).
pub(super) fn select(statement: &SyntaxNode, out: &mut Vec<Effect>) {
    if statement.kind() == K::SELECT_INTO {
        let name = statement.descendants().find(|n| n.kind() == K::INTO_CLAUSE).map(|into| {
            let temporary = node::tokens(&into).any(|t| matches!(t.kind(), K::TEMP_KW | K::TEMPORARY_KW));
            (node::name_in(&into, &[K::TABLE_NAME]), temporary)
        });
        let Some((name, temporary)) = name else { return lower::unknown(statement, out) };
        let kind = EffectKind::Create { class: Class::Table, name, if_not_exists: false, temporary };
        push(out, node::span(statement), kind);
    }
    writes(statement, out);
    let functions = called(statement);
    search_path(statement, &functions, out);
    push(out, node::span(statement), EffectKind::Calls { functions, computed: true });
}

/// `INSERT`, `UPDATE`, `DELETE`, `MERGE`, also below a `WITH`.
pub(super) fn dml(statement: &SyntaxNode, out: &mut Vec<Effect>) {
    writes(statement, out);
    calls(statement, out);
}

/// The functions a statement calls along the way.
pub(super) fn calls(statement: &SyntaxNode, out: &mut Vec<Effect>) {
    let functions = called(statement);
    search_path(statement, &functions, out);
    if !functions.is_empty() {
        push(out, node::span(statement), EffectKind::Calls { functions, computed: false });
    }
}

/// The functions an expression of PL/pgSQL calls: it is run for whatever they do.
pub(super) fn computed(expression: &SyntaxNode, out: &mut Vec<Effect>) {
    let functions = called(expression);
    search_path(expression, &functions, out);
    if !functions.is_empty() {
        push(out, node::span(expression), EffectKind::Calls { functions, computed: true });
    }
}

fn called(statement: &SyntaxNode) -> Vec<Name> {
    let calls = statement.descendants().filter(|node| node.kind() == K::CALL_EXPR);
    calls
        .filter_map(|call| call.children().next())
        .filter(|c| matches!(c.kind(), K::NAME_REF | K::FIELD_EXPR))
        .map(|c| node::name(&c))
        .collect()
}

fn search_path(statement: &SyntaxNode, functions: &[Name], out: &mut Vec<Effect>) {
    if functions.iter().any(|function| function.object == "set_config") {
        let text = node::words(statement).to_ascii_lowercase();
        if text.contains("lock_timeout") {
            push(out, node::span(statement), EffectKind::LockTimeout { on: true });
        }
        if !text.contains("search_path") && text.contains("lock_timeout") {
            return;
        }
        push(out, node::span(statement), EffectKind::SearchPath);
        if text.contains("standard_conforming_strings") {
            let what =
                "switches standard_conforming_strings, which changes how the text after it reads".to_owned();
            push(out, node::span(statement), EffectKind::Opaque { what });
        }
    }
}

fn writes(statement: &SyntaxNode, out: &mut Vec<Effect>) {
    for node in statement.descendants() {
        let (verb, name) = match node.kind() {
            K::INSERT => ("INSERT", &[K::RELATION_NAME_REF][..]),
            K::UPDATE => ("UPDATE", &[K::RELATION_NAME][..]),
            K::DELETE => ("DELETE", &[K::RELATION_NAME][..]),
            K::MERGE => ("MERGE", &[K::TABLE_RELATION_NAME][..]),
            _ => continue,
        };
        let bounded = matches!(verb, "INSERT" | "MERGE")
            || node::child(&node, &[K::WHERE_CLAUSE, K::WHERE_CURRENT_OF]).is_some();
        let table = node::name_in(&node, name);
        push(out, node::span(&node), EffectKind::Dml { verb, table, bounded });
    }
}

/// `SET`, `RESET` and their relatives.
pub(super) fn session(statement: &SyntaxNode, out: &mut Vec<Effect>) {
    let span = node::span(statement);
    let text = node::words(statement).to_ascii_lowercase();
    let switches_path = text.contains("search_path")
        || text.starts_with("set schema")
        || text.contains(" schema ")
        || text.starts_with("reset all")
        || text.contains("role")
        || text.contains("authorization");
    let timeout = text.contains("lock_timeout") && !text.starts_with("reset");
    if timeout {
        let off =
            ["0", "'0'", "'0s'", "default"].iter().any(|off| text.trim_end_matches(" ;").ends_with(off));
        push(out, span, EffectKind::LockTimeout { on: !off });
    }
    if switches_path {
        push(out, span, EffectKind::SearchPath);
    }
    if text.contains("standard_conforming_strings") && !text.ends_with(" on") && !text.ends_with(" on ;") {
        let what =
            "switches standard_conforming_strings, which changes how the text after it reads".to_owned();
        push(out, span, EffectKind::Opaque { what });
    }
}

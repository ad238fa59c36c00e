//! `CREATE …`: what comes into being, and what it does to what is there already.

use squawk_syntax::SyntaxKind::{self as K};
use squawk_syntax::SyntaxNode;

use super::{body, column, lower, node, push, query};
use crate::sql::name::Name;
use crate::sql::statement::{Class, Effect, EffectKind};

/// Adds the effects of a `CREATE` statement; `false` when it is none of the known ones.
pub(super) fn lower(statement: &SyntaxNode, out: &mut Vec<Effect>) -> bool {
    let span = node::span(statement);
    match statement.kind() {
        K::CREATE_TABLE | K::CREATE_FOREIGN_TABLE | K::CREATE_TABLE_AS => table(statement, out),
        K::CREATE_VIEW => routine_or_view(statement, Class::View, &[K::VIEW], out),
        K::CREATE_MATERIALIZED_VIEW => {
            create(statement, Class::View, &[K::VIEW], out);
            query::calls(statement, out);
        }
        K::CREATE_FUNCTION => routine(statement, &[K::FUNCTION_NAME], out),
        K::CREATE_PROCEDURE => routine(statement, &[K::PROCEDURE_NAME], out),
        K::CREATE_AGGREGATE => {
            routine_or_view(statement, Class::Routine, &[K::AGGREGATE, K::AGGREGATE_NAME], out);
        }
        K::CREATE_SEQUENCE => create(statement, Class::Sequence, &[K::SEQUENCE], out),
        K::CREATE_TYPE => create(statement, Class::Type, &[K::TYPE_NAME], out),
        K::CREATE_DOMAIN => domain(statement, out),
        K::CREATE_EXTENSION => create(statement, Class::Extension, &[K::EXTENSION], out),
        K::CREATE_SCHEMA => schema(statement, out),
        K::CREATE_INDEX => index(statement, out),
        K::CREATE_TRIGGER => {
            let table = lower::on_table(statement);
            let called = node::child(statement, &[K::CALL_EXPR]).and_then(|call| call.children().next());
            let function = called.map(|callee| node::name(&callee));
            push(out, span, EffectKind::Trigger { table, what: "creates a trigger", function });
        }
        K::CREATE_POLICY => {
            let table = lower::on_table(statement);
            push(out, span, EffectKind::RowSecurity { table, what: "creates a policy" });
        }
        K::CREATE_RULE => push(out, span, EffectKind::RewriteRule { table: lower::on_table(statement) }),
        K::CREATE_ROLE | K::CREATE_USER | K::CREATE_GROUP | K::CREATE_STATISTICS | K::CREATE_COLLATION => {}
        K::CREATE_TEXT_SEARCH_CONFIGURATION | K::CREATE_TEXT_SEARCH_DICTIONARY => {}
        _ => return false,
    }
    true
}

fn created(statement: &SyntaxNode, class: Class, names: &[K]) -> Name {
    match node::child(statement, names) {
        Some(name) if class == Class::Routine => node::routine(&name, statement),
        Some(name) => node::name(&name),
        None => Name::bare(""),
    }
}

fn create(statement: &SyntaxNode, class: Class, names: &[K], out: &mut Vec<Effect>) {
    let kind = EffectKind::Create {
        class,
        name: created(statement, class, names),
        if_not_exists: node::has(statement, K::IF_NOT_EXISTS),
        temporary: node::has(statement, K::TEMP),
    };
    push(out, node::span(statement), kind);
}

fn routine_or_view(statement: &SyntaxNode, class: Class, names: &[K], out: &mut Vec<Effect>) {
    if node::has(statement, K::OR_REPLACE) {
        let name = created(statement, class, names);
        push(out, node::span(statement), EffectKind::Replace { class, name });
    } else {
        create(statement, class, names, out);
    }
}

fn routine(statement: &SyntaxNode, names: &[K], out: &mut Vec<Effect>) {
    let (name, body) = (created(statement, Class::Routine, names), body::of_routine(statement));
    let returns = node::child(statement, &[K::RET_TYPE]);
    let returns = returns.map_or_else(String::new, |returns| node::words(&returns).to_ascii_lowercase());
    routine_or_view(statement, Class::Routine, names, out);
    push(out, node::span(statement), EffectKind::Routine { name, returns, body });
}

fn table(statement: &SyntaxNode, out: &mut Vec<Effect>) {
    create(statement, Class::Table, &[K::TABLE_NAME], out);
    columns(statement, out);
    if let Some(parent) = node::child(statement, &[K::PARTITION_OF]) {
        push(out, node::span(&parent), EffectKind::PartitionOf { parent: lower::on_table(&parent) });
    }
    if statement.kind() == K::CREATE_TABLE_AS {
        query::calls(statement, out);
    }
}

fn columns(statement: &SyntaxNode, out: &mut Vec<Effect>) {
    let Some(list) = node::child(statement, &[K::TABLE_ARG_LIST]) else { return };
    let columns = list.children().filter(|child| child.kind() == K::COLUMN);
    let columns: Vec<_> =
        columns.map(|column| (node::word_in(&column, &[K::COLUMN_NAME]), column::facts(&column))).collect();
    if !columns.is_empty() {
        let table = node::name_in(statement, &[K::TABLE_NAME]);
        push(out, node::span(statement), EffectKind::Columns { table, columns });
    }
}

fn domain(statement: &SyntaxNode, out: &mut Vec<Effect>) {
    let facts = column::facts(statement);
    let name = node::name_in(statement, &[K::DOMAIN]);
    let required = facts.not_null && !facts.has_default;
    push(out, node::span(statement), EffectKind::CreateDomain { name, required });
}

/// `CREATE SCHEMA s …`: its elements are created inside it, and as new as it is (the server, and the parser, refuse
/// elements together with `IF NOT EXISTS`).
fn schema(statement: &SyntaxNode, out: &mut Vec<Effect>) {
    let if_not_exists = node::has(statement, K::IF_NOT_EXISTS);
    // `CREATE SCHEMA AUTHORIZATION bob` makes a schema named like the role.
    let named = node::child(statement, &[K::NAMED_SCHEMA, K::AUTHORIZATION_SCHEMA])
        .and_then(|target| node::tokens(&target).find(|token| token.kind() != K::AUTHORIZATION_KW));
    let name = named.map_or_else(|| Name::bare(""), |token| Name::from_parts(&[token.text().to_owned()]));
    let kind = EffectKind::Create { class: Class::Schema, name, if_not_exists, temporary: false };
    push(out, node::span(statement), kind);
}

fn index(statement: &SyntaxNode, out: &mut Vec<Effect>) {
    let table = lower::on_table(statement);
    let concurrently = node::has_token(statement, K::CONCURRENTLY_KW);
    let name = node::child(statement, &[K::INDEX]).map(|name| node::name(&name).within(table.schema.clone()));
    let kind = EffectKind::CreateIndex {
        name,
        table,
        unique: node::has_token(statement, K::UNIQUE_KW),
        concurrently,
        if_not_exists: node::has(statement, K::IF_NOT_EXISTS),
    };
    push(out, node::span(statement), kind);
    if concurrently {
        push(out, node::span(statement), EffectKind::Concurrently);
    }
}

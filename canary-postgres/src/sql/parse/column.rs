//! The facts of a column definition that decide whether a writer that does not know it still works.

use squawk_syntax::SyntaxKind::{self as K};
use squawk_syntax::SyntaxNode;

use super::node;
use crate::sql::name::Name;
use crate::sql::statement::ColumnFacts;

/// Functions whose value is the same for a whole statement: a default of them rewrites nothing (PostgreSQL 11 on).
const STABLE: [&str; 4] = ["now", "transaction_timestamp", "statement_timestamp", "current_setting"];

/// Reads the type and the constraints of an `ADD COLUMN` or a domain.
pub(super) fn facts(node: &SyntaxNode) -> ColumnFacts {
    let mut facts = ColumnFacts { type_text: type_text(node), ..ColumnFacts::default() };
    if let Some(path) = node::child(node, &[K::PATH_TYPE]) {
        let name = node::name(&path);
        let serial = ["serial", "bigserial", "smallserial", "serial2", "serial4", "serial8"];
        if serial.contains(&name.object.as_str()) {
            facts.has_default = true;
            facts.rewrite = Some("a serial column gives every row its own value");
        }
        facts.json = name.object == "json";
        facts.type_name = Some(name);
    }
    for constraint in node.children() {
        read(&constraint, &mut facts);
    }
    facts
}

/// A type as written, in lower case with single blanks.
pub(super) fn type_text(node: &SyntaxNode) -> String {
    node::child(node, &TYPES).map_or_else(String::new, |found| {
        node::words(&found)
            .to_ascii_lowercase()
            .replace(" (", "(")
            .replace("( ", "(")
            .replace(" )", ")")
            .replace(" ,", ",")
    })
}

/// The kinds of nodes that spell a type.
pub(super) const TYPES: [K; 11] = [
    K::PATH_TYPE,
    K::ARRAY_TYPE,
    K::PERCENT_TYPE,
    K::CHARACTER_TYPE,
    K::VARCHAR_TYPE,
    K::BIT_TYPE,
    K::BIT_VARYING_TYPE,
    K::DOUBLE_TYPE,
    K::TIME_TYPE,
    K::TIMESTAMP_TYPE,
    K::INTERVAL_TYPE,
];

fn read(constraint: &SyntaxNode, facts: &mut ColumnFacts) {
    match constraint.kind() {
        K::NOT_NULL_CONSTRAINT => facts.not_null = true,
        K::PRIMARY_KEY_CONSTRAINT => facts.primary_key = true,
        K::UNIQUE_CONSTRAINT => facts.unique = true,
        K::CHECK_CONSTRAINT => facts.check = true,
        K::REFERENCES_CONSTRAINT => facts.references = true,
        K::DEFAULT_CONSTRAINT => {
            let value = constraint.children().find(|child| child.kind() != K::CONSTRAINT_NAME_CLAUSE);
            facts.has_default = value.as_ref().is_none_or(|value| !is_null(value));
            if value.is_some_and(|value| is_volatile(&value)) {
                facts.rewrite = Some("its default is computed anew for every row");
            }
        }
        K::GENERATED_CONSTRAINT => {
            facts.has_default = true;
            let identity = constraint.descendants().any(|n| n.kind() == K::GENERATED_IDENTITY);
            let is_virtual = node::tokens(constraint).any(|token| token.kind() == K::VIRTUAL_KW);
            if identity {
                facts.rewrite = Some("an identity column gives every row its own value");
            } else if !is_virtual {
                facts.rewrite = Some("a stored generated column is computed for every row");
            }
        }
        _ => {}
    }
}

/// Whether an expression is the literal NULL, cast or bracketed.
pub(super) fn is_null(expression: &SyntaxNode) -> bool {
    match expression.kind() {
        K::LITERAL => node::tokens(expression).all(|token| token.kind() == K::NULL_KW),
        K::CAST_EXPR | K::PAREN_EXPR => expression.children().next().is_some_and(|inner| is_null(&inner)),
        _ => false,
    }
}

/// Whether an expression calls anything that is not known to be the same for a whole statement.
fn is_volatile(expression: &SyntaxNode) -> bool {
    expression.descendants().filter(|node| node.kind() == K::CALL_EXPR).any(|call| {
        let Some(callee) = call.children().next() else { return true };
        let name: Name = node::name(&callee);
        !STABLE.contains(&name.object.as_str())
    })
}

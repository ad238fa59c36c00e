//! `ALTER TABLE`, `ALTER VIEW` and their actions.

use squawk_syntax::SyntaxKind::{self as K};
use squawk_syntax::SyntaxNode;

use super::{column, lower, node, push};
use crate::sql::name::Name;
use crate::sql::statement::{Class, ColumnChange, ConstraintKind, Effect, EffectKind};

/// Adds one effect an action; an action that is on no list, or no action at all, is unknown.
pub(super) fn alter(statement: &SyntaxNode, class: Class, out: &mut Vec<Effect>) {
    let named = [K::TABLE_RELATION_NAME, K::VIEW_REF];
    let Some(target) = node::child(statement, &named) else { return lower::unknown(statement, out) };
    let table = node::name(&target);
    let mut actions = 0;
    for action in statement.children() {
        if matches!(action.kind(), K::TABLE_RELATION_NAME | K::VIEW_REF | K::IF_EXISTS) {
            continue;
        }
        actions += 1;
        if !action_of(&action, class, &table, out) {
            push(out, node::span(&action), EffectKind::Unknown { what: node::title(&action) });
        }
    }
    if actions == 0 {
        lower::unknown(statement, out);
    }
}

fn action_of(action: &SyntaxNode, class: Class, table: &Name, out: &mut Vec<Effect>) -> bool {
    let name = || table.clone();
    let constraint = || node::word_in(action, &[K::CONSTRAINT_NAME_REF]);
    let plain_view = action.parent().is_some_and(|statement| statement.kind() == K::ALTER_VIEW);
    let kind = match action.kind() {
        // security_invoker, security_barrier and check_option decide whose rights count and what may be written.
        K::SET_OPTIONS | K::RESET_OPTIONS if plain_view => EffectKind::Replace { class, name: name() },
        K::CLUSTER_ON | K::SET_WITHOUT_CLUSTER | K::SET_WITHOUT_OIDS | K::SET_OPTIONS | K::RESET_OPTIONS => {
            return true;
        }
        K::ATTACH_PARTITION | K::DEPENDS_ON_EXTENSION | K::NO_DEPENDS_ON_EXTENSION => return true,
        K::TABLE_RENAME_TO | K::VIEW_RENAME_TO => {
            let to = node::name_in(action, &[K::TABLE_NAME, K::VIEW]).within(table.schema.clone());
            EffectKind::Rename { class, name: name(), to }
        }
        K::SET_SCHEMA => EffectKind::Move { class, name: name() },
        K::OWNER_TO => EffectKind::Owner { class, name: name() },
        K::ADD_COLUMN => EffectKind::AddColumn {
            table: name(),
            column: node::word_in(action, &[K::COLUMN_NAME]),
            if_not_exists: node::has(action, K::IF_NOT_EXISTS),
            facts: column::facts(action),
        },
        K::DROP_COLUMN => {
            EffectKind::DropColumn { table: name(), column: node::word_in(action, &[K::COLUMN_NAME_REF]) }
        }
        K::RENAME_COLUMN => EffectKind::RenameColumn {
            table: name(),
            column: node::word_in(action, &[K::COLUMN_NAME_REF]),
            to: node::word_in(action, &[K::COLUMN_NAME]),
        },
        K::ALTER_COLUMN | K::ALTER_VIEW_COLUMN => return column_of(action, table, out),
        K::ADD_CONSTRAINT => return constraint_of(action, table, out),
        K::DROP_CONSTRAINT => EffectKind::DropConstraint { table: name(), name: constraint() },
        K::VALIDATE_CONSTRAINT => EffectKind::ValidateConstraint { table: name(), name: constraint() },
        K::RENAME_CONSTRAINT => EffectKind::RenameConstraint { table: name(), name: constraint() },
        K::ALTER_CONSTRAINT => EffectKind::AlterConstraint { table: name(), name: constraint() },
        K::ENABLE_RLS => EffectKind::RowSecurity { table: name(), what: "switches row security on" },
        K::FORCE_RLS => EffectKind::RowSecurity { table: name(), what: "forces row security on the owner" },
        K::DISABLE_RLS => EffectKind::RowSecurity { table: name(), what: "switches row security off" },
        K::NO_FORCE_RLS => {
            EffectKind::RowSecurity { table: name(), what: "lifts row security from the owner" }
        }
        K::ENABLE_TRIGGER | K::ENABLE_ALWAYS_TRIGGER | K::ENABLE_REPLICA_TRIGGER => {
            EffectKind::Trigger { table: name(), what: "enables a trigger", function: None }
        }
        K::DISABLE_TRIGGER => {
            EffectKind::Trigger { table: name(), what: "disables a trigger", function: None }
        }
        K::ENABLE_RULE | K::ENABLE_ALWAYS_RULE | K::ENABLE_REPLICA_RULE | K::DISABLE_RULE => {
            EffectKind::RewriteRule { table: name() }
        }
        K::REPLICA_IDENTITY => EffectKind::ReplicaIdentity { table: name() },
        K::DETACH_PARTITION => {
            let concurrently = node::tokens(action).any(|token| token.kind() == K::CONCURRENTLY_KW);
            if concurrently {
                push(out, node::span(action), EffectKind::Concurrently);
            }
            EffectKind::Detach { table: name(), partition: lower::on_table(action), concurrently }
        }
        K::SET_TABLESPACE => EffectKind::Rewrite { table: name(), what: "moves it to another tablespace" },
        K::SET_ACCESS_METHOD => EffectKind::Rewrite { table: name(), what: "changes its access method" },
        K::SET_LOGGED => EffectKind::Rewrite { table: name(), what: "makes it logged" },
        K::SET_UNLOGGED => EffectKind::Rewrite { table: name(), what: "makes it unlogged" },
        _ => return false,
    };
    push(out, node::span(action), kind);
    true
}

fn column_of(action: &SyntaxNode, table: &Name, out: &mut Vec<Effect>) -> bool {
    let column = node::word_in(action, &[K::COLUMN_NAME_REF]);
    let Some(option) = action.children().find(|child| child.kind() != K::COLUMN_NAME_REF) else {
        return false;
    };
    let change = match option.kind() {
        K::SET_STATISTICS | K::SET_STORAGE | K::SET_COMPRESSION | K::SET_OPTIONS | K::SET_OPTIONS_LIST => {
            return true;
        }
        K::RESET_OPTIONS => return true,
        K::SET_TYPE => ColumnChange::Type { to: column::type_text(&option) },
        K::SET_NOT_NULL => ColumnChange::SetNotNull,
        K::DROP_NOT_NULL => ColumnChange::DropNotNull,
        K::SET_DEFAULT => ColumnChange::SetDefault {
            null: option.children().next().is_some_and(|value| column::is_null(&value)),
        },
        K::DROP_DEFAULT => ColumnChange::DropDefault,
        K::DROP_IDENTITY => ColumnChange::DropIdentity,
        K::DROP_EXPRESSION => ColumnChange::DropExpression,
        K::ADD_GENERATED => ColumnChange::AddIdentity { always: node::has(&option, K::GENERATED_ALWAYS) },
        K::SET_GENERATED if node::has(&option, K::GENERATED_ALWAYS) => ColumnChange::IdentityAlways,
        K::SET_GENERATED => return true,
        K::RESTART | K::SET_SEQUENCE_OPTION => {
            let name = table.clone();
            push(out, node::span(action), EffectKind::SequenceChange { name });
            return true;
        }
        K::SET_GENERATED_OPTIONS => {
            let always = node::tokens(&option).any(|token| token.kind() == K::ALWAYS_KW);
            if !always {
                push(out, node::span(action), EffectKind::SequenceChange { name: table.clone() });
                return true;
            }
            ColumnChange::IdentityAlways
        }
        _ => return false,
    };
    push(out, node::span(action), EffectKind::AlterColumn { table: table.clone(), column, change });
    true
}

fn constraint_of(action: &SyntaxNode, table: &Name, out: &mut Vec<Effect>) -> bool {
    let Some(constraint) = action.children().next() else { return false };
    let name = node::child(&constraint, &[K::CONSTRAINT_NAME_CLAUSE])
        .map(|clause| node::word_in(&clause, &[K::CONSTRAINT_NAME]));
    let kind = match constraint.kind() {
        K::PRIMARY_KEY_CONSTRAINT => ConstraintKind::PrimaryKey,
        K::UNIQUE_CONSTRAINT => ConstraintKind::Unique,
        K::CHECK_CONSTRAINT => ConstraintKind::Check,
        K::FOREIGN_KEY_CONSTRAINT => ConstraintKind::ForeignKey,
        K::EXCLUDE_CONSTRAINT => ConstraintKind::Exclude,
        K::NOT_NULL_CONSTRAINT => {
            let column = node::word_in(&constraint, &[K::COLUMN_NAME_REF]);
            let kind =
                EffectKind::AlterColumn { table: table.clone(), column, change: ColumnChange::SetNotNull };
            push(out, node::span(action), kind);
            return true;
        }
        _ => return false,
    };
    let kind = EffectKind::AddConstraint {
        table: table.clone(),
        kind,
        name,
        not_valid: node::has(&constraint, K::NOT_VALID) || node::has(&constraint, K::NOT_ENFORCED),
        using_index: node::has(&constraint, K::USING_INDEX_NAME),
        not_null_of: not_null_of(&constraint),
        parent: (kind == ConstraintKind::ForeignKey).then(|| lower::on_table(&constraint)),
    };
    push(out, node::span(action), kind);
    true
}

/// The column of a `CHECK (column IS NOT NULL)`.
fn not_null_of(constraint: &SyntaxNode) -> Option<String> {
    let check = (constraint.kind() == K::CHECK_CONSTRAINT).then_some(constraint)?;
    let expression = node::child(check, &[K::BIN_EXPR])?;
    let is_not = node::has(&expression, K::IS_NOT);
    let null = expression.children().last().is_some_and(|last| column::is_null(&last));
    let column = node::child(&expression, &[K::NAME_REF])?;
    (is_not && null).then(|| node::name(&column).object)
}

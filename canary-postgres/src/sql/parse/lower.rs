//! The closed list of statement forms, each lowered to its effects.

use squawk_syntax::SyntaxKind::{self as K};
use squawk_syntax::SyntaxNode;

use super::{body, column, create, node, push, query, table};
use crate::sql::name::Name;
use crate::sql::statement::{Class, Effect, EffectKind};

/// Adds the effects of one statement.
pub(super) fn lower(statement: &SyntaxNode, out: &mut Vec<Effect>) {
    match statement.kind() {
        K::ALTER_TABLE | K::ALTER_FOREIGN_TABLE => table::alter(statement, Class::Table, out),
        K::ALTER_MATERIALIZED_VIEW | K::ALTER_VIEW => table::alter(statement, Class::View, out),
        K::SELECT | K::SELECT_INTO | K::COMPOUND_SELECT | K::PAREN_SELECT | K::VALUES | K::TABLE => {
            query::select(statement, out);
        }
        K::INSERT | K::UPDATE | K::DELETE | K::MERGE => query::dml(statement, out),
        K::SET | K::RESET | K::SET_ROLE | K::SET_SESSION_AUTH | K::RESET_ROLE | K::RESET_SESSION_AUTH => {
            query::session(statement, out);
        }
        K::BEGIN => push(out, node::span(statement), EffectKind::Begin),
        K::COMMIT_TRANSACTION => push(out, node::span(statement), EffectKind::End),
        K::SAVEPOINT_CREATE | K::RELEASE_SAVEPOINT => {}
        K::SET_TRANSACTION | K::SET_CONSTRAINTS | K::SHOW | K::LISTEN | K::NOTIFY | K::UNLISTEN => {}
        K::COMMENT_ON | K::ANALYZE | K::GRANT | K::EMPTY_STMT => {}
        K::DO => body::of_do(statement, out),
        K::CALL => {
            query::calls(statement, out);
            let functions = vec![node::name_in(statement, &[K::PROCEDURE_NAME_REF])];
            push(out, node::span(statement), EffectKind::Calls { functions, computed: true });
        }
        K::COPY => copy(statement, out),
        K::EXECUTE | K::PREPARE => {
            opaque(
                statement,
                &format!("{} runs a statement that is kept elsewhere", keyword(statement)),
                out,
            );
        }
        _ if create::lower(statement, out)
            || drop(statement, out)
            || alter(statement, out)
            || maintain(statement, out) => {}
        _ => unknown(statement, out),
    }
}

/// Records a form that is on no list.
pub(super) fn unknown(node: &SyntaxNode, out: &mut Vec<Effect>) {
    push(out, node::span(node), EffectKind::Unknown { what: node::title(node) });
}

/// `COPY … FROM STDIN` writes rows that come with the script; anything else reads or writes files.
fn copy(statement: &SyntaxNode, out: &mut Vec<Effect>) {
    let stdin = statement.descendants().any(|node| node.kind() == K::COPY_STDIN);
    if !stdin {
        return unknown(statement, out);
    }
    let table = on_table(statement);
    push(out, node::span(statement), EffectKind::Dml { verb: "INSERT", table, bounded: true });
}

fn opaque(statement: &SyntaxNode, what: &str, out: &mut Vec<Effect>) {
    push(out, node::span(statement), EffectKind::Opaque { what: what.to_owned() });
}

fn keyword(statement: &SyntaxNode) -> String {
    node::tokens(statement).next().map_or_else(String::new, |token| token.text().to_uppercase())
}

/// `DROP …` of everything that is named in a list.
fn drop(statement: &SyntaxNode, out: &mut Vec<Effect>) -> bool {
    let (class, names): (Class, &[K]) = match statement.kind() {
        K::DROP_TABLE | K::DROP_FOREIGN_TABLE => (Class::Table, &[K::TABLE_NAME_REF]),
        K::DROP_VIEW | K::DROP_MATERIALIZED_VIEW => (Class::View, &[K::VIEW_REF]),
        K::DROP_SEQUENCE => (Class::Sequence, &[K::SEQUENCE_REF]),
        K::DROP_TYPE | K::DROP_DOMAIN => (Class::Type, &[K::TYPE_NAME_REF, K::DOMAIN_REF]),
        K::DROP_SCHEMA => (Class::Schema, &[K::SCHEMA_REF]),
        K::DROP_EXTENSION => (Class::Extension, &[K::EXTENSION_REF]),
        K::DROP_DATABASE => (Class::Database, &[K::DATABASE_REF]),
        K::DROP_ROLE | K::DROP_USER | K::DROP_GROUP => (Class::Role, &[K::ROLE_REF]),
        K::DROP_OWNED => (Class::Owned, &[K::ROLE_REF_LIST]),
        K::DROP_FUNCTION | K::DROP_PROCEDURE | K::DROP_ROUTINE | K::DROP_AGGREGATE => {
            (Class::Routine, &[K::FUNCTION_SIG, K::PROCEDURE_SIG, K::ROUTINE_SIG, K::AGGREGATE])
        }
        K::DROP_INDEX => return drop_index(statement, out),
        K::DROP_TRIGGER => {
            let table = on_table(statement);
            push(
                out,
                node::span(statement),
                EffectKind::Trigger { table, what: "drops a trigger", function: None },
            );
            return true;
        }
        K::DROP_POLICY => {
            let table = on_table(statement);
            push(out, node::span(statement), EffectKind::RowSecurity { table, what: "drops a policy" });
            return true;
        }
        K::DROP_RULE => {
            push(out, node::span(statement), EffectKind::RewriteRule { table: on_table(statement) });
            return true;
        }
        K::DROP_STATISTICS | K::DROP_PUBLICATION => return true,
        _ => return false,
    };
    let mut found = false;
    for holder in statement.descendants().filter(|child| names.contains(&child.kind())) {
        found = true;
        let name =
            if class == Class::Routine { node::routine(&holder, &holder) } else { node::name(&holder) };
        push(out, node::span(&holder), EffectKind::Drop { class, name });
    }
    found
}

/// The table or relation of an `ON …` or `TO …` clause.
pub(super) fn on_table(statement: &SyntaxNode) -> Name {
    statement
        .descendants()
        .find(|node| matches!(node.kind(), K::TABLE_NAME_REF | K::RELATION_NAME_REF))
        .map_or_else(|| Name::bare(""), |node| node::name(&node))
}

fn drop_index(statement: &SyntaxNode, out: &mut Vec<Effect>) -> bool {
    let concurrently = node::has_token(statement, K::CONCURRENTLY_KW);
    for index in statement.children().filter(|child| child.kind() == K::INDEX_REF) {
        let name = node::name(&index);
        push(out, node::span(&index), EffectKind::DropIndex { name, concurrently });
    }
    if concurrently {
        push(out, node::span(statement), EffectKind::Concurrently);
    }
    true
}

/// `ALTER …` of everything but tables and views: one object, one action.
fn alter(statement: &SyntaxNode, out: &mut Vec<Effect>) -> bool {
    let span = node::span(statement);
    let (class, name) = match statement.kind() {
        K::ALTER_SEQUENCE => (Class::Sequence, node::name_in(statement, &[K::SEQUENCE_REF])),
        K::ALTER_INDEX => (Class::Index, node::name_in(statement, &[K::INDEX_REF])),
        K::ALTER_TYPE => (Class::Type, node::name_in(statement, &[K::TYPE_NAME_REF])),
        K::ALTER_DOMAIN => (Class::Type, node::name_in(statement, &[K::DOMAIN_REF])),
        K::ALTER_SCHEMA => (Class::Schema, node::name_in(statement, &[K::SCHEMA_REF])),
        K::ALTER_EXTENSION => (Class::Extension, node::name_in(statement, &[K::EXTENSION_REF])),
        K::ALTER_FUNCTION | K::ALTER_PROCEDURE | K::ALTER_ROUTINE | K::ALTER_AGGREGATE => {
            let sig = [K::FUNCTION_SIG, K::PROCEDURE_SIG, K::ROUTINE_SIG, K::AGGREGATE];
            let sig = node::child(statement, &sig);
            (Class::Routine, sig.map_or_else(|| Name::bare(""), |sig| node::routine(&sig, &sig)))
        }
        K::ALTER_TRIGGER => {
            push(
                out,
                span,
                EffectKind::Trigger { table: on_table(statement), what: "alters a trigger", function: None },
            );
            return true;
        }
        K::ALTER_POLICY => {
            push(out, span, EffectKind::RowSecurity { table: on_table(statement), what: "alters a policy" });
            return true;
        }
        K::ALTER_RULE => {
            push(out, span, EffectKind::RewriteRule { table: on_table(statement) });
            return true;
        }
        K::ALTER_ROLE | K::ALTER_USER | K::ALTER_DATABASE => {
            let Some(_) = node::child(statement, &[K::SET_CONFIG_PARAM, K::RESET_CONFIG_PARAM]) else {
                return false;
            };
            push(out, span, EffectKind::SessionDefault { what: node::title(statement) });
            return true;
        }
        K::ALTER_DEFAULT_PRIVILEGES => return node::has(statement, K::GRANT_DEFAULT_PRIVILEGES),
        _ => return false,
    };
    let refs = |kind: K| {
        matches!(
            kind,
            K::SEQUENCE_REF
                | K::INDEX_REF
                | K::TYPE_NAME_REF
                | K::DOMAIN_REF
                | K::SCHEMA_REF
                | K::EXTENSION_REF
                | K::FUNCTION_SIG
                | K::PROCEDURE_SIG
                | K::ROUTINE_SIG
                | K::AGGREGATE
        )
    };
    let mut actions = 0;
    for action in statement.children().skip_while(|child| !refs(child.kind())).skip(1) {
        actions += 1;
        if !action_of(&action, class, &name, out) {
            unknown(statement, out);
            break;
        }
    }
    // A statement without any action that was seen is none that is known.
    actions > 0
}

fn action_of(action: &SyntaxNode, class: Class, name: &Name, out: &mut Vec<Effect>) -> bool {
    let span = node::span(action);
    let name = name.clone();
    let renamed = |kinds: &[K]| node::name_in(action, kinds).within(name.schema.clone());
    let kind = match action.kind() {
        K::IF_EXISTS | K::DEPENDS_ON_EXTENSION | K::NO_DEPENDS_ON_EXTENSION | K::RESTRICT => return true,
        K::ATTACH_INDEX_PARTITION | K::RESET_OPTIONS | K::SET_OPTIONS | K::ALTER_SET_STATISTICS => {
            return true;
        }
        K::SEQUENCE_RENAME_TO => EffectKind::Rename { class, to: renamed(&[K::SEQUENCE]), name },
        K::INDEX_RENAME_TO => EffectKind::Rename { class, to: renamed(&[K::INDEX]), name },
        K::TYPE_RENAME_TO => EffectKind::Rename { class, to: renamed(&[K::TYPE_NAME]), name },
        K::DOMAIN_RENAME_TO => EffectKind::Rename { class, to: renamed(&[K::DOMAIN]), name },
        K::SCHEMA_RENAME_TO => EffectKind::Rename { class, to: renamed(&[K::SCHEMA]), name },
        K::FUNCTION_RENAME_TO | K::PROCEDURE_RENAME_TO | K::ROUTINE_RENAME_TO | K::AGGREGATE_RENAME_TO => {
            let to = renamed(&[K::FUNCTION_NAME, K::PROCEDURE_NAME, K::ROUTINE_NAME, K::AGGREGATE_NAME]);
            EffectKind::Rename { class, to, name }
        }
        K::SET_SCHEMA => EffectKind::Move { class, name },
        K::OWNER_TO => EffectKind::Owner { class, name },
        K::SET_TABLESPACE => EffectKind::Rewrite { table: name, what: "moves it to another tablespace" },
        K::FUNC_OPTION_LIST => EffectKind::RoutineChange { name },
        K::ADD_VALUE => EffectKind::AddEnumValue { name, label: body::literal(action) },
        K::RENAME_VALUE => EffectKind::RenameEnumValue { name },
        K::RENAME_ATTRIBUTE => {
            let column = node::word_in(action, &[K::COMPOSITE_FIELD_REF]);
            EffectKind::RenameColumn { table: name, column, to: node::word_in(action, &[K::COMPOSITE_FIELD]) }
        }
        K::ALTER_TYPE_ATTRIBUTE_ACTION_LIST => {
            return action.children().all(|attribute| attribute_of(&attribute, &name, out));
        }
        _ if class == Class::Sequence => EffectKind::SequenceChange { name },
        _ => match domain_of(action, &name) {
            Some(Some(kind)) => kind,
            Some(None) => return true,
            None => return false,
        },
    };
    push(out, span, kind);
    true
}

fn attribute_of(action: &SyntaxNode, name: &Name, out: &mut Vec<Effect>) -> bool {
    let column = node::word_in(action, &[K::COMPOSITE_FIELD_REF, K::COMPOSITE_FIELD]);
    let table = name.clone();
    let kind = match action.kind() {
        K::ADD_ATTRIBUTE => EffectKind::AddAttribute { name: table },
        K::DROP_ATTRIBUTE => EffectKind::DropColumn { table, column },
        K::ALTER_ATTRIBUTE => EffectKind::AlterColumn {
            table,
            column,
            change: crate::sql::statement::ColumnChange::Type { to: column::type_text(action) },
        },
        _ => return false,
    };
    push(out, node::span(action), kind);
    true
}

/// Actions only domains have; `Some(None)` is an action without an effect.
fn domain_of(action: &SyntaxNode, domain: &Name) -> Option<Option<EffectKind>> {
    let domain = domain.clone();
    let (what, refuse) = match action.kind() {
        K::SET_NOT_NULL => ("sets NOT NULL on", "set-not-null"),
        K::DROP_DEFAULT => ("drops the default of", "drop-default"),
        K::SET_DEFAULT => ("sets a default of", "set-default"),
        K::DROP_NOT_NULL => ("drops NOT NULL of", "drop-not-null"),
        K::DROP_CONSTRAINT => ("drops a constraint of", "drop-constraint"),
        K::RENAME_CONSTRAINT => ("renames a constraint of", "rename-constraint"),
        K::ADD_CONSTRAINT => ("adds a constraint to", "domain-constraint"),
        K::VALIDATE_CONSTRAINT => return Some(None),
        _ => return None,
    };
    Some(Some(EffectKind::DomainConstraint { domain, what, refuse }))
}

/// Statements that maintain rather than define.
fn maintain(statement: &SyntaxNode, out: &mut Vec<Effect>) -> bool {
    let span = node::span(statement);
    let relation = || on_table(statement);
    let kind = match statement.kind() {
        K::TRUNCATE => {
            for table in statement.descendants().filter(|n| n.kind() == K::TABLE_NAME_REF) {
                push(out, node::span(&table), EffectKind::Truncate { table: node::name(&table) });
            }
            return true;
        }
        K::CLUSTER => EffectKind::Rewrite { table: relation(), what: "clusters it" },
        K::VACUUM => {
            let full = node::tokens(statement).any(|token| token.kind() == K::FULL_KW);
            push(out, span, EffectKind::Concurrently);
            if !full {
                return true;
            }
            EffectKind::Rewrite { table: relation(), what: "vacuums it in full" }
        }
        K::REINDEX => {
            let concurrently = node::tokens(statement).any(|token| token.kind() == K::CONCURRENTLY_KW);
            if concurrently {
                push(out, span, EffectKind::Concurrently);
                return true;
            }
            EffectKind::Reindex { what: node::words(statement) }
        }
        K::REFRESH => {
            if node::has_token(statement, K::CONCURRENTLY_KW) {
                return true;
            }
            EffectKind::Refresh { view: node::name_in(statement, &[K::VIEW_REF]) }
        }
        K::LOCK => {
            let mode = node::child(statement, &[K::LOCK_MODE_CLAUSE]);
            let mode = mode
                .map_or_else(|| "ACCESS EXCLUSIVE".to_owned(), |clause| node::words(&clause).to_uppercase());
            for table in statement.descendants().filter(|n| n.kind() == K::RELATION_NAME_REF) {
                push(out, span, EffectKind::Lock { table: node::name(&table), mode: mode.clone() });
            }
            return true;
        }
        K::REVOKE => revoke(statement),
        _ => return false,
    };
    push(out, span, kind);
    true
}

fn revoke(statement: &SyntaxNode) -> EffectKind {
    let mut objects = Vec::new();
    for node in statement.descendants() {
        let class = match node.kind() {
            K::RELATION_NAME_REF | K::TABLE_NAME_REF => Class::Table,
            K::SEQUENCE_REF => Class::Sequence,
            K::SCHEMA_REF => Class::Schema,
            K::FUNCTION_SIG | K::PROCEDURE_SIG | K::ROUTINE_SIG => Class::Routine,
            K::TYPE_NAME_REF | K::DOMAIN_REF => Class::Type,
            _ => continue,
        };
        let name = if class == Class::Routine { node::routine(&node, &node) } else { node::name(&node) };
        objects.push((class, name));
    }
    EffectKind::Revoke { objects, what: node::words(statement) }
}

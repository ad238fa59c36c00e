//! Rules on everything that is not a column or a constraint.

use canary_core::traits::Severity;

use super::functions::{KNOWN_FUNCTIONS, RUNS_SQL};
use super::judge::{At, Judge};
use crate::sql::name::Name;
use crate::sql::statement::{Class, EffectKind};

/// Lock modes that let reads and writes go on.
const WEAK_LOCKS: [&str; 4] =
    ["IN ACCESS SHARE", "IN ROW SHARE", "IN ROW EXCLUSIVE", "IN SHARE UPDATE EXCLUSIVE"];

impl Judge {
    /// Judges an effect on an object as a whole.
    pub(super) fn object(&mut self, at: At<'_>) {
        match &at.effect.kind {
            EffectKind::Create { class, name, if_not_exists, temporary } => {
                self.new.create(*class, name, *if_not_exists, *temporary);
                self.stands_in(*class, name);
            }
            EffectKind::Columns { .. } | EffectKind::LockTimeout { .. } => {}
            EffectKind::Begin | EffectKind::End => {}
            EffectKind::Code { effects } => self.code(at, effects),
            EffectKind::Routine { name, returns, body } => {
                let before = self.new.returned_by(name).filter(|before| before != returns).map(str::to_owned);
                if let Some(before) = before {
                    let what = format!("replaces routine {name}, which {before}, by one that {returns}");
                    self.found_for(at, "replace-routine", &what, Some(name.to_string()), Vec::new());
                    self.decide(Severity::Refuse);
                }
                self.made_routine(at, name, body);
            }
            EffectKind::CreateDomain { name, required } => {
                self.new.create(Class::Type, name, false, false);
                if *required {
                    self.new.require_domain(name);
                }
            }
            EffectKind::Replace { class, name } => self.replace(at, *class, name),
            EffectKind::Drop { class, name } => self.drop_object(at, *class, name),
            EffectKind::Rename { class, name, to } => self.rename(at, *class, name, to),
            EffectKind::Move { class, name } => {
                if !self.new.is_new(*class, name) {
                    self.found(
                        at,
                        "move-schema",
                        &format!("moves {} {name} to another schema", class.word()),
                    );
                }
            }
            EffectKind::Owner { class, name } => {
                if !self.new.is_new(*class, name) {
                    self.found(at, "owner-change", &format!("changes the owner of {} {name}", class.word()));
                }
            }
            EffectKind::SearchPath => self.new.switch_path(),
            EffectKind::Calls { functions, computed } => self.calls(at, functions, *computed),
            EffectKind::Concurrently => {
                let why = if at.in_code {
                    "code runs inside of a statement, and so of a transaction"
                } else {
                    "it runs in a transaction: the runner's, the file's own, or that of one query with several statements"
                };
                if at.in_code || at.in_transaction {
                    self.found(at, "concurrently-in-transaction", why);
                }
            }
            EffectKind::Opaque { what } => self.found(at, "opaque-sql", what),
            EffectKind::Unknown { what } => self.found(at, "unknown-statement", what),
            _ => self.on_table(at),
        }
    }

    fn replace(&mut self, at: At<'_>, class: Class, name: &Name) {
        self.stands_in(class, name);
        if self.new.is_new(class, name) {
            return;
        }
        let rule = if class == Class::View { "replace-view" } else { "replace-routine" };
        self.found(at, rule, &format!("replaces {} {name}, if it exists", class.word()));
    }

    fn drop_object(&mut self, at: At<'_>, class: Class, name: &Name) {
        if self.new.is_new(class, name) {
            self.new.forget(class, name);
            return;
        }
        let rule = match class {
            Class::Table => "drop-table",
            Class::View => "drop-view",
            Class::Sequence => "drop-sequence",
            Class::Type => "drop-type",
            Class::Schema => "drop-schema",
            Class::Routine => "drop-routine",
            Class::Extension => "drop-extension",
            Class::Database => "drop-database",
            Class::Role => "drop-role",
            Class::Owned => "drop-owned",
            Class::Index => "unknown-statement",
        };
        let breaks = self.facts.naming(name.object.split('(').next().unwrap_or_default());
        let what = format!("drops {} {name}", class.word());
        self.found_for(at, rule, &what, Some(name.to_string()), breaks);
    }

    /// A view under a table's old name, in the transaction that renamed the table: with a clean shadow run, a warning.
    fn stands_in(&mut self, class: Class, name: &Name) {
        let name = self.new.resolved(name);
        let renamed = self.renamed.iter().find(|(table, _)| class == Class::View && *table == name);
        let Some(finding) = renamed.and_then(|(_, index)| self.findings.get_mut(*index)) else { return };
        if self.facts.shadow_is_clean() {
            finding.severity = Severity::Warn;
        } else {
            finding.reason.push_str(
                "; a view takes the old name in the same transaction: a clean shadow run with all queries known makes this a warning",
            );
        }
    }

    fn rename(&mut self, at: At<'_>, class: Class, name: &Name, to: &Name) {
        if self.new.is_new(class, name) {
            self.new.rename(class, name, to);
            return;
        }
        let rule = match class {
            Class::Table => "rename-table",
            Class::View => "rename-view",
            Class::Sequence => "rename-sequence",
            Class::Index => "rename-index",
            Class::Type => "rename-type",
            Class::Schema => "rename-schema",
            Class::Routine => "rename-routine",
            _ => "unknown-statement",
        };
        let breaks = match class {
            Class::Index => self.facts.matching(&name.object),
            _ => self.facts.naming(name.object.split('(').next().unwrap_or_default()),
        };
        let known = !breaks.is_empty();
        if class == Class::Table {
            self.renamed.push((self.new.resolved(name), self.findings.len()));
        }
        let what = format!("renames {} {name} to {to}", class.word());
        self.found_for(at, rule, &what, Some(name.to_string()), breaks);
        if class == Class::Index && known {
            self.decide(Severity::Refuse);
        }
    }

    fn calls(&mut self, at: At<'_>, functions: &[Name], computed: bool) {
        for function in functions {
            if self.called(at, function) {
                continue;
            }
            let builtin = function.schema.as_deref().is_none_or(|schema| schema == "pg_catalog");
            let known = builtin && KNOWN_FUNCTIONS.contains(&function.object.as_str());
            let runs_sql = RUNS_SQL.contains(&function.object.as_str());
            if runs_sql || computed && !known {
                self.found(at, "opaque-sql", &format!("calls {function}, whose effect is not known"));
            }
        }
    }

    /// Effects on a table, type, sequence or routine that are free when the set made it.
    fn on_table(&mut self, at: At<'_>) {
        let Some((name, class, rule, what)) = about(&at.effect.kind) else { return self.elsewhere(at) };
        let new = self.new.is_new(class, name) || class == Class::Table && self.is_new_table(name);
        if !new {
            self.found_for(at, rule, &what, Some(name.to_string()), Vec::new());
        }
        match &at.effect.kind {
            EffectKind::AddEnumValue { label, .. } => self.labels.push(label.clone()),
            // What fires it is the running binary, or the set itself.
            EffectKind::Trigger { function: Some(function), .. } => {
                self.called(at, function);
            }
            _ => {}
        }
    }

    fn elsewhere(&mut self, at: At<'_>) {
        match &at.effect.kind {
            EffectKind::CreateIndex { name, table, unique, concurrently, if_not_exists } => {
                let old = !self.is_new_table(table);
                if old && !concurrently {
                    self.found(at, "index-not-concurrent", &format!("builds an index on {table}"));
                }
                if old && *unique {
                    self.restricted(at, table, &format!("adds a unique index to {table}"));
                }
                if let Some(name) = name {
                    self.new.create(Class::Index, name, *if_not_exists, false);
                }
            }
            EffectKind::DropIndex { name, concurrently } => {
                if self.new.is_new(Class::Index, name) {
                    self.new.forget(Class::Index, name);
                } else if *concurrently {
                    self.found(at, "drop-constraint", &format!("drops index {name}, which may be unique"));
                } else {
                    self.found(at, "drop-index-not-concurrent", &format!("drops index {name}"));
                }
            }
            EffectKind::Dml { verb, table, bounded } => self.dml(at, verb, table, *bounded),
            EffectKind::Revoke { objects, what } => {
                let new =
                    !objects.is_empty() && objects.iter().all(|(class, name)| self.new.is_new(*class, name));
                if !new {
                    self.found(at, "revoke", what.trim_end_matches(" ;"));
                }
            }
            EffectKind::Reindex { what } => {
                self.found(at, "reindex-not-concurrent", what.trim_end_matches(" ;"));
            }
            EffectKind::SessionDefault { what } => self.found(at, "session-default", &format!("{what} …")),
            _ => {}
        }
    }

    fn dml(&mut self, at: At<'_>, verb: &str, table: &Name, bounded: bool) {
        let schema = table.schema.as_deref();
        let catalog = schema == Some("pg_catalog")
            || schema == Some("information_schema")
            || schema.is_none() && table.object.starts_with("pg_");
        if catalog {
            self.found(
                at,
                "opaque-sql",
                &format!("{verb} on the system catalog {table} changes definitions behind every rule"),
            );
        } else if !bounded && !self.is_new_table(table) {
            self.found(at, "unbounded-dml", &format!("{verb} of every row of {table}"));
        }
    }
}

/// The object an effect is about, the rule it breaks when the object is old, and what it does.
fn about(kind: &EffectKind) -> Option<(&Name, Class, &'static str, String)> {
    Some(match kind {
        EffectKind::PartitionOf { parent } => {
            (parent, Class::Table, "create-partition-of", format!("creates a partition of {parent}"))
        }
        EffectKind::DomainConstraint { domain, what, refuse } => {
            (domain, Class::Type, *refuse, format!("{what} domain {domain}"))
        }
        EffectKind::RowSecurity { table, what } => {
            (table, Class::Table, "row-security", format!("{what} on {table}"))
        }
        EffectKind::Trigger { table, what, .. } => {
            (table, Class::Table, "trigger-change", format!("{what} on {table}"))
        }
        EffectKind::RewriteRule { table } => {
            (table, Class::Table, "rewrite-rule", format!("changes a rule on {table}"))
        }
        EffectKind::Rewrite { table, what } => {
            (table, Class::Table, "table-rewrite", format!("{table}: {what}"))
        }
        EffectKind::ReplicaIdentity { table } => {
            (table, Class::Table, "replica-identity", format!("changes the replica identity of {table}"))
        }
        EffectKind::Detach { table, partition, concurrently } => {
            let rule = if *concurrently { "detach-partition" } else { "detach-partition-not-concurrent" };
            (table, Class::Table, rule, format!("detaches {partition} from {table}"))
        }
        EffectKind::Refresh { view } => {
            (view, Class::View, "matview-refresh-not-concurrent", format!("refreshes {view}"))
        }
        EffectKind::Truncate { table } => (table, Class::Table, "truncate", format!("empties {table}")),
        EffectKind::Lock { mode, .. } if WEAK_LOCKS.iter().any(|weak| mode.contains(weak)) => return None,
        EffectKind::Lock { table, mode } => {
            (table, Class::Table, "explicit-lock", format!("locks {table} ({mode})"))
        }
        EffectKind::AddEnumValue { name, label } => {
            (name, Class::Type, "enum-add-value", format!("adds the label {label} to {name}"))
        }
        EffectKind::RenameEnumValue { name } => {
            (name, Class::Type, "rename-enum-value", format!("renames a label of {name}"))
        }
        EffectKind::AddAttribute { name } => {
            (name, Class::Type, "stale-plan", format!("adds an attribute to {name}"))
        }
        EffectKind::SequenceChange { name } => {
            (name, Class::Sequence, "sequence-change", format!("changes the sequence {name}"))
        }
        EffectKind::RoutineChange { name } => {
            (name, Class::Routine, "replace-routine", format!("changes options of {name}"))
        }
        _ => return None,
    })
}

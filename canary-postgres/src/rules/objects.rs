//! Rules on everything that is not a column or a constraint.

use super::judge::{At, Judge};
use crate::sql::name::Name;
use crate::sql::statement::{Class, EffectKind};

/// Functions that a migration may call for their value or their well-known effect.
const KNOWN_FUNCTIONS: &[&str] = &[
    "abs",
    "age",
    "array_agg",
    "array_length",
    "avg",
    "bool_and",
    "bool_or",
    "ceil",
    "char_length",
    "clock_timestamp",
    "coalesce",
    "concat",
    "concat_ws",
    "count",
    "currval",
    "current_database",
    "current_schema",
    "current_setting",
    "date_part",
    "date_trunc",
    "exists",
    "extract",
    "floor",
    "format",
    "gen_random_uuid",
    "generate_series",
    "greatest",
    "jsonb_agg",
    "jsonb_build_array",
    "jsonb_build_object",
    "jsonb_set",
    "lastval",
    "least",
    "left",
    "length",
    "lower",
    "lpad",
    "ltrim",
    "make_date",
    "max",
    "md5",
    "min",
    "mod",
    "nextval",
    "now",
    "nullif",
    "pg_advisory_lock",
    "pg_advisory_unlock",
    "pg_advisory_xact_lock",
    "pg_get_serial_sequence",
    "pg_notify",
    "pg_sleep",
    "random",
    "regexp_replace",
    "repeat",
    "replace",
    "right",
    "round",
    "row_number",
    "rpad",
    "rtrim",
    "set_config",
    "setval",
    "split_part",
    "statement_timestamp",
    "string_agg",
    "string_to_array",
    "substr",
    "substring",
    "sum",
    "to_char",
    "to_date",
    "to_json",
    "to_jsonb",
    "to_number",
    "to_timestamp",
    "to_tsvector",
    "transaction_timestamp",
    "translate",
    "trim",
    "unnest",
    "upper",
    "uuid_generate_v4",
    "version",
];

/// Functions that run SQL handed to them as text, or reach outside the database.
const RUNS_SQL: &[&str] = &[
    "dblink",
    "dblink_exec",
    "query_to_xml",
    "query_to_xml_and_xmlschema",
    "cursor_to_xml",
    "lo_import",
    "lo_export",
    "pg_read_file",
    "ts_rewrite",
    "ts_stat",
    "pg_terminate_backend",
    "pg_reload_conf",
];

impl Judge {
    /// Judges an effect on an object as a whole.
    pub(super) fn object(&mut self, at: At<'_>) {
        match &at.effect.kind {
            EffectKind::Create { class, name, if_not_exists, temporary } => {
                self.new.create(*class, name, *if_not_exists, *temporary);
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
                if at.place.in_transaction {
                    self.found(
                        at,
                        "concurrently-in-transaction",
                        "the runner wraps this file in a transaction",
                    );
                }
            }
            EffectKind::Opaque { what } => self.found(at, "opaque-sql", what),
            EffectKind::Unknown { what } => self.found(at, "unknown-statement", what),
            _ => self.on_table(at),
        }
    }

    fn replace(&mut self, at: At<'_>, class: Class, name: &Name) {
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
        self.found(at, rule, &format!("drops {} {name}", class.word()));
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
        self.found(at, rule, &format!("renames {} {name} to {to}", class.word()));
    }

    fn calls(&mut self, at: At<'_>, functions: &[Name], computed: bool) {
        for function in functions {
            let made_here = self.new.is_new(Class::Routine, function);
            let builtin = function.schema.as_deref().is_none_or(|schema| schema == "pg_catalog");
            let known = builtin && KNOWN_FUNCTIONS.contains(&function.object.as_str());
            let runs_sql = RUNS_SQL.contains(&function.object.as_str());
            if made_here {
                self.found(at, "opaque-sql", &format!("calls {function}, which this set creates"));
            } else if runs_sql || computed && !known {
                self.found(at, "opaque-sql", &format!("calls {function}, whose effect is not known"));
            }
        }
    }

    /// Effects on a table, type, sequence or routine that are free when the set made it.
    fn on_table(&mut self, at: At<'_>) {
        let Some((name, class, rule, what)) = about(&at.effect.kind) else { return self.elsewhere(at) };
        let new = self.new.is_new(class, name) || class == Class::Table && self.is_new_table(name);
        if !new {
            self.found(at, rule, &what);
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
                    self.found(at, "new-write-restriction", &format!("adds a unique index to {table}"));
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
        EffectKind::Trigger { table, what } => {
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
        EffectKind::Detach { table, partition } => {
            (table, Class::Table, "detach-partition", format!("detaches {partition} from {table}"))
        }
        EffectKind::Refresh { view } => {
            (view, Class::View, "matview-refresh-not-concurrent", format!("refreshes {view}"))
        }
        EffectKind::Truncate { table } => (table, Class::Table, "truncate", format!("empties {table}")),
        EffectKind::Lock { table, mode } => {
            (table, Class::Table, "explicit-lock", format!("locks {table} ({mode})"))
        }
        EffectKind::AddEnumValue { name } => {
            (name, Class::Type, "enum-add-value", format!("adds a label to {name}"))
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

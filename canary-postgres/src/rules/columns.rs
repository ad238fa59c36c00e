//! Rules on columns and constraints of tables that are not new.

use super::judge::{At, Judge};
use super::schema::NewColumn;
use super::types;
use canary_core::traits::Severity;

use crate::sql::name::Name;
use crate::sql::statement::{Class, ColumnChange, ColumnFacts, ConstraintKind, EffectKind};

impl Judge {
    /// Judges an effect on a column or a constraint; on a table that the set made there is nothing to judge.
    pub(super) fn column_or_constraint(&mut self, at: At<'_>, table: &Name) {
        if let EffectKind::AddConstraint { name: Some(name), .. } = &at.effect.kind {
            self.added_here.insert((table.to_string(), name.clone()));
        }
        self.new.check(&at.effect.kind, self.transaction);
        if self.is_new_table(table) {
            return;
        }
        match &at.effect.kind {
            EffectKind::AddColumn { column, if_not_exists, facts, .. } => {
                self.add_column(at, table, column, *if_not_exists, facts);
            }
            EffectKind::DropColumn { column, .. } => match self.new.drop_column(table, column) {
                Some(_) => {}
                None => {
                    let breaks = self.facts.reading(&table.object, column);
                    let what = format!("drops column {column} of {table}");
                    self.found_for(at, "drop-column", &what, Some(format!("{table}.{column}")), breaks);
                }
            },
            EffectKind::RenameColumn { column, to, .. } => match self.new.drop_column(table, column) {
                Some(state) => self.new.add_column(table, to, state),
                None => {
                    let breaks = self.facts.reading(&table.object, column);
                    let what = format!("renames column {column} of {table} to {to}");
                    self.found_for(at, "rename-column", &what, Some(format!("{table}.{column}")), breaks);
                }
            },
            EffectKind::AlterColumn { column, change, .. } => self.alter_column(at, table, column, change),
            EffectKind::AddConstraint { kind, not_valid, using_index, .. } => {
                self.add_constraint(at, table, *kind, *not_valid, *using_index);
            }
            _ => self.old_constraint(at, table),
        }
    }

    /// Effects on a constraint that is there already, or was added in the same file.
    fn old_constraint(&mut self, at: At<'_>, table: &Name) {
        let (name, rule, verb, when_added_here) = match &at.effect.kind {
            EffectKind::ValidateConstraint { name, .. } => {
                (name, "validate-in-same-tx", "in the transaction that adds it validates", true)
            }
            EffectKind::DropConstraint { name, .. } => (name, "drop-constraint", "drops", false),
            EffectKind::AlterConstraint { name, .. } => (name, "drop-constraint", "alters", false),
            EffectKind::RenameConstraint { name, .. } => (name, "rename-constraint", "renames", false),
            _ => return,
        };
        if self.added_here.contains(&(table.to_string(), name.clone())) != when_added_here {
            return;
        }
        let breaks = match &at.effect.kind {
            EffectKind::DropConstraint { .. } => self.facts.relying_on(&table.object, name),
            EffectKind::RenameConstraint { .. } => self.facts.matching(name),
            _ => Vec::new(),
        };
        let relied_on = !breaks.is_empty();
        let what = format!("{verb} constraint {name} of {table}");
        self.found_for(at, rule, &what, Some(format!("{table}.{name}")), breaks);
        if relied_on {
            self.decide(Severity::Refuse);
        }
    }

    /// Whether the set made this table, view or composite type.
    pub(super) fn is_new_table(&self, name: &Name) -> bool {
        self.new.is_new(Class::Table, name) || self.new.is_new(Class::Type, name)
    }

    fn add_column(
        &mut self,
        at: At<'_>,
        table: &Name,
        column: &str,
        if_not_exists: bool,
        facts: &ColumnFacts,
    ) {
        let domain = facts.type_name.as_ref().is_some_and(|name| self.new.is_required_domain(name));
        let not_null = facts.not_null || facts.primary_key || domain;
        let what = format!("adds column {column} to {table}");
        if not_null && !facts.has_default {
            let how = if domain && !facts.not_null { "its domain is NOT NULL" } else { "NOT NULL" };
            self.found(at, "add-column-required", &format!("{what}, {how} without a default"));
        }
        if facts.primary_key && facts.has_default {
            self.found(at, "primary-key-not-using-index", &format!("{what} as the primary key"));
        }
        if facts.unique {
            let one = facts.has_default && facts.rewrite.is_none();
            let how = if one { "UNIQUE with one default for all rows" } else { "UNIQUE" };
            self.found(at, "unique-not-using-index", &format!("{what}, {how}"));
        }
        self.inline_checks(at, facts, &what);
        if let Some(why) = facts.rewrite {
            self.found(at, "add-column-rewrite", &format!("{what}; {why}"));
        }
        if facts.json {
            self.found(at, "json-column", &format!("{what} of type json"));
        }
        let breaks = if if_not_exists { Vec::new() } else { self.facts.ambiguous(&table.object, column) };
        if !breaks.is_empty() {
            self.found_for(at, "ambiguous-name", &what, Some(format!("{table}.{column}")), breaks);
        }
        self.stale(at, table, &what);
        if !if_not_exists {
            self.new.add_column(table, column, NewColumn { has_default: facts.has_default, not_null });
        }
    }

    /// Writes must keep to something new: a warning that names the queries which write there; nothing where none does.
    pub(super) fn restricted(&mut self, at: At<'_>, table: &Name, what: &str) {
        let mut breaks = self.facts.writing(&table.object);
        // Whoever deletes or renumbers a row of the other table of a foreign key is held up by it as well.
        if let EffectKind::AddConstraint { parent: Some(parent), .. } = &at.effect.kind {
            breaks.extend(self.facts.writing(&parent.object));
            breaks.sort_unstable();
            breaks.dedup();
        }
        if breaks.is_empty() && self.facts.complete() {
            return;
        }
        self.found_for(at, "new-write-restriction", what, Some(table.to_string()), breaks);
    }

    fn inline_checks(&mut self, at: At<'_>, facts: &ColumnFacts, what: &str) {
        for (present, clause, full) in [
            (facts.check, "CHECK", "check-not-valid-missing"),
            (facts.references, "REFERENCES", "fk-not-valid-missing"),
        ] {
            if present {
                self.found(at, full, &format!("{what} with {clause}"));
            }
        }
    }

    /// A column more in what `SELECT *` returns: refused where such a query is known, nothing where none is sent.
    fn stale(&mut self, at: At<'_>, table: &Name, what: &str) {
        let breaks = self.facts.with_star(&table.object);
        if breaks.is_empty() && self.facts.complete() {
            return;
        }
        let known = !breaks.is_empty();
        self.found_for(at, "stale-plan", what, Some(table.to_string()), breaks);
        if known {
            self.decide(Severity::Refuse);
        }
    }

    fn alter_column(&mut self, at: At<'_>, table: &Name, column: &str, change: &ColumnChange) {
        let what = |verb: &str| format!("{verb} column {column} of {table}");
        if let Some(new) = self.new.column(table, column) {
            let before = *new;
            match change {
                ColumnChange::SetNotNull => new.not_null = true,
                ColumnChange::DropNotNull => new.not_null = false,
                ColumnChange::SetDefault { null } => new.has_default = !*null,
                ColumnChange::DropDefault | ColumnChange::DropIdentity => new.has_default = false,
                ColumnChange::DropExpression => new.has_default = false,
                ColumnChange::AddIdentity { .. } => new.has_default = true,
                ColumnChange::IdentityAlways | ColumnChange::Type { .. } => {}
            }
            let now = *new;
            if now.not_null && !now.has_default && before != now {
                let rule = if *change == ColumnChange::SetNotNull { "set-not-null" } else { "drop-default" };
                self.found(at, rule, &what("leaves NOT NULL without a default the new"));
            }
            return;
        }
        let (rule, verb) = match change {
            ColumnChange::Type { to } => return self.alter_type(at, table, column, to),
            ColumnChange::SetNotNull if self.new.is_checked(table, column, self.transaction) => return,
            ColumnChange::SetNotNull => ("set-not-null", "sets NOT NULL on"),
            ColumnChange::DropNotNull => ("drop-not-null", "drops NOT NULL of"),
            ColumnChange::SetDefault { null: false } => ("set-default", "sets a default of"),
            ColumnChange::SetDefault { null: true } => ("drop-default", "sets to NULL the default of"),
            ColumnChange::DropDefault => ("drop-default", "drops the default of"),
            ColumnChange::DropIdentity => ("drop-identity", "drops the identity of"),
            ColumnChange::DropExpression => ("drop-expression", "drops the expression of"),
            ColumnChange::AddIdentity { always: true } | ColumnChange::IdentityAlways => {
                ("identity-always", "makes GENERATED ALWAYS the")
            }
            ColumnChange::AddIdentity { always: false } => ("set-default", "adds an identity to"),
        };
        let breaks = match change {
            ColumnChange::DropNotNull => self.facts.required(&table.object, column),
            _ => Vec::new(),
        };
        let (nullable, read) = (self.new.is_nullable(table, column), !breaks.is_empty());
        self.found_for(at, rule, &what(verb), Some(format!("{table}.{column}")), breaks);
        if rule == "drop-default" && nullable {
            self.decide(Severity::Warn);
        } else if rule == "drop-not-null" && read {
            self.decide(Severity::Refuse);
        }
    }

    fn alter_type(&mut self, at: At<'_>, table: &Name, column: &str, to: &str) {
        let from = self.new.type_of(table, column).map(str::to_owned);
        let what = match &from {
            Some(from) => format!("changes the type of column {column} of {table} from {from} to {to}"),
            None => format!("changes the type of column {column} of {table} to {to}"),
        };
        let what = format!("{what} ({})", types::change(from.as_deref(), to));
        let breaks = self.facts.reading(&table.object, column);
        self.found_for(at, "alter-column-type", &what, Some(format!("{table}.{column}")), breaks);
    }

    fn add_constraint(
        &mut self,
        at: At<'_>,
        table: &Name,
        kind: ConstraintKind,
        not_valid: bool,
        using_index: bool,
    ) {
        let (rule, word) = match kind {
            ConstraintKind::PrimaryKey => ("primary-key-not-using-index", "a primary key"),
            ConstraintKind::Unique => ("unique-not-using-index", "a unique constraint"),
            ConstraintKind::Check => ("check-not-valid-missing", "a check"),
            ConstraintKind::ForeignKey => ("fk-not-valid-missing", "a foreign key"),
            ConstraintKind::Exclude => ("exclusion-constraint", "an exclusion constraint"),
        };
        let what = format!("adds {word} to {table}");
        if using_index && kind == ConstraintKind::PrimaryKey {
            self.restricted(at, table, &format!("{what} and NOT NULL to its columns"));
        } else if using_index {
            // The unique index was the restriction, and was judged when it was made.
        } else if not_valid && matches!(kind, ConstraintKind::Check | ConstraintKind::ForeignKey) {
            self.restricted(at, table, &format!("{what}, NOT VALID, which new writes must keep to"));
        } else {
            self.found(at, rule, &what);
        }
    }
}

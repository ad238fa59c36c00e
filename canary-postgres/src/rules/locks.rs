//! Strong locks on tables in use: taken without a timeout, held while more is done.

use std::collections::BTreeSet;

use super::judge::{At, Judge};
use crate::sql::name::Name;
use crate::sql::statement::{Class, ConstraintKind, EffectKind};
use crate::words::count;

/// The most files that are named beside the first.
const NAMED: usize = 8;

/// What a transaction has locked so far.
#[derive(Debug, Default)]
pub(crate) struct Window {
    timeout: bool,
    told_timeout: bool,
    told_wide: bool,
    tables: BTreeSet<Name>,
    waits: Waits,
}

/// Where the set locks without a timeout: said once, at the first place, with the other files named.
#[derive(Debug, Default)]
struct Waits {
    /// The finding, by its place among all.
    finding: Option<usize>,
    /// The first place of each file after the first.
    others: Vec<String>,
}

impl Window {
    pub(super) fn next_file(&mut self) {
        (self.timeout, self.told_timeout) = (false, false);
    }

    pub(super) fn next_transaction(&mut self) {
        self.tables.clear();
        self.told_wide = false;
    }
}

impl Judge {
    /// Follows the locks that an effect takes on old tables.
    pub(super) fn locked(&mut self, at: At<'_>) {
        if let EffectKind::LockTimeout { on } = at.effect.kind {
            self.window.timeout = on;
        }
        let locks = strong_locks(&at.effect.kind);
        let old: Vec<Name> = locks.into_iter().filter(|name| !self.is_new_table(name)).cloned().collect();
        if let (Some(table), false, false) = (old.first(), self.window.timeout, self.window.told_timeout) {
            self.window.told_timeout = true;
            self.waits(at, table);
        }
        let held = self.window.tables.iter().next().cloned();
        let other = old.iter().find(|name| !self.window.tables.contains(*name)).cloned();
        let works = self.works(&at.effect.kind);
        if let (Some(held), false) = (held, self.window.told_wide) {
            let what = match (other, works) {
                (Some(other), _) => {
                    Some(format!("locks {other} while {held} is locked in the same transaction"))
                }
                (None, Some(work)) => Some(format!("{work} while {held} is locked in the same transaction")),
                (None, None) => None,
            };
            if let Some(what) = what {
                self.window.told_wide = true;
                self.found(at, "wide-lock-window", &what);
            }
        }
        self.window.tables.extend(old);
    }

    /// A file's first lock without a timeout.
    fn waits(&mut self, at: At<'_>, table: &Name) {
        if self.window.waits.finding.is_some() {
            let place = format!("{}:{}", at.place.file, self.line_of(at));
            self.window.waits.others.push(place);
            return;
        }
        self.window.waits.finding = Some(self.findings.len());
        self.found(at, "lock-timeout-missing", &format!("locks {table} with no lock_timeout set"));
    }

    /// Adds the other files to what was said of the first.
    pub(super) fn tell_waits(&mut self) {
        let Waits { finding, others } = std::mem::take(&mut self.window.waits);
        let finding = finding.and_then(|at| self.findings.get_mut(at));
        if let (Some(finding), false) = (finding, others.is_empty()) {
            let more = others.len().saturating_sub(NAMED);
            let named = others[..others.len() - more].join(", ");
            let more = if more == 0 { String::new() } else { format!(" and {}", count(more, "more file")) };
            finding.reason = format!("{}; the same in {named}{more}", finding.reason);
        }
    }

    /// Work that takes as long as a table in use is large.
    fn works(&self, kind: &EffectKind) -> Option<String> {
        match kind {
            EffectKind::Dml { verb, table, .. } if !self.is_new_table(table) => {
                Some(format!("runs an {verb} on {table}"))
            }
            EffectKind::ValidateConstraint { table, name } if !self.is_new_table(table) => {
                Some(format!("validates {name} of {table}"))
            }
            EffectKind::CreateIndex { table, concurrently: false, .. } if !self.is_new_table(table) => {
                Some(format!("builds an index on {table}"))
            }
            _ => None,
        }
    }
}

/// The tables that an effect locks against reads or writes.
fn strong_locks(kind: &EffectKind) -> Vec<&Name> {
    match kind {
        EffectKind::AddColumn { table, .. }
        | EffectKind::DropColumn { table, .. }
        | EffectKind::RenameColumn { table, .. }
        | EffectKind::DropConstraint { table, .. }
        | EffectKind::RenameConstraint { table, .. }
        | EffectKind::AlterConstraint { table, .. }
        | EffectKind::RowSecurity { table, .. }
        | EffectKind::Trigger { table, .. }
        | EffectKind::RewriteRule { table }
        | EffectKind::Rewrite { table, .. }
        | EffectKind::ReplicaIdentity { table }
        | EffectKind::Truncate { table }
        | EffectKind::Lock { table, .. }
        | EffectKind::PartitionOf { parent: table }
        | EffectKind::Detach { table, concurrently: false, .. }
        | EffectKind::CreateIndex { table, concurrently: false, .. } => vec![table],
        EffectKind::AlterColumn { table, .. } => vec![table],
        EffectKind::AddConstraint { table, kind: ConstraintKind::ForeignKey, parent, .. } => {
            std::iter::once(table).chain(parent).collect()
        }
        EffectKind::AddConstraint { table, .. } => vec![table],
        EffectKind::Drop { class: Class::Table, name }
        | EffectKind::Rename { class: Class::Table, name, .. } => {
            vec![name]
        }
        EffectKind::Move { class: Class::Table, name } => vec![name],
        _ => Vec::new(),
    }
}

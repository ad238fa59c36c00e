//! Walks the statements of one file after another and says what each breaks.

use std::collections::HashSet;

use canary_core::traits::Finding;

use super::catalog::{Rule, rule};
use super::schema::{Baseline, NewObjects};
use crate::sql::position::{Lines, Span, shown};
use crate::sql::statement::{Effect, EffectKind, Script, Statement};

/// Where findings of a file are said to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// The file, as the operator names it.
    pub(crate) file: &'a str,
    /// Its text as it lies on the disk.
    pub(crate) text: &'a str,
    /// Whether the runner wraps it in a transaction.
    pub(crate) in_transaction: bool,
}

/// The judge of a set of migrations, fed in the order they run.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    pub(super) new: NewObjects,
    /// Constraints added in the file at hand: table and name.
    pub(super) added_here: HashSet<(String, String)>,
    /// The lines of the file at hand.
    lines: Lines,
    findings: Vec<Finding>,
}

impl Judge {
    /// A judge that knows what older files made.
    pub(crate) fn over(baseline: Baseline) -> Self {
        Self { new: NewObjects::over(baseline), ..Self::default() }
    }

    /// Judges one file.
    pub(crate) fn file(&mut self, place: Place<'_>, script: &Script) {
        self.added_here.clear();
        self.lines = Lines::of(place.text);
        if let Some(error) = script.errors.first() {
            let position = self.lines.at(place.text, error.at);
            let span = Span { start: floor(place.text, error.at), end: floor(place.text, error.at + 80) };
            let more = script.errors.len() - 1;
            let more = if more == 0 { String::new() } else { format!(" (and {more} more errors after it)") };
            let what = format!("not understood as SQL: {}{more}", error.message);
            self.findings.push(finding(rule("unparsed-sql"), place, position, span, &what));
        }
        for statement in &script.statements {
            for effect in &statement.effects {
                self.effect(At { place, statement, effect });
            }
        }
    }

    /// Everything found, in the order of files and statements.
    pub(crate) fn into_findings(self) -> Vec<Finding> {
        self.findings
    }

    /// Records a finding about a file as a whole.
    pub(crate) fn note(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Records a finding about an effect.
    pub(super) fn found(&mut self, at: At<'_>, name: &str, what: &str) {
        let position = self.lines.at(at.place.text, at.effect.span.start);
        let finding = finding(rule(name), at.place, position, at.statement.span, what);
        self.findings.push(finding);
    }

    fn effect(&mut self, at: At<'_>) {
        match &at.effect.kind {
            EffectKind::AddColumn { table, .. }
            | EffectKind::DropColumn { table, .. }
            | EffectKind::RenameColumn { table, .. }
            | EffectKind::AlterColumn { table, .. }
            | EffectKind::AddConstraint { table, .. }
            | EffectKind::ValidateConstraint { table, .. }
            | EffectKind::DropConstraint { table, .. }
            | EffectKind::RenameConstraint { table, .. }
            | EffectKind::AlterConstraint { table, .. } => self.column_or_constraint(at, table),
            _ => self.object(at),
        }
    }
}

/// One effect, its statement and its file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At<'a> {
    pub(super) place: Place<'a>,
    pub(super) statement: &'a Statement,
    pub(super) effect: &'a Effect,
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

fn finding(rule: Rule, place: Place<'_>, (line, column): (u64, u64), span: Span, what: &str) -> Finding {
    Finding {
        rule: rule.name.to_owned(),
        severity: rule.severity,
        file: place.file.to_owned(),
        line,
        column,
        statement: shown(place.text, span),
        reason: format!("{what}: {}", rule.breaks),
        remedy: rule.remedy.to_owned(),
        ..Finding::default()
    }
}

//! Walks the statements of one file after another and says what each breaks.

use std::collections::HashSet;

use canary_core::traits::{Finding, Severity};

use super::catalog::{Class, Rule, rule};
use super::code::Routines;
use super::facts::Reading;
use super::locks::Window;
use super::schema::{Known, NewObjects};
use crate::convention::{Convention, Part, Splitting, Transaction};
use crate::sql::position::{Lines, Span, excerpt, shown};
use crate::sql::statement::{Effect, EffectKind, Script, Statement};
use crate::words::count;

/// Where findings of a file are said to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// The file, as the operator names it.
    pub(crate) file: &'a str,
    /// Its text as it lies on the disk.
    pub(crate) text: &'a str,
    /// The tool that runs it.
    pub(crate) convention: Convention,
    /// What runs as one.
    pub(crate) parts: &'a [Part],
}

/// What the judge does about rules that only lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Locks {
    /// As the table of rules says: a long strong lock on a table in use stops the release.
    #[default]
    Refuse,
    /// Shown and recorded.
    Warn,
}

/// The judge of a set of migrations, fed in the order they run.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    pub(super) new: NewObjects,
    pub(super) facts: Reading,
    pub(super) routines: Routines,
    pub(super) window: Window,
    /// Constraints added in the transaction at hand: table and name.
    pub(super) added_here: HashSet<(String, String)>,
    /// Labels added to enums in the transaction at hand.
    pub(super) labels: Vec<String>,
    /// Tables renamed in the transaction at hand, with the finding that said so.
    pub(super) renamed: Vec<(crate::sql::name::Name, usize)>,
    locks: Locks,
    /// The lines of the file at hand.
    lines: Lines,
    pub(super) findings: Vec<Finding>,
    /// Counts transactions.
    pub(super) transaction: u64,
    /// Between a BEGIN and its COMMIT in the text.
    begun: bool,
}

impl Judge {
    /// A judge that knows what older files made, and the binary that is running.
    pub(crate) fn over(known: Known, facts: Reading, locks: Locks) -> Self {
        Self { new: NewObjects::over(known), facts, locks, transaction: 1, ..Self::default() }
    }

    /// Turns to a file: what is noted from here on is about it.
    pub(crate) fn open(&mut self, place: Place<'_>) {
        self.lines = Lines::of(place.text);
    }

    /// Judges the statements of the file at hand.
    pub(crate) fn file(&mut self, place: Place<'_>, script: &Script) {
        self.begun = false;
        self.window.next_file();
        self.next_transaction();
        if let Some(error) = script.errors.first() {
            let span = Span { start: floor(place.text, error.at), end: floor(place.text, error.at + 80) };
            let end = place.text[span.start..span.end].find('\n').map_or(span.end, |end| span.start + end);
            let more = match script.errors.len() - 1 {
                0 => String::new(),
                more => format!(" (and {} after it)", count(more, "more error")),
            };
            let what = format!("not understood as SQL: {}{more}", error.message);
            let span = Span { start: span.start, end };
            self.note(place, rule("unparsed-sql"), None, span, &what);
        }
        let (mut part, mut wraps) = (usize::MAX, false);
        for statement in &script.statements {
            // The parts stand in order.
            let before = place.parts.partition_point(|part| part.range.start <= statement.span.start);
            let at = before.saturating_sub(1);
            let within = place.parts.get(at);
            if at != part {
                part = at;
                wraps = within.is_some_and(|part| self::wraps(place.convention, part, script));
                self.next_transaction();
            }
            let alone = within.is_some_and(|part| part.transaction == Transaction::None);
            if alone && !wraps && !self.begun {
                self.next_transaction();
            }
            self.statement(place, statement, wraps);
        }
    }

    fn statement(&mut self, place: Place<'_>, statement: &Statement, wraps: bool) {
        self.used_labels(place, statement);
        for effect in &statement.effects {
            match &effect.kind {
                EffectKind::Begin => self.begun = true,
                EffectKind::End => {
                    self.begun = false;
                    self.next_transaction();
                }
                _ => {
                    let in_transaction = wraps || self.begun;
                    self.effect(At { place, statement, effect, in_transaction, in_code: false, via: "" });
                }
            }
        }
    }

    fn next_transaction(&mut self) {
        self.transaction += 1;
        self.added_here.clear();
        self.labels.clear();
        self.renamed.clear();
        self.window.next_transaction();
    }

    /// A statement that spells a label which its own transaction has added.
    fn used_labels(&mut self, place: Place<'_>, statement: &Statement) {
        let text = place.text.get(statement.span.start..statement.span.end).unwrap_or_default();
        let adds =
            statement.effects.iter().any(|effect| matches!(effect.kind, EffectKind::AddEnumValue { .. }));
        let found = self.labels.iter().find_map(|label| {
            let written = format!("'{}'", label.replace('\'', "''"));
            Some((label.clone(), text.find(&written)?, written.len()))
        });
        if let (Some((label, at, length)), false) = (found, adds) {
            let start = statement.span.start + at;
            let what = format!("uses the label {label} in the transaction that adds it");
            let span = Span { start, end: start + length };
            self.note(place, rule("enum-value-used-in-tx"), Some(statement.span), span, &what);
        }
    }

    /// Everything found, in the order of files and statements.
    pub(crate) fn into_findings(mut self) -> Vec<Finding> {
        self.tell_waits();
        self.findings
    }

    /// Records a finding about a file as a whole.
    pub(crate) fn push(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Records a finding about a stretch of a file; without a statement the stretch is shown for one.
    pub(crate) fn note(
        &mut self,
        place: Place<'_>,
        rule: Rule,
        statement: Option<Span>,
        span: Span,
        what: &str,
    ) {
        let (line, column) = self.lines.at(place.text, span.start);
        let (end_line, end_column) = self.lines.at(place.text, span.end);
        self.findings.push(Finding {
            rule: rule.name.to_owned(),
            severity: self.severity(rule),
            file: place.file.to_owned(),
            line,
            column,
            end_line,
            end_column,
            source: excerpt(place.text, &self.lines, span),
            statement: shown(place.text, statement.unwrap_or(span)),
            reason: format!("{what}: {}", rule.breaks),
            remedy: rule.remedy.to_owned(),
            sqlstates: rule.sqlstates(),
            steps: rule.steps(),
            ..Finding::default()
        });
    }

    fn severity(&self, rule: Rule) -> Severity {
        match (rule.class, self.locks) {
            (Class::Locks, Locks::Warn) => Severity::Warn,
            _ => rule.severity,
        }
    }

    /// Records a finding about an effect.
    pub(super) fn found(&mut self, at: At<'_>, name: &str, what: &str) {
        self.found_for(at, name, what, None, Vec::new());
    }

    /// The same with the object it is about and the queries of the running binary that break.
    pub(super) fn found_for(
        &mut self,
        at: At<'_>,
        name: &str,
        what: &str,
        object: Option<String>,
        breaks: Vec<String>,
    ) {
        let what = format!("{what}{}", at.via);
        self.note(at.place, rule(name), Some(at.statement.span), at.effect.span, &what);
        if let Some(finding) = self.findings.last_mut() {
            finding.object = object;
            finding.breaks = breaks;
        }
    }

    /// The line of the file that an effect stands in.
    pub(super) fn line_of(&self, at: At<'_>) -> u64 {
        self.lines.at(at.place.text, at.effect.span.start).0
    }

    /// The severity of the last finding, where the running binary's queries decide it.
    pub(super) fn decide(&mut self, severity: Severity) {
        if let Some(finding) = self.findings.last_mut() {
            finding.severity = severity;
        }
    }

    pub(super) fn effect(&mut self, at: At<'_>) {
        self.locked(at);
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

/// Whether the runner, or the server on its own, puts a transaction around each statement of a part.
fn wraps(convention: Convention, part: &Part, script: &Script) -> bool {
    let inside = || script.within(&part.range).iter();
    let alone = |s: &Statement| s.effects.iter().any(|e| matches!(e.kind, EffectKind::Concurrently));
    match part.transaction {
        // Flyway sees which statements cannot be in a transaction, and runs a file of nothing else without one.
        Transaction::Around if convention == Convention::Flyway => !inside().all(alone),
        Transaction::Around => true,
        Transaction::None => part.splitting == Splitting::Whole && inside().count() > 1,
        Transaction::Unknown => false,
    }
}

/// One effect, its statement and its file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At<'a> {
    pub(super) place: Place<'a>,
    pub(super) statement: &'a Statement,
    pub(super) effect: &'a Effect,
    pub(super) in_transaction: bool,
    /// In a DO block or a routine.
    pub(super) in_code: bool,
    /// Through which routine, for messages.
    pub(super) via: &'a str,
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

//! What happened, row by row, in the order in which it began.

use std::collections::BTreeMap;
use std::time::Duration;

use canary_core::analysis::{Observation, SliVerdict, Verdict};
use canary_core::journal::{Decision, Entry, Record, StepResult};
use canary_core::plan::{Direction, Step};
use canary_core::time::Timestamp;
use canary_core::traits::CheckVerdict;

use crate::probes::{bound, held_for, judges};
use crate::{sentences, words};

/// How a row is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Good,
    Careful,
    Bad,
}

/// One row.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) at: Timestamp,
    pub(crate) node: Option<String>,
    pub(crate) what: String,
    pub(crate) took: Option<Duration>,
    pub(crate) text: String,
    pub(crate) tone: Tone,
    /// Whether it belongs to the way back.
    pub(crate) back: bool,
    /// The service's log lines.
    pub(crate) logs: Vec<String>,
    /// A step without an end.
    pub(crate) open: bool,
}

/// A fold over one rollout's records.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    rows: Vec<Row>,
    /// Where the rows of steps are that have not ended.
    begun: BTreeMap<Step, usize>,
    probes: usize,
    /// Probes that say the same, one after the other: what they say and where their row is.
    same: Option<(String, usize, usize)>,
    last: Option<Timestamp>,
}

impl Timeline {
    /// Takes a record into account.
    pub(crate) fn take(&mut self, record: &Record) {
        let at = record.time;
        if !matches!(record.entry, Entry::Observed { .. }) {
            self.same = None;
        }
        match &record.entry {
            Entry::GateReviewed { actor, review, .. } => {
                let tone = if review.permit().is_some() { Tone::Plain } else { Tone::Bad };
                self.say(
                    at,
                    "gate",
                    &format!("{}, asked by {actor}", sentences::gate(&review.verdict)),
                    tone,
                );
            }
            Entry::Checked { reports, .. } => {
                for report in reports {
                    let passed = report.verdict == CheckVerdict::Pass;
                    self.say(at, "check", &report.to_string(), if passed { Tone::Plain } else { Tone::Bad });
                }
            }
            Entry::Refused { actor, .. } => {
                self.say(at, "refused", &format!("asked for by {actor}; nothing was changed"), Tone::Bad);
            }
            Entry::Started { actor, reason, .. } => {
                let because = reason.as_ref().map(|why| format!(" (because: {why})")).unwrap_or_default();
                self.say(at, "started", &format!("by {actor}{because}"), Tone::Plain);
            }
            Entry::Resumed { actor, .. } => {
                let gap = self.last.map(|last| words::time(at.since(last))).unwrap_or_default();
                let text = format!("by {actor}, {gap} after the record before");
                self.say(at, "resumed", &text, Tone::Careful);
            }
            Entry::StepStarted { step, .. } => self.started(at, step),
            Entry::Retried { step, error, attempt, delay, .. } => {
                let text = format!("try {attempt} failed, again in {}: {error}", words::time(*delay));
                let mut row = row(at, "retry", text, Tone::Careful);
                row.node = step.node.as_ref().map(ToString::to_string);
                row.back = step.direction == Direction::Back;
                self.rows.push(row);
            }
            Entry::Calibrated { step, comparison, .. } => {
                let tone = if comparison.remarks.is_empty() { Tone::Plain } else { Tone::Careful };
                let mut row = row(at, "compare", comparison.to_string(), tone);
                row.node = step.node.as_ref().map(ToString::to_string);
                self.rows.push(row);
            }
            Entry::Observed { step, observation, .. } => self.observed(at, step, observation),
            Entry::StepFinished { step, result, facts, logs, .. } => {
                self.finished(at, step, result, facts, logs);
            }
            Entry::Asked { request, refused, .. } => {
                let text = sentences::asked(request, refused.as_deref());
                self.say(at, request.wish.as_str(), &text, Tone::Careful);
            }
            Entry::Finished { outcome, .. } => {
                let reason = sentences::reason(outcome).unwrap_or_default();
                let tone = if outcome.exit_code() == 0 { Tone::Good } else { Tone::Bad };
                self.say(at, outcome.as_str(), &reason, tone);
            }
            Entry::Decided(decided) => {
                let tone = match decided.ruling.decision {
                    Decision::Approve => Tone::Plain,
                    Decision::Rollback => Tone::Bad,
                    Decision::Halt => Tone::Careful,
                };
                self.say(at, "decided", &sentences::decided(decided), tone);
            }
            Entry::Genesis { .. }
            | Entry::Opened { .. }
            | Entry::Recovered { .. }
            | Entry::SigningKey { .. }
            | Entry::Heartbeat { .. } => {}
        }
        self.last = Some(at);
    }

    /// The rows; a step without an end says so.
    pub(crate) fn rows(self) -> Vec<Row> {
        self.rows
    }

    fn say(&mut self, at: Timestamp, what: &str, text: &str, tone: Tone) {
        self.rows.push(row(at, what, text.to_owned(), tone));
    }

    fn started(&mut self, at: Timestamp, step: &Step) {
        let mut row = row(at, &words::step(step), String::new(), Tone::Careful);
        row.node = step.node.as_ref().map(ToString::to_string);
        row.back = step.direction == Direction::Back;
        row.open = true;
        self.rows.push(row);
        let before = self.begun.insert(step.clone(), self.rows.len() - 1);
        if let Some(row) = before.and_then(|at| self.rows.get_mut(at)) {
            row.open = false;
            row.text = "its end was not recorded; begun again below".to_owned();
        }
    }

    fn finished(
        &mut self,
        at: Timestamp,
        step: &Step,
        result: &StepResult,
        facts: &BTreeMap<String, String>,
        logs: &[String],
    ) {
        if !self.begun.contains_key(step) {
            self.started(at, step);
        }
        let Some(row) = self.begun.remove(step).and_then(|at| self.rows.get_mut(at)) else { return };
        row.open = false;
        row.took = Some(at.since(row.at));
        row.logs = logs.to_vec();
        (row.text, row.tone) = match result {
            StepResult::Done { changed } => (sentences::done(step.action, *changed, facts), Tone::Plain),
            StepResult::Failed { message, .. } => (format!("failed: {message}"), Tone::Bad),
        };
        if let Some(why) = facts.get("sessions_closed") {
            row.text.push_str(&format!("; requests in progress were cut: {why}"));
            row.tone = Tone::Careful;
        }
    }

    fn observed(&mut self, at: Timestamp, step: &Step, observation: &Observation) {
        self.probes += 1;
        let (text, key, tone) = probe(observation);
        let same = self.same.take().filter(|(before, ..)| *before == key);
        if let Some((key, first, place)) = same
            && let Some(row) = self.rows.get_mut(place)
        {
            row.what = format!("probes {first}–{}", self.probes);
            row.text = text;
            row.took = Some(at.since(row.at));
            self.same = Some((key, first, place));
            return;
        }
        let mut row = row(at, &format!("probe {}", self.probes), text, tone);
        row.node = step.node.as_ref().map(ToString::to_string);
        self.rows.push(row);
        self.same = Some((key, self.probes, self.rows.len() - 1));
    }
}

fn row(at: Timestamp, what: &str, text: String, tone: Tone) -> Row {
    let (node, took, logs) = (None, None, Vec::new());
    Row { at, node, what: what.to_owned(), took, text, tone, back: false, logs, open: false }
}

/// What a probe says, what makes another one the same, and how it is meant.
fn probe(observation: &Observation) -> (String, String, Tone) {
    let slis: Vec<_> = observation
        .slis
        .iter()
        .map(|judged| {
            let value = judged.value.map_or_else(|| "?".to_owned(), words::number);
            match &judged.verdict {
                SliVerdict::Green => format!("{} {value} ({})", judged.sli, bound(judged)),
                SliVerdict::Red => format!("{} {value} ({}) red", judged.sli, bound(judged)),
                SliVerdict::Hold { why } => format!("{} held ({why})", judged.sli),
            }
        })
        .collect();
    let slis = slis.into_iter().chain(judges(observation)).collect::<Vec<_>>().join(", ");
    match observation.verdict {
        Verdict::Green => (format!("green: {slis}"), "green".to_owned(), Tone::Good),
        Verdict::Red => (format!("red: {slis}"), format!("red {}", observation.at), Tone::Bad),
        Verdict::Hold => (format!("hold: {slis}"), format!("hold {}", held_for(observation)), Tone::Careful),
    }
}

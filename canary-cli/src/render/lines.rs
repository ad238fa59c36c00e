//! Records as lines for people.

use std::collections::BTreeMap;
use std::time::Duration;

use canary_core::analysis::{Observation, SliVerdict, Verdict, round};
use canary_core::journal::{Decision, Entry, StepResult};
use canary_core::plan::{Direction, Plan, Step};
use canary_core::time::Timestamp;
use canary_report::probes::{bound, held_for, judges};
use canary_report::sentences::{self, asked, done};

use super::checks::check_lines;
use super::gate::{gate_lines, refused_lines};
use super::outcome::outcome_lines;
use super::paint::Paint;
use super::plan::plan_lines;
use super::words;

/// Turns records into lines, one after the other; remembers when steps began and what the plan was.
#[derive(Debug)]
pub struct Lines {
    paint: Paint,
    plan: Option<Plan>,
    begun: BTreeMap<Step, Timestamp>,
    probes: u64,
    /// The hold that was shown last, and when.
    held: Option<(String, Timestamp)>,
    /// Whether green probes are shown elsewhere.
    calm: bool,
    /// Whether the last probe was green.
    green: bool,
}

/// A hold that goes on is shown again after this long.
const STILL_HELD: Duration = Duration::from_secs(60);

impl Lines {
    /// Lines in these colours.
    #[must_use]
    pub const fn new(paint: Paint) -> Self {
        Self { paint, plan: None, begun: BTreeMap::new(), probes: 0, held: None, calm: false, green: false }
    }

    /// The same beside a view that shows the probes: a green one after a green one is then no line.
    #[must_use]
    pub const fn calm(mut self, calm: bool) -> Self {
        self.calm = calm;
        self
    }

    /// The same, for a rollout that began earlier.
    #[must_use]
    pub fn with_plan(mut self, plan: Plan) -> Self {
        self.plan = Some(plan);
        self
    }

    /// The lines of one record; none for what is not worth one.
    pub fn of(&mut self, time: Timestamp, entry: &Entry) -> Vec<String> {
        match entry {
            Entry::Genesis { .. } | Entry::Opened { .. } | Entry::SigningKey { handover: None, .. } => {
                Vec::new()
            }
            Entry::SigningKey { key, handover: Some(before) } => {
                vec![format!(
                    "the journal's head is signed with {key} from here on, no more with {}",
                    before.from
                )]
            }
            Entry::Recovered { moved_to, .. } => {
                vec![self.paint.careful(&format!(
                    "note: the journal's last line was incomplete; it is in {moved_to} now"
                ))]
            }
            Entry::GateReviewed { review, .. } => gate_lines(review, self.paint),
            Entry::Checked { reports, .. } => {
                reports.iter().flat_map(|report| check_lines(report, self.paint)).collect()
            }
            Entry::Refused { reasons, .. } => refused_lines(reasons, self.paint),
            Entry::Started { plan, reason, .. } => {
                self.plan = Some((**plan).clone());
                self.begun.clear();
                self.probes = 0;
                self.green = false;
                let mut lines = plan_lines(plan, self.paint);
                lines.extend(reason.as_ref().map(|reason| format!("  because: {reason}")));
                lines
            }
            Entry::Resumed { actor, .. } => {
                vec![format!("{}  resumed by {actor}", self.paint.quiet(&words::clock(time)))]
            }
            Entry::StepStarted { step, .. } => {
                self.begun.insert(step.clone(), time);
                Vec::new()
            }
            Entry::Retried { step, error, attempt, delay, .. } => {
                let text = format!("try {attempt} failed, again in {}: {error}", words::time(*delay));
                vec![self.row(time, step, "", &self.paint.quiet(&text))]
            }
            Entry::Calibrated { step, comparison, .. } => {
                vec![self.row(time, step, "", &comparison.to_string())]
            }
            Entry::Observed { step, observation, .. } => {
                self.probes += 1;
                let text = probe(observation, self.paint);
                let again = std::mem::replace(&mut self.green, observation.verdict == Verdict::Green);
                if (self.calm && again && self.green) || self.still_held(time, observation) {
                    return Vec::new();
                }
                vec![self.row(time, step, "", &format!("probe {}: {text}", self.probes))]
            }
            Entry::StepFinished { step, result, facts, logs, .. } => {
                self.finished(time, step, result, facts, logs)
            }
            Entry::Asked { request, refused, .. } => {
                let text = asked(request, refused.as_deref());
                let text = if refused.is_some() { self.paint.careful(&text) } else { text };
                vec![format!("{}  {text}", self.paint.quiet(&words::clock(time)))]
            }
            Entry::Decided(decided) => {
                let text = sentences::decided(decided);
                let text = match decided.ruling.decision {
                    Decision::Approve => text,
                    Decision::Rollback => self.paint.bad(&text),
                    Decision::Halt => self.paint.careful(&text),
                };
                vec![format!("{}  {text}", self.paint.quiet(&words::clock(time)))]
            }
            Entry::Heartbeat { rollout, beat, decisions, .. } => {
                let text = format!("{rollout}: {}", sentences::beat(*beat, *decisions));
                vec![format!("{}  {}", self.paint.quiet(&words::clock(time)), self.paint.quiet(&text))]
            }
            Entry::Finished { outcome, nodes, .. } => {
                outcome_lines(outcome, nodes, self.plan.as_ref(), self.paint)
            }
        }
    }

    /// Whether a probe says what was said a moment ago: that it holds, for the same reason.
    fn still_held(&mut self, time: Timestamp, observation: &Observation) -> bool {
        if observation.verdict != Verdict::Hold {
            self.held = None;
            return false;
        }
        let why = held_for(observation);
        let shown = self.held.as_ref();
        if shown.is_some_and(|(said, at)| *said == why && time.since(*at) < STILL_HELD) {
            return true;
        }
        self.held = Some((why, time));
        false
    }

    fn finished(
        &self,
        time: Timestamp,
        step: &Step,
        result: &StepResult,
        facts: &BTreeMap<String, String>,
        logs: &[String],
    ) -> Vec<String> {
        let took = self.begun.get(step).map(|begun| words::time(time.since(*begun))).unwrap_or_default();
        match result {
            StepResult::Done { changed } => {
                let mut lines = vec![self.row(time, step, &took, &done(step.action, *changed, facts))];
                if let Some(why) = facts.get("sessions_closed") {
                    lines
                        .push(self.paint.careful(&format!("          requests in progress were cut: {why}")));
                }
                lines
            }
            StepResult::Failed { message, .. } => {
                let mut lines =
                    vec![self.row(time, step, &took, &self.paint.bad(&format!("failed: {message}")))];
                lines.extend(logs.iter().map(|line| self.paint.quiet(&format!("          | {line}"))));
                lines
            }
        }
    }

    /// `14:32:10  backend-api-2  install        0.21s  …`.
    fn row(&self, time: Timestamp, step: &Step, took: &str, text: &str) -> String {
        let names = self.plan.iter().flat_map(|plan| &plan.nodes).map(|planned| planned.node.as_str().len());
        let width = names.max().unwrap_or(0);
        let node = step.node.as_ref().map_or("-", |node| node.as_str());
        let action = words::step(step);
        let back = self.begun.keys().any(|step| step.direction == Direction::Back);
        let column = if back { 19 } else { 13 };
        let clock = self.paint.quiet(&words::clock(time));
        let line = format!("{clock}  {node:<width$}  {action:<column$}  {took:>7}  {text}");
        line.trim_end().to_owned()
    }
}

/// `green, p95 0.012 (< 0.5), error_ratio 0 (< 0.005)`.
fn probe(observation: &Observation, paint: Paint) -> String {
    let verdict = match observation.verdict {
        Verdict::Green => paint.good("green"),
        Verdict::Red => paint.bad("red"),
        Verdict::Hold => paint.careful("hold"),
    };
    let slis = observation.slis.iter().map(|judged| {
        let value = judged.value.map_or_else(|| "?".to_owned(), round);
        let text = format!("{} {value} ({})", judged.sli, bound(judged));
        match &judged.verdict {
            SliVerdict::Green => text,
            SliVerdict::Red => paint.bad(&format!("{text} red")),
            SliVerdict::Hold { why } => format!("{} held ({why})", judged.sli),
        }
    });
    std::iter::once(verdict).chain(slis).chain(judges(observation)).collect::<Vec<_>>().join(", ")
}

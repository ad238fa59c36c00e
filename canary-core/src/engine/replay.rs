//! Decides a recorded rollout once more, from its evidence: every decision has to come out as it was recorded.

use serde::Serialize;

use super::answer::{Answer, answer};
use super::outcome::borne_out;
use super::{FailureClass, Next, next};
use crate::analysis::{Carried, Observation, WatchNext};
use crate::journal::{Entry, History, Record, Request, RolloutId, StepResult, canonical};
use crate::plan::{Action, Plan, Step};

/// What deciding once more gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// How many decisions came out as they were recorded.
    pub decisions: u64,
    /// The first that did not; what follows it was not looked at.
    pub divergence: Option<Divergence>,
}

/// A decision that does not follow from its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Divergence {
    /// The record.
    pub seq: u64,
    /// What was decided.
    pub what: &'static str,
    /// How it was recorded.
    pub recorded: String,
    /// How it comes out.
    pub computed: String,
}

/// Decides a rollout once more: the next step at every step, the verdict of every probe, the end of every watch, the answer to every request, the
/// outcome. `None` when the rollout was not started.
///
/// What came from outside is taken for what it is recorded as: readings, the results of steps, requests, what was found on the nodes.
#[must_use]
pub fn replay(records: &[Record], rollout: &RolloutId) -> Option<Replayed> {
    let of_it = || records.iter().filter(|record| record.entry.rollout() == Some(rollout));
    let plan = of_it().find_map(|record| match &record.entry {
        Entry::Started { plan, .. } => Some(plan),
        _ => None,
    })?;
    let mut again = Again { plan, history: History::default(), done: Vec::new(), carried: None };
    let mut decisions = 0;
    for record in of_it() {
        match again.decide(&record.entry) {
            Some(Ok(())) => decisions += 1,
            Some(Err((what, recorded, computed))) => {
                let divergence = Some(Divergence { seq: record.seq, what, recorded, computed });
                return Some(Replayed { decisions, divergence });
            }
            None => {}
        }
        again.apply(record);
    }
    Some(Replayed { decisions, divergence: None })
}

type Decided = Result<(), (&'static str, String, String)>;

struct Again<'r> {
    plan: &'r Plan,
    history: History,
    /// What the history is folded from.
    done: Vec<&'r Record>,
    /// The judges of the watch or the pause under way.
    carried: Option<(Step, Carried)>,
}

impl<'r> Again<'r> {
    fn apply(&mut self, record: &'r Record) {
        match &record.entry {
            Entry::StepStarted { step, .. } if matches!(step.action, Action::Watch | Action::Pause) => {
                // A watch that is taken up again goes on where it was.
                let same = step.action == Action::Watch && self.history.watch().is_some();
                let same = same && self.carried.as_ref().is_some_and(|(of, _)| of == step);
                if !same {
                    self.carried = Some((step.clone(), Carried::default()));
                }
            }
            Entry::Calibrated { comparison, .. } => {
                if let Some((_, carried)) = &mut self.carried {
                    carried.calibrate(comparison);
                }
            }
            _ => {}
        }
        self.history.apply(record.time, &record.entry);
        self.done.push(record);
    }

    /// The history without its last record.
    fn before(&self) -> History {
        let mut before = History::default();
        let done = self.done.split_last().map_or(&[][..], |(_, done)| done);
        done.iter().for_each(|record| before.apply(record.time, &record.entry));
        before
    }

    /// Whether an entry's decision comes out again; `None` when it holds none.
    fn decide(&mut self, entry: &Entry) -> Option<Decided> {
        match entry {
            Entry::StepStarted { step, .. } => {
                let decided = next(self.plan, &self.history);
                let same = matches!(&decided, Next::Do(next) if next == step);
                Some(held(same, "the next step", || step.to_string(), || told(&decided)))
            }
            Entry::Finished { outcome, nodes, .. } => {
                let decided = match next(self.plan, &self.history) {
                    Next::Finish(outcome) => Next::Finish(borne_out(outcome, self.plan, nodes)),
                    step => step,
                };
                let same = matches!(&decided, Next::Finish(decided) if decided == outcome);
                Some(held(same, "the outcome", || outcome.to_string(), || told(&decided)))
            }
            Entry::Asked { request, refused, .. } => Some(self.asked(request, refused.as_ref())),
            Entry::Observed { step, observation, .. } => self.probe(step, observation),
            Entry::StepFinished { step, result, facts, .. } if step.action == Action::Watch => {
                self.watched(step, result, facts.contains_key("promoted_by"))
            }
            _ => None,
        }
    }

    fn asked(&self, request: &Request, refused: Option<&String>) -> Decided {
        let same = |answer: &Answer| match answer {
            Answer::Granted => refused.is_none(),
            Answer::Refused(why) => refused == Some(why),
            Answer::Known => false,
        };
        let now = answer(self.plan, &self.history, request);
        // A request is answered beside the step that runs, whose record may come between.
        let same = same(&now) || same(&answer(self.plan, &self.before(), request));
        let recorded = || refused.map_or_else(|| "granted".to_owned(), Clone::clone);
        held(same, "the answer to a request", recorded, || match now {
            Answer::Granted => "granted".to_owned(),
            Answer::Refused(why) => why,
            Answer::Known => "answered before".to_owned(),
        })
    }

    fn probe(&mut self, step: &Step, recorded: &Observation) -> Option<Decided> {
        let policy = self.plan.watch(step.stage)?;
        if step.action == Action::Watch
            && let Some(end) = self.history.watch().map(|state| state.next(&policy))
            && !matches!(end, WatchNext::Probe(_))
        {
            let (recorded, computed) = (|| "one more probe".to_owned(), || format!("{end:?}"));
            return Some(held(false, "the end of the watch", recorded, computed));
        }
        let (_, carried) = self.carried.get_or_insert_with(|| (step.clone(), Carried::default()));
        let computed = carried.judge(&policy, recorded);
        let (recorded, computed) = (text(recorded), text(&computed));
        Some(held(recorded == computed, "the verdict of a probe", || recorded.clone(), || computed.clone()))
    }

    fn watched(&self, step: &Step, result: &StepResult, promoted: bool) -> Option<Decided> {
        let policy = self.plan.watch(step.stage)?;
        let end = self.history.watch()?.next(&policy);
        let same = match (result, &end) {
            // Somebody ended it as it stood.
            (StepResult::Done { .. }, _) if promoted => true,
            (StepResult::Done { .. }, WatchNext::Green) => true,
            (StepResult::Failed { class: FailureClass::Red, message }, WatchNext::Red(why))
            | (
                StepResult::Failed { class: FailureClass::Inconclusive, message },
                WatchNext::Inconclusive(why),
            ) => message == why,
            // A call that failed is evidence, not a decision.
            (StepResult::Failed { class, .. }, WatchNext::Probe(_)) => {
                !matches!(class, FailureClass::Red | FailureClass::Inconclusive)
            }
            _ => false,
        };
        Some(held(same, "the end of the watch", || format!("{result:?}"), || format!("{end:?}")))
    }
}

fn held(
    same: bool,
    what: &'static str,
    recorded: impl FnOnce() -> String,
    computed: impl FnOnce() -> String,
) -> Decided {
    if same { Ok(()) } else { Err((what, recorded(), computed())) }
}

fn told(next: &Next) -> String {
    match next {
        Next::Do(step) => step.to_string(),
        Next::Finish(outcome) => outcome.to_string(),
    }
}

/// The bytes that a journal has of a probe.
fn text(observation: &Observation) -> String {
    let mut text = String::new();
    // proof: it was read from a journal, or made of the parts of one that was.
    let value = serde_json::to_value(observation).unwrap_or_default();
    let _ = canonical(&value, &mut text);
    text
}

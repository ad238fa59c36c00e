//! What another policy would have decided on the same evidence.

use std::borrow::Cow;

use serde::Serialize;

use crate::analysis::{Carried, Comparison, WatchNext, WatchState};
use crate::journal::{Entry, Record, RolloutId};
use crate::plan::{Action, Plan, Step};
use crate::spec::WatchPolicy;
use crate::time::Timestamp;

/// One watch of a rollout, by the policy it had and by another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Supposed {
    /// The watch.
    pub step: Step,
    /// How it ends by the policy it had.
    pub was: WatchEnd,
    /// How it would have ended.
    pub would_be: WatchEnd,
}

/// How far a watch gets on recorded probes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WatchEnd {
    /// What it comes to.
    pub verdict: WatchVerdict,
    /// Why, in words; empty for green.
    pub why: String,
    /// How many probes it takes.
    pub probes: u64,
    /// When the last of these was.
    pub at: Timestamp,
}

/// What a watch comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchVerdict {
    /// The canary passes.
    Green,
    /// It is taken back.
    Red,
    /// Without data for too long, or undecided at the window's end.
    Inconclusive,
    /// The recorded probes end before it decides.
    Open,
}

impl WatchVerdict {
    /// The verdict as a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Red => "red",
            Self::Inconclusive => "inconclusive",
            Self::Open => "open",
        }
    }
}

/// Decides every watch of a rollout by its own policy and by another. The evidence is what was recorded: a watch that would have gone on past the
/// recorded one's end stays open. Empty when the rollout was not started or watched nothing.
///
/// Of a comparison with the baseline the calibration stays as it was recorded; its bounds on wrong decisions are `policy`'s.
#[must_use]
pub fn suppose(records: &[Record], rollout: &RolloutId, policy: &WatchPolicy) -> Vec<Supposed> {
    let of_it: Vec<&Record> =
        records.iter().filter(|record| record.entry.rollout() == Some(rollout)).collect();
    let plan = of_it.iter().find_map(|record| match &record.entry {
        Entry::Started { plan, .. } => Some(plan.as_ref()),
        _ => None,
    });
    let Some(plan) = plan.filter(|plan| plan.spec.watch.is_some()) else { return Vec::new() };
    let mut other = plan.clone();
    other.spec.watch = Some(policy.clone());
    let ends = |plan: &Plan| -> Vec<(Step, WatchEnd)> { watches(plan, &of_it) };
    let pairs = ends(plan).into_iter().zip(ends(&other));
    pairs.map(|((step, was), (_, would_be))| Supposed { step, was, would_be }).collect()
}

/// A watch that is decided probe by probe.
struct Watch<'p> {
    step: Step,
    policy: Cow<'p, WatchPolicy>,
    state: WatchState,
    carried: Carried,
    end: Option<WatchEnd>,
    /// Whether the recorded one ended.
    closed: bool,
}

fn watches(plan: &Plan, records: &[&Record]) -> Vec<(Step, WatchEnd)> {
    let mut watches: Vec<Watch<'_>> = Vec::new();
    for record in records {
        match &record.entry {
            Entry::StepStarted { step, .. } if step.action == Action::Watch => {
                // One that is taken up again goes on where it was.
                let same = watches.last().is_some_and(|watch| watch.step == *step && !watch.closed);
                if let (Some(policy), false) = (plan.watch(step.stage), same) {
                    let (state, carried) = (WatchState::new(record.time), Carried::default());
                    let (step, end, closed) = (step.clone(), None, false);
                    watches.push(Watch { step, policy, state, carried, end, closed });
                }
            }
            Entry::Calibrated { comparison, .. } => {
                let watches_in_all = plan.watches();
                if let Some(watch) = watches.last_mut()
                    && let Some(rules) = &watch.policy.judging.odds
                {
                    let policy = rules.policy(watch.policy.window, watches_in_all);
                    let comparison = Comparison { policy, ..(**comparison).clone() };
                    watch.carried.calibrate(&comparison);
                    watch.state.comparison = Some(comparison);
                    watch.state.polls.clear();
                }
            }
            Entry::Observed { step, observation, .. } => {
                if let Some(watch) =
                    watches.last_mut().filter(|watch| watch.step == *step && watch.end.is_none())
                {
                    let judged = watch.carried.judge(&watch.policy, observation);
                    watch.state.observe(&judged);
                    watch.end = end(&watch.state, watch.state.next(&watch.policy));
                }
            }
            Entry::StepFinished { step, .. } => {
                let ended = watches.last_mut().filter(|watch| watch.step == *step);
                ended.into_iter().for_each(|watch| watch.closed = true);
            }
            _ => {}
        }
    }
    watches.into_iter().map(Watch::told).collect()
}

impl Watch<'_> {
    fn told(self) -> (Step, WatchEnd) {
        let open = WatchEnd {
            verdict: WatchVerdict::Open,
            why: "the recorded probes end before it decides".to_owned(),
            probes: self.state.probes,
            at: self.state.last,
        };
        (self.step, self.end.unwrap_or(open))
    }
}

fn end(state: &WatchState, next: WatchNext) -> Option<WatchEnd> {
    let (verdict, why) = match next {
        WatchNext::Probe(_) => return None,
        WatchNext::Green => (WatchVerdict::Green, String::new()),
        WatchNext::Red(why) => (WatchVerdict::Red, why),
        WatchNext::Inconclusive(why) => (WatchVerdict::Inconclusive, why),
    };
    Some(WatchEnd { verdict, why, probes: state.probes, at: state.last })
}

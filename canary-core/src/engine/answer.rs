//! What a person's wish means at this moment of the rollout. Pure, as [`next`](super::next()) is.

use super::next::{current, is_going_back, pause_points_left};
use crate::journal::{History, Request, StepStatus, Wish};
use crate::plan::{Action, Direction, Plan, Purpose, Step};

/// What the engine answers to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// Granted.
    Granted,
    /// Not granted, for this reason.
    Refused(String),
    /// The same request was answered before: an engine died between its record and the clearing away.
    Known,
}

/// Answers a request.
pub(super) fn answer(plan: &Plan, history: &History, request: &Request) -> Answer {
    if request.id.as_deref().is_some_and(|id| history.answered(id)) {
        return Answer::Known;
    }
    let refused = match request.wish {
        Wish::Abort if plan.purpose == Purpose::RollBack => {
            Some("what runs is a rollback: there is nothing to go back to".to_owned())
        }
        _ if is_going_back(plan, history) => Some("it is going back already, and finishes that".to_owned()),
        Wish::Abort | Wish::Stop => None,
        Wish::Pause => pause(plan, history),
        Wish::Promote => promote(plan, history),
    };
    refused.map_or(Answer::Granted, Answer::Refused)
}

fn pause(plan: &Plan, history: &History) -> Option<String> {
    if let Some(request) = history.paused() {
        return Some(format!("{} paused it already", request.actor));
    }
    if history.end().is_some() {
        return Some("it is stopping already".to_owned());
    }
    (!pause_points_left(plan, history))
        .then(|| "nothing is left to pause before: the last node is being worked on".to_owned())
}

fn promote(plan: &Plan, history: &History) -> Option<String> {
    let waits = current(plan, history).filter(|step| waits_for_a_verdict(step) && begun(history, step));
    if history.paused().is_some() || waits.is_some() {
        return None;
    }
    let at = current(plan, history).map_or_else(String::new, |step| format!("; it is at {step}"));
    Some(format!("nothing waits for it: it can end a pause or the watch{at}"))
}

fn begun(history: &History, step: &Step) -> bool {
    history.status(step) == Some(&StepStatus::Started)
}

const fn waits_for_a_verdict(step: &Step) -> bool {
    matches!(step.action, Action::Watch | Action::Pause)
}

/// What a granted wish does to the step that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing yet: the next decision heeds it.
    Later,
    /// It ends at once, without a result.
    Cut,
    /// It is done.
    Done,
}

/// What granting `wish` does to `step`; `paused` says whether a pause was in force before.
pub(super) fn effect(step: &Step, wish: Wish, paused: bool) -> Effect {
    match (step.direction, wish) {
        (Direction::Forward, Wish::Abort) => Effect::Cut,
        (Direction::Forward, Wish::Stop) if waits_for_a_verdict(step) => Effect::Cut,
        // A pause that has not begun yet is lifted first; the watch goes on.
        (Direction::Forward, Wish::Promote) if step.action == Action::Pause => Effect::Done,
        (Direction::Forward, Wish::Promote) if step.action == Action::Watch && !paused => Effect::Done,
        _ => Effect::Later,
    }
}

//! The one decision: given the plan and what happened, what comes next. Pure and total.

use super::outcome::{AfterHold, FailureClass, Outcome};
use crate::fleet::NodeId;
use crate::journal::{History, StepStatus, Wish};
use crate::plan::{Action, Direction, Plan, PlannedWeights, Purpose, Step, Work, weigh_before_enable};
use crate::spec::OnInconclusive;

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// This step.
    Do(Step),
    /// Nothing: the rollout ends so.
    Finish(Outcome),
}

/// Why the rollout cannot simply go on.
enum Trigger {
    /// A step forward failed.
    Failed(Step, FailureClass, String),
    /// A person wants to go back.
    GoBack,
    /// Records can no longer be written.
    JournalLost(String),
}

/// Decides what comes next.
#[must_use]
pub fn next(plan: &Plan, history: &History) -> Next {
    if let Some(outcome) = history.finished() {
        return Next::Finish(outcome.clone());
    }
    match trigger(plan, history) {
        None => forward(plan, history),
        Some(trigger) => answer(plan, history, trigger),
    }
}

fn trigger(plan: &Plan, history: &History) -> Option<Trigger> {
    let failed = |step: &Step| match history.status(step) {
        Some(StepStatus::Failed { class, message }) => {
            Some(Trigger::Failed(step.clone(), *class, message.clone()))
        }
        _ => None,
    };
    let paused = || pauses(plan).find_map(|step| failed(&step));
    let failed = plan.steps.iter().find_map(failed).or_else(paused);
    failed
        .or_else(|| (history.end() == Some(Wish::Abort)).then_some(Trigger::GoBack))
        .or_else(|| history.journal_lost().map(|why| Trigger::JournalLost(why.to_owned())))
}

/// Whether the rollout left the way forward.
pub(super) fn is_going_back(plan: &Plan, history: &History) -> bool {
    history.finished().is_none() && plan.purpose == Purpose::RollOut && trigger(plan, history).is_some()
}

/// The pauses that anybody could ask for, planned or not.
fn pauses(plan: &Plan) -> impl Iterator<Item = Step> {
    let before_any = Step { node: None, action: Action::Pause, direction: Direction::Forward, stage: 0 };
    let after = plan.nodes.iter().map(|planned| Step::forward(&planned.node, Action::Pause));
    let stages = 1..=plan.weights.as_ref().map_or(0, PlannedWeights::count);
    let at_stages = stages.map(|stage| Step::forward(&plan.spec.canary, Action::Pause).at_stage(stage));
    std::iter::once(before_any).chain(after).chain(at_stages)
}

/// The pause after the node that was begun last, at the part of its weight that it has: that of its last step before the one
/// that comes next. A canary that is done once more may have been further before.
fn pause_now(plan: &Plan, history: &History) -> Step {
    let node = begun(plan, history).into_iter().next();
    let done = plan.steps.iter().take_while(|step| done(history, step));
    let stage = done.filter(|step| step.node == node).last().map_or(0, |step| step.stage);
    Step { node, action: Action::Pause, direction: Direction::Forward, stage }
}

/// Whether a point is still to come where a pause takes effect.
pub(super) fn pause_points_left(plan: &Plan, history: &History) -> bool {
    let left = plan.steps.iter().filter(|step| !done(history, step));
    let mut points = left.filter(|step| step.action != Action::Watch && safe_before(plan, history, step));
    points.next().is_some()
}

fn done(history: &History, step: &Step) -> bool {
    matches!(history.status(step), Some(StepStatus::Done { .. }))
}

/// The step forward that is under way or comes next.
pub(super) fn current(plan: &Plan, history: &History) -> Option<Step> {
    plan.steps.iter().find(|step| !done(history, step)).cloned()
}

fn forward(plan: &Plan, history: &History) -> Next {
    let Some(step) = current(plan, history) else {
        let changed = plan.steps.iter().any(|step| {
            step.action != Action::Stage
                && matches!(history.status(step), Some(StepStatus::Done { changed: true }))
        });
        return Next::Finish(Outcome::Completed { changed });
    };
    let safe = safe_before(plan, history, &step);
    if history.end() == Some(Wish::Stop) && safe {
        return Next::Finish(Outcome::Interrupted { at: step.to_string() });
    }
    if history.paused().is_some() && safe && !matches!(step.action, Action::Watch | Action::Pause) {
        return Next::Do(pause_now(plan, history));
    }
    Next::Do(step)
}

/// Whether no node is drained or half-installed before `step`: it is a wait, a change of the weight of a node that serves,
/// or a node's first and not begun.
fn safe_before(plan: &Plan, history: &History, step: &Step) -> bool {
    if matches!(step.action, Action::Watch | Action::Pause | Action::Stage) {
        return true;
    }
    if step.action == Action::Weigh && done(history, &step.sibling(Action::Enable)) {
        return true;
    }
    let first = plan.steps.iter().find(|other| other.node == step.node);
    first == Some(step) && history.status(step).is_none()
}

fn answer(plan: &Plan, history: &History, trigger: Trigger) -> Next {
    match trigger {
        Trigger::Failed(step, class, message) => {
            let reason = format!("{step}: {message}");
            let Some(node) = step.node.clone() else {
                return Next::Finish(Outcome::Refused { reasons: vec![reason] });
            };
            match plan.purpose {
                Purpose::RollBack => order_failed(plan, history, &node, reason),
                Purpose::RollOut if node == plan.spec.canary => {
                    canary_failed(plan, history, class, reason, message)
                }
                Purpose::RollOut => peer_failed(plan, history, &node, reason),
            }
        }
        Trigger::GoBack => {
            let reason = "going back was asked for".to_owned();
            match plan.purpose {
                Purpose::RollOut => {
                    // A step that was broken off is neither done nor failed.
                    let worked_on = history
                        .under_way()
                        .filter(|step| !matches!(step.action, Action::Watch | Action::Pause))
                        .and_then(|step| step.node.as_ref());
                    let nodes = to_take_back(plan, history, worked_on);
                    go_back(plan, history, &nodes, Outcome::RolledBack { reason })
                }
                Purpose::RollBack => forward(plan, history),
            }
        }
        Trigger::JournalLost(why) => journal_lost(plan, history, &why),
    }
}

fn canary_failed(
    plan: &Plan,
    history: &History,
    class: FailureClass,
    reason: String,
    message: String,
) -> Next {
    let canary = std::slice::from_ref(&plan.spec.canary);
    if class != FailureClass::Inconclusive {
        return go_back(plan, history, canary, Outcome::RolledBack { reason });
    }
    match plan.spec.watch.as_ref().map(|watch| watch.on_inconclusive) {
        Some(OnInconclusive::RollBack) => {
            let outcome = Outcome::Inconclusive { why: message, then: AfterHold::RolledBack };
            go_back(plan, history, canary, outcome)
        }
        Some(OnInconclusive::Keep) | None => {
            Next::Finish(Outcome::Inconclusive { why: message, then: AfterHold::Kept })
        }
    }
}

fn peer_failed(plan: &Plan, history: &History, node: &NodeId, reason: String) -> Next {
    if plan.spec.roll_back_peers {
        let nodes = to_take_back(plan, history, Some(node));
        return go_back(plan, history, &nodes, Outcome::RolledBack { reason });
    }
    if touched(plan, history, node) {
        return Next::Finish(Outcome::Halted { reason });
    }
    go_back(plan, history, std::slice::from_ref(node), Outcome::Halted { reason })
}

/// A rollback by order has no way back itself: a node that was not touched yet is put back, another stays out.
fn order_failed(plan: &Plan, history: &History, node: &NodeId, reason: String) -> Next {
    if touched(plan, history, node) {
        return Next::Finish(Outcome::Stuck { reason });
    }
    go_back(plan, history, std::slice::from_ref(node), Outcome::Halted { reason })
}

/// Without a journal nothing new is begun, and the node in hand is taken back.
fn journal_lost(plan: &Plan, history: &History, why: &str) -> Next {
    let reason = format!("the journal cannot be written: {why}");
    let Some(step) = current(plan, history) else {
        return forward(plan, history);
    };
    let canary = step.node.as_ref() == Some(&plan.spec.canary);
    match (&step.node, plan.purpose) {
        (None, _) => Next::Finish(Outcome::Refused { reasons: vec![reason] }),
        (Some(node), Purpose::RollBack) => order_failed(plan, history, node, reason),
        (Some(node), Purpose::RollOut) => {
            let outcome = if canary { Outcome::RolledBack { reason } } else { Outcome::Halted { reason } };
            go_back(plan, history, std::slice::from_ref(node), outcome)
        }
    }
}

/// The nodes to take back: the one in hand, then the others that were begun, the last first.
///
/// The one in hand is the last, but where a resumed rollout does an earlier node again.
fn to_take_back(plan: &Plan, history: &History, worked_on: Option<&NodeId>) -> Vec<NodeId> {
    let mut nodes = begun(plan, history);
    let on_its_way = |node: &&NodeId| {
        let steps = steps_back(plan, history, node);
        steps.iter().any(|step| history.status(step).is_some())
            && !steps.iter().all(|step| done(history, step))
    };
    let out = |node: &&NodeId| {
        let is_done = |action| done(history, &Step::forward(node, action));
        is_done(Action::Drain) && !is_done(Action::Enable)
    };
    let in_hand =
        nodes.iter().find(on_its_way).or(worked_on).or_else(|| nodes.iter().rev().find(out)).cloned();
    nodes.sort_by_key(|node| Some(node) != in_hand.as_ref());
    nodes
}

/// The nodes that any step forward was begun on, the last first.
fn begun(plan: &Plan, history: &History) -> Vec<NodeId> {
    let begun = |node: &NodeId| {
        plan.steps.iter().any(|step| step.node.as_ref() == Some(node) && history.status(step).is_some())
    };
    plan.nodes.iter().rev().map(|planned| &planned.node).filter(|node| begun(node)).cloned().collect()
}

/// Whether a node has, or may have, the new artifact.
fn touched(plan: &Plan, history: &History, node: &NodeId) -> bool {
    plan.node(node).is_some_and(|planned| planned.work != Work::Replace)
        || history.status(&Step::forward(node, Action::Install)).is_some()
}

/// A node's steps back, by how far it got.
pub(super) fn steps_back(plan: &Plan, history: &History, node: &NodeId) -> Vec<Step> {
    let actions: &[Action] = if touched(plan, history, node) && plan.way_back.is_some() {
        &Action::REPLACE
    } else if history.status(&Step::forward(node, Action::Drain)).is_some() {
        &Action::PROVE
    } else {
        &[]
    };
    let mut steps: Vec<_> = actions.iter().map(|action| Step::back(node, *action)).collect();
    let weighed = |step: &Step| {
        step.action == Action::Weigh && step.node.as_ref() == Some(node) && history.status(step).is_some()
    };
    if plan.steps.iter().any(weighed) {
        weigh_before_enable(&mut steps, Step::back(node, Action::Weigh));
    }
    steps
}

/// Takes nodes back one by one, then ends with `outcome`; a step back that fails ends in [`Outcome::Stuck`].
fn go_back(plan: &Plan, history: &History, nodes: &[NodeId], outcome: Outcome) -> Next {
    for node in nodes {
        for step in steps_back(plan, history, node) {
            debug_assert_eq!(step.direction, Direction::Back);
            match history.status(&step) {
                Some(StepStatus::Done { .. }) => {}
                Some(StepStatus::Failed { message, .. }) => {
                    let reason = format!("{outcome}; then {step}: {message}");
                    return Next::Finish(Outcome::Stuck { reason });
                }
                Some(StepStatus::Started) | None => return Next::Do(step),
            }
        }
    }
    Next::Finish(outcome)
}

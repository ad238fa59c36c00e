//! From what was asked for and what was observed to the steps.

use std::path::PathBuf;

use super::lint::{Lint, lint};
use super::weights;
use super::{Action, Plan, PlannedNode, PlannedWeights, Purpose, Step, WayBack, Work};
use crate::fleet::{Artifact, Digest, NodeId, Snapshot};
use crate::spec::RolloutSpec;
use crate::traits::{ActiveState, RunningBinary, Server};

/// Why there is no plan: everything that cannot work, at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the rollout cannot work: {}", .problems.join("; "))]
pub struct PlanError {
    /// Each with what to do.
    pub problems: Vec<String>,
}

/// Plans a release: the canary, its watch, then the peers; with a pause wherever the spec wants one.
///
/// # Errors
/// [`PlanError`] with everything that cannot work.
pub fn roll_out(
    spec: RolloutSpec,
    artifact: Artifact,
    way_back: Option<WayBack>,
    store: PathBuf,
    snapshot: &Snapshot,
) -> Result<Plan, PlanError> {
    let target = artifact.facts.sha256;
    let nodes: Vec<_> = spec.nodes().map(|node| planned(node, target, snapshot)).collect();
    // A canary that serves the release already has its whole weight, and keeps it.
    let grows = nodes.first().is_some_and(|canary| canary.work != Work::Nothing);
    let weights = spec.weights.as_ref().filter(|_| grows);
    let weights = weights.and_then(|wanted| weights::planned(&spec, wanted, snapshot));
    let mut steps = Vec::new();
    if nodes.iter().any(|planned| planned.work != Work::Nothing) {
        steps.push(Step::stage());
        for (i, planned) in nodes.iter().enumerate() {
            let of_node = if i == 0 {
                let stages = weights.as_ref().map_or(0, PlannedWeights::count);
                canary_steps(planned, stages, spec.watch.is_some())
            } else {
                node_steps(planned, false)
            };
            let pauses =
                !of_node.is_empty() && i + 1 < nodes.len() && spec.pause.after.contains(&planned.node);
            steps.extend(of_node);
            steps.extend(pauses.then(|| Step::forward(&planned.node, Action::Pause)));
        }
    }
    let purpose = Purpose::RollOut;
    checked(
        Plan { purpose, spec, artifact, way_back, store, nodes, steps, weights, warnings: Vec::new() },
        snapshot,
    )
}

/// Plans the previous artifact's way back onto every node that has another: those that serve nobody first, since they
/// cost no capacity and give some, then the canary, then its peers. A canary that was left with a part of its weight gets the
/// configured one back before it serves.
///
/// # Errors
/// [`PlanError`] with everything that cannot work.
pub fn roll_back(
    spec: RolloutSpec,
    artifact: Artifact,
    store: PathBuf,
    snapshot: &Snapshot,
) -> Result<Plan, PlanError> {
    let target = artifact.facts.sha256;
    let mut nodes: Vec<_> = spec.nodes().map(|node| planned(node, target, snapshot)).collect();
    nodes.sort_by_key(|planned| snapshot.pool.server(&planned.node).is_some_and(Server::serving));
    let mut steps: Vec<_> = nodes.iter().flat_map(|planned| back_steps(&spec, planned, snapshot)).collect();
    if !steps.is_empty() {
        steps.insert(0, Step::stage());
    }
    let purpose = Purpose::RollBack;
    checked(
        Plan {
            purpose,
            spec,
            artifact,
            way_back: None,
            store,
            nodes,
            steps,
            weights: None,
            warnings: Vec::new(),
        },
        snapshot,
    )
}

/// Refuses what cannot work, and keeps the rest as warnings.
fn checked(mut plan: Plan, snapshot: &Snapshot) -> Result<Plan, PlanError> {
    let mut problems = plan.spec.problems();
    for found in lint(&plan, snapshot) {
        match found {
            Lint::Refuse(text) => problems.push(text),
            Lint::Warn(text) => plan.warnings.push(text),
        }
    }
    if problems.is_empty() { Ok(plan) } else { Err(PlanError { problems }) }
}

/// What has to be done to a node, by what was seen of it.
fn planned(node: &NodeId, target: Digest, snapshot: &Snapshot) -> PlannedNode {
    let seen = snapshot.nodes.get(node);
    let before = seen.and_then(|seen| seen.installed.current).map(|facts| facts.sha256);
    let in_place = seen.is_some_and(|seen| {
        before == Some(target)
            && seen.service.active == ActiveState::Active
            && matches!(seen.service.running, RunningBinary::InPlace | RunningBinary::Unknown)
    });
    let serving = snapshot.pool.server(node).is_some_and(Server::serving);
    let work = match (in_place, serving) {
        (false, _) => Work::Replace,
        (true, false) => Work::Prove,
        (true, true) => Work::Nothing,
    };
    PlannedNode { node: node.clone(), before, work }
}

/// A node's steps forward. `always` proves also a node that needs nothing: a canary stands for the release.
fn node_steps(planned: &PlannedNode, always: bool) -> Vec<Step> {
    let actions: &[Action] = match planned.work {
        Work::Replace => &Action::REPLACE,
        Work::Prove => &Action::PROVE,
        Work::Nothing if always => &Action::PROVE,
        Work::Nothing => &[],
    };
    actions.iter().map(|action| Step::forward(&planned.node, *action)).collect()
}

/// The canary's steps forward. It is put back at its first stage's weight, never at the whole.
fn canary_steps(planned: &PlannedNode, stages: u32, watched: bool) -> Vec<Step> {
    let mut steps = node_steps(planned, true);
    let on = |action, stage| Step::forward(&planned.node, action).at_stage(stage);
    if stages > 0 {
        weigh_before_enable(&mut steps, on(Action::Weigh, 1));
        for stage in 1..=stages {
            steps.extend((stage > 1).then(|| on(Action::Weigh, stage)));
            steps.push(on(Action::Watch, stage));
        }
        steps.push(on(Action::Weigh, 0));
    }
    steps.extend(watched.then(|| on(Action::Watch, 0)));
    steps
}

/// A node's steps of a rollback by order.
fn back_steps(spec: &RolloutSpec, planned: &PlannedNode, snapshot: &Snapshot) -> Vec<Step> {
    let mut steps = node_steps(planned, false);
    let left = |server: &Server| server.weight != server.configured_weight;
    if planned.node == spec.canary && snapshot.pool.server(&planned.node).is_some_and(left) {
        weigh_before_enable(&mut steps, Step::forward(&planned.node, Action::Weigh));
    }
    steps
}

/// Puts a weighing where the node is still out of rotation, or at the end where it is not taken out.
pub(crate) fn weigh_before_enable(steps: &mut Vec<Step>, weigh: Step) {
    let at = steps.iter().position(|step| step.action == Action::Enable).unwrap_or(steps.len());
    steps.insert(at, weigh);
}

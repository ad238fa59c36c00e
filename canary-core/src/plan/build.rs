//! From what was asked for and what was observed to the steps.

use std::path::PathBuf;

use super::lint::{Lint, lint};
use super::{Action, Plan, PlannedNode, Purpose, Step, WayBack, Work};
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
    let mut steps = Vec::new();
    if nodes.iter().any(|planned| planned.work != Work::Nothing) {
        steps.push(Step::stage());
        for (i, planned) in nodes.iter().enumerate() {
            let of_node = node_steps(planned, i == 0);
            let pauses =
                !of_node.is_empty() && i + 1 < nodes.len() && spec.pause.after.contains(&planned.node);
            steps.extend(of_node);
            if i == 0 && spec.watch.is_some() {
                steps.push(Step::forward(&planned.node, Action::Watch));
            }
            steps.extend(pauses.then(|| Step::forward(&planned.node, Action::Pause)));
        }
    }
    let purpose = Purpose::RollOut;
    checked(Plan { purpose, spec, artifact, way_back, store, nodes, steps, warnings: Vec::new() }, snapshot)
}

/// Plans the previous artifact's way back onto every node that has another: those that serve nobody first, since they
/// cost no capacity and give some, then the canary, then its peers.
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
    let mut steps = Vec::new();
    if nodes.iter().any(|planned| planned.work != Work::Nothing) {
        steps.push(Step::stage());
        steps.extend(nodes.iter().flat_map(|planned| node_steps(planned, false)));
    }
    let purpose = Purpose::RollBack;
    checked(
        Plan { purpose, spec, artifact, way_back: None, store, nodes, steps, warnings: Vec::new() },
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

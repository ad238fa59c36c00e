//! The plan: an ordered list of steps computed from what was asked for and what was observed.

mod build;
mod lint;
mod step;
mod weights;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub(crate) use build::weigh_before_enable;
pub use build::{PlanError, roll_back, roll_out};
pub use lint::{Lint, lint};
pub use step::{Action, Direction, Step};
pub use weights::{PlannedStage, PlannedWeights};

use crate::fleet::{Artifact, Digest, FileFacts, NodeId, RemotePath};
use crate::spec::{RolloutSpec, WatchPolicy};

/// Where the last-known-good binary was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Origin {
    /// A file on the deploying host.
    Host {
        /// The file.
        path: PathBuf,
    },
    /// A file in an instance.
    Instance {
        /// The instance.
        node: NodeId,
        /// The file.
        path: RemotePath,
    },
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Host { path } => write!(f, "{} on this host", path.display()),
            Self::Instance { node, path } => write!(f, "{path} in {node}"),
        }
    }
}

/// The last-known-good binary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WayBack {
    /// Where it was found.
    pub origin: Origin,
    /// Its size and digest there.
    pub facts: FileFacts,
}

/// What a plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A release: canary, watch, peers.
    RollOut,
    /// The previous artifact back on every node that has another, by an operator's order.
    RollBack,
}

/// What has to be done to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Replace its binary.
    Replace,
    /// It has the artifact already: prove that it is healthy and serving.
    Prove,
    /// Nothing: it has the artifact and serves.
    Nothing,
}

/// One node of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedNode {
    /// The node.
    pub node: NodeId,
    /// What it runs before.
    pub before: Option<Digest>,
    /// What has to be done.
    pub work: Work,
}

/// A rollout, as data: what `plan` prints and `run` does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What it is for.
    pub purpose: Purpose,
    /// What was asked for.
    pub spec: RolloutSpec,
    /// What every node shall run.
    pub artifact: Artifact,
    /// The way back; `None` when there is none (rolling back by order has none).
    pub way_back: Option<WayBack>,
    /// Where artifacts are kept by digest on the deploying host.
    pub store: PathBuf,
    /// Every node, in the order they are rolled.
    pub nodes: Vec<PlannedNode>,
    /// The steps forward, in order. Steps back are derived from them when needed.
    pub steps: Vec<Step>,
    /// The canary's way to its whole weight; `None` when it gets it at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<PlannedWeights>,
    /// What a person should know before it runs.
    pub warnings: Vec<String>,
}

impl Plan {
    /// The planned node of that name.
    #[must_use]
    pub fn node(&self, node: &NodeId) -> Option<&PlannedNode> {
        self.nodes.iter().find(|planned| planned.node == *node)
    }

    /// The nodes that the canary can be compared with: those that run the previous release until the watch is over.
    #[must_use]
    pub fn baseline(&self) -> Vec<NodeId> {
        let old = |planned: &&PlannedNode| {
            planned.node != self.spec.canary
                && planned.work == Work::Replace
                && planned.before.is_some_and(|before| before != self.artifact.facts.sha256)
        };
        self.nodes.iter().filter(old).map(|planned| planned.node.clone()).collect()
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// How many watches it has: one, and one more for each stage of the canary's weight.
    #[must_use]
    pub fn watches(&self) -> u32 {
        let watches = self.steps.iter().filter(|step| step.action == Action::Watch).count();
        u32::try_from(watches).unwrap_or(u32::MAX)
    }

    /// How a watch or a pause of that stage is watched; `None` when nothing is.
    #[must_use]
    pub fn watch(&self, stage: u32) -> Option<Cow<'_, WatchPolicy>> {
        let watch = self.spec.watch.as_ref()?;
        Some(match &self.spec.weights {
            Some(weights) if stage > 0 => {
                Cow::Owned(WatchPolicy { window: weights.window(watch), ..watch.clone() })
            }
            _ => Cow::Borrowed(watch),
        })
    }

    /// Which part of its weight a node has during a step, where the plan sets it: the stage's number, 0 for the whole.
    #[must_use]
    pub fn stage_at(&self, step: &Step) -> Option<u32> {
        let first =
            self.steps.iter().find(|other| other.action == Action::Weigh && other.node == step.node)?;
        Some(match (step.direction, step.action) {
            (Direction::Forward, Action::Enable | Action::ProveTraffic) => first.stage,
            (Direction::Forward, _) => step.stage,
            (Direction::Back, _) => 0,
        })
    }

    /// The digest a step's direction works towards.
    #[must_use]
    pub fn digest(&self, direction: Direction) -> Option<Digest> {
        match direction {
            Direction::Forward => Some(self.artifact.facts.sha256),
            Direction::Back => self.way_back.as_ref().map(|back| back.facts.sha256),
        }
    }

    /// The artifact in the store that a step's direction works towards.
    #[must_use]
    pub fn stored(&self, direction: Direction) -> Option<Artifact> {
        let facts = match direction {
            Direction::Forward => self.artifact.facts,
            Direction::Back => self.way_back.as_ref()?.facts,
        };
        Some(Artifact { path: self.store.join(facts.sha256.to_string()), facts })
    }
}

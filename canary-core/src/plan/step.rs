//! Steps: what can be done to one node, each small and safe to repeat.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::fleet::NodeId;

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Copies the release and the way back into the artifact store, by digest.
    Stage,
    /// Waits until enough others serve, takes the node out of rotation, waits until it is idle.
    Drain,
    /// Replaces the binary.
    Install,
    /// Restarts the service and waits until it runs the binary in place.
    Restart,
    /// Waits until the service answers its health check.
    CheckHealth,
    /// Gives the node its stage's weight in the balancer, and reads it back.
    Weigh,
    /// Puts the node back into rotation and waits until the balancer finds it up.
    Enable,
    /// Waits until the balancer has sent it requests and answers through it.
    ProveTraffic,
    /// Watches the SLIs for the window.
    Watch,
    /// Waits until somebody promotes the rollout; the SLIs stay watched.
    Pause,
}

impl Action {
    /// What a node goes through whose binary is replaced, in either direction.
    pub(crate) const REPLACE: [Self; 6] =
        [Self::Drain, Self::Install, Self::Restart, Self::CheckHealth, Self::Enable, Self::ProveTraffic];

    /// What a node goes through that has the right binary already.
    pub(crate) const PROVE: [Self; 3] = [Self::CheckHealth, Self::Enable, Self::ProveTraffic];

    /// The action as one word for keys and columns.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stage => "stage",
            Self::Drain => "drain",
            Self::Install => "install",
            Self::Restart => "restart",
            Self::CheckHealth => "check-health",
            Self::Weigh => "weigh",
            Self::Enable => "enable",
            Self::ProveTraffic => "prove-traffic",
            Self::Watch => "watch",
            Self::Pause => "pause",
        }
    }
}

/// Which artifact a step works towards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The release.
    Forward,
    /// The previous artifact.
    Back,
}

/// One step. Its parts together identify it: no plan has the same step twice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Step {
    /// The node, if the step is about one.
    pub node: Option<NodeId>,
    /// What it does.
    pub action: Action,
    /// Which artifact it works towards.
    pub direction: Direction,
    /// Which part of its weight the node has at a [`Action::Weigh`], [`Action::Watch`] or [`Action::Pause`]: from 1, in the order
    /// of the plan's weights; 0 for the whole, and for every other step.
    #[serde(default, skip_serializing_if = "is_whole")]
    pub stage: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde wants it")]
const fn is_whole(stage: &u32) -> bool {
    *stage == 0
}

impl Step {
    /// A step forward on a node.
    #[must_use]
    pub fn forward(node: &NodeId, action: Action) -> Self {
        Self { node: Some(node.clone()), action, direction: Direction::Forward, stage: 0 }
    }

    /// A step back on a node.
    #[must_use]
    pub fn back(node: &NodeId, action: Action) -> Self {
        Self { node: Some(node.clone()), action, direction: Direction::Back, stage: 0 }
    }

    /// Another step of the same node in the same direction, at its whole weight.
    #[must_use]
    pub fn sibling(&self, action: Action) -> Self {
        Self { action, stage: 0, ..self.clone() }
    }

    /// The same step at another part of the node's weight.
    #[must_use]
    pub fn at_stage(self, stage: u32) -> Self {
        Self { stage, ..self }
    }

    /// The step that copies the artifacts.
    #[must_use]
    pub const fn stage() -> Self {
        Self { node: None, action: Action::Stage, direction: Direction::Forward, stage: 0 }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(node) = &self.node {
            write!(f, "{node}: ")?;
        }
        if self.direction == Direction::Back {
            f.write_str("roll back: ")?;
        }
        if self.stage > 0 {
            write!(f, "step {}: ", self.stage)?;
        }
        f.write_str(self.action.as_str())
    }
}

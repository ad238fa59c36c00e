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

/// One step. Its three parts identify it: no plan has the same step twice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Step {
    /// The node, if the step is about one.
    pub node: Option<NodeId>,
    /// What it does.
    pub action: Action,
    /// Which artifact it works towards.
    pub direction: Direction,
}

impl Step {
    /// A step forward on a node.
    #[must_use]
    pub fn forward(node: &NodeId, action: Action) -> Self {
        Self { node: Some(node.clone()), action, direction: Direction::Forward }
    }

    /// A step back on a node.
    #[must_use]
    pub fn back(node: &NodeId, action: Action) -> Self {
        Self { node: Some(node.clone()), action, direction: Direction::Back }
    }

    /// Another step of the same node in the same direction.
    #[must_use]
    pub fn sibling(&self, action: Action) -> Self {
        Self { action, ..self.clone() }
    }

    /// The step that copies the artifacts.
    #[must_use]
    pub const fn stage() -> Self {
        Self { node: None, action: Action::Stage, direction: Direction::Forward }
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
        f.write_str(self.action.as_str())
    }
}

//! What was observed of the fleet before a plan was made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::analysis::Number;
use crate::fleet::NodeId;
use crate::time::Timestamp;
use crate::traits::{Installed, LbCapabilities, PoolState, ServiceState};

/// One node as its runtime reported it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSnapshot {
    /// What lies at the install path.
    pub installed: Installed,
    /// What the service's unit is doing.
    pub service: ServiceState,
}

/// The fleet at one moment: the balancer's pool and every node that the rollout names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// When it was taken.
    pub taken: Timestamp,
    /// The balancer's pool, with all its servers, also those that the rollout does not name.
    pub pool: PoolState,
    /// The nodes the rollout names.
    pub nodes: BTreeMap<NodeId, NodeSnapshot>,
    /// What the balancer can do, where known.
    #[serde(default)]
    pub capabilities: Option<LbCapabilities>,
    /// Requests a second that the pool gets, where known ([`Backends::rate`](crate::engine::Backends::rate)).
    #[serde(default)]
    pub rate: Option<Number>,
}

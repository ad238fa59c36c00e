//! What the operator asks for, in checked types. Defaults are the runbook's, in one table: [`defaults`].

pub mod defaults;
mod judging;
mod policy;
mod watch;
mod weights;

use serde::{Deserialize, Serialize};

pub use judging::{CommonFault, HoldBudget, Judging, OddsRules, SliJudging, Unproven};
pub use policy::{DrainPolicy, EnablePolicy, HealthPolicy, OnDrainTimeout, PausePolicy, RetryPolicy};
pub use watch::{Bound, OnInconclusive, Sli, WatchPolicy, WatchSubject};
pub use weights::{Percent, PercentError, ProgressiveWeights};

use crate::fleet::{NodeId, PoolName, Provenance, ServiceName};

/// A rollout as asked for: which nodes, in what order, and under which rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutSpec {
    /// The service; its rollouts share one journal.
    pub service: ServiceName,
    /// The balancer's pool.
    pub pool: PoolName,
    /// The node that gets the release first.
    pub canary: NodeId,
    /// The other nodes, in the order they are rolled.
    pub peers: Vec<NodeId>,
    /// How many *other* servers must be serving before a node is drained; at least 1.
    pub min_available: u32,
    /// How a node is emptied.
    pub drain: DrainPolicy,
    /// How a node's health is proven.
    pub health: HealthPolicy,
    /// How a node is put back.
    pub enable: EnablePolicy,
    /// How the canary is watched; `None` when it is not.
    pub watch: Option<WatchPolicy>,
    /// How the canary comes to its weight; `None` when it gets it at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<ProgressiveWeights>,
    /// Where the release comes from.
    #[serde(default, skip_serializing_if = "Provenance::is_empty")]
    pub from: Provenance,
    /// Where the rollout waits for a person.
    #[serde(default)]
    pub pause: PausePolicy,
    /// Whether a failing peer takes everything back to the previous artifact; otherwise the rollout halts.
    pub roll_back_peers: bool,
    /// How calls that can succeed later are tried again.
    pub retry: RetryPolicy,
}

impl RolloutSpec {
    /// A spec with the runbook's defaults, two probes' watch left out.
    #[must_use]
    pub fn new(service: ServiceName, pool: PoolName, canary: NodeId, peers: Vec<NodeId>) -> Self {
        Self {
            service,
            pool,
            canary,
            peers,
            min_available: defaults::MIN_AVAILABLE,
            drain: DrainPolicy::default(),
            health: HealthPolicy::default(),
            enable: EnablePolicy::default(),
            watch: None,
            weights: None,
            from: Provenance::default(),
            pause: PausePolicy::default(),
            roll_back_peers: false,
            retry: RetryPolicy::default(),
        }
    }

    /// All nodes, canary first.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeId> {
        std::iter::once(&self.canary).chain(&self.peers)
    }

    /// What in the spec contradicts itself, each with what to do; empty when nothing does.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.min_available == 0 {
            problems
                .push("min_available is 0: a drain could leave no server; set it to 1 or more".to_owned());
        }
        let mut seen = std::collections::BTreeSet::from([&self.canary]);
        for peer in &self.peers {
            if *peer == self.canary {
                problems.push(format!("{peer} is both the canary and a peer; name it once"));
            } else if !seen.insert(peer) {
                problems.push(format!("peer {peer} is named twice; name it once"));
            }
        }
        for node in &self.pause.after {
            if !self.nodes().any(|other| other == node) {
                problems
                    .push(format!("a pause is wanted after {node}, which is neither the canary nor a peer"));
            }
        }
        if self.health.timeout < self.health.check.attempt_timeout {
            problems.push("the health timeout is shorter than one attempt; lengthen it".to_owned());
        }
        if let Some(watch) = &self.watch {
            problems.extend(watch.problems());
        }
        if let Some(weights) = &self.weights {
            problems.extend(weights.problems(self.watch.as_ref()));
        }
        problems
    }
}

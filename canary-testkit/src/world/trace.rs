//! What truly happened in a world, in order: what invariants are held against.

use canary_core::fleet::{Digest, NodeId};
use canary_core::traits::{AdminState, Weight};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// A reader was told how the pool stands.
    PoolRead {
        /// The servers that took requests at that moment.
        serving: Vec<NodeId>,
        /// Those that would, were they ready.
        could_serve: Vec<NodeId>,
    },
    /// A reader got no answer.
    PoolUnread,
    /// The metrics store was asked.
    Sampled {
        /// Whether it had a value for every query.
        data: bool,
    },
    /// An admin state was asked for, and acknowledged.
    Admin {
        /// The server.
        node: NodeId,
        /// What was asked for before.
        from: AdminState,
        /// After.
        to: AdminState,
        /// Other servers that took requests at that moment, backups left out.
        others_serving: usize,
        /// Whether the server itself took requests just before.
        was_serving: bool,
    },
    /// A weight changed.
    Weighed {
        /// The server.
        node: NodeId,
        /// Before.
        from: Weight,
        /// After.
        to: Weight,
    },
    /// Sessions were closed.
    SessionsClosed {
        /// The server.
        node: NodeId,
        /// How many were in progress: requests lost.
        lost: u64,
    },
    /// A binary was replaced.
    Installed {
        /// The node.
        node: NodeId,
        /// What lay there before.
        before: Option<Digest>,
        /// What lies there now.
        digest: Digest,
        /// Whether the balancer was sending it requests.
        serving: bool,
    },
    /// The service was started anew.
    Restarted {
        /// The node.
        node: NodeId,
        /// What it runs now.
        digest: Option<Digest>,
        /// Whether the balancer was sending it requests.
        serving: bool,
        /// Requests in progress that were cut.
        lost: u64,
    },
    /// The node answered a health check.
    Answered {
        /// The node.
        node: NodeId,
        /// Whether with 200.
        healthy: bool,
    },
    /// The balancer's process was replaced: admin states, weights and counters are the configured ones again.
    BalancerRestarted,
    /// A record became durable.
    Recorded {
        /// Its number.
        seq: u64,
    },
    /// The engine was started, for the first time or once more.
    EngineBegan,
    /// The engine was told that a record could not be written.
    JournalFailed,
    /// The engine was killed.
    EngineDied,
}

/// A happening with its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traced {
    /// Milliseconds since the clock's start.
    pub at_ms: u64,
    /// What happened.
    pub what: Happening,
}

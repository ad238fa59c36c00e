//! The balancer's role: say how each server stands, and change how requests reach it.

use std::fmt::{self, Debug, Display};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::fleet::{NodeId, PoolName};
use crate::traits::{BackendError, HealthCheck, HealthReport};

/// What the operator wants of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdminState {
    /// Takes requests when its checks pass.
    Ready,
    /// Takes no new requests but those of persistent clients; checks go on.
    Drain,
    /// Takes no requests; checks stop.
    Maint,
}

impl Display for AdminState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ready => "ready",
            Self::Drain => "drain",
            Self::Maint => "maint",
        })
    }
}

/// What the balancer finds a server to be, by its health checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operational {
    /// Up: checks pass, or there are none.
    Up,
    /// Coming up, not at full rate yet (HAProxy's slow start).
    Starting,
    /// Going away softly: only existing sessions.
    Stopping,
    /// Down.
    Down,
}

impl Display for Operational {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Up => "up",
            Self::Starting => "starting",
            Self::Stopping => "stopping",
            Self::Down => "down",
        })
    }
}

/// An absolute weight, 0 to 256 as HAProxy has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Weight(u16);

impl Weight {
    /// The largest weight.
    pub const MAX: u16 = 256;

    /// Checks and wraps a weight.
    ///
    /// # Errors
    /// The refused value with the range, when it is above 256.
    pub fn new(value: u16) -> Result<Self, String> {
        if value <= Self::MAX { Ok(Self(value)) } else { Err(format!("weight {value} is not in 0..=256")) }
    }

    /// The weight as a number.
    #[must_use]
    pub const fn value(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for Weight {
    type Error = String;

    fn try_from(value: u16) -> Result<Self, String> {
        Self::new(value)
    }
}

impl From<Weight> for u16 {
    fn from(weight: Weight) -> Self {
        weight.0
    }
}

/// One server of the pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Its name.
    pub node: NodeId,
    /// Its address as the balancer shows it (`10.0.0.1:8080`).
    pub address: Option<String>,
    /// What the operator wants of it, from every flag that matters, also inherited ones.
    pub admin: AdminState,
    /// What the balancer finds it to be.
    pub operational: Operational,
    /// Whether the balancer checks its health; without checks `operational` says little.
    pub checked: bool,
    /// The weight in force as set, not as throttled by slow start.
    pub weight: Weight,
    /// The weight of the balancer's configuration.
    pub configured_weight: Weight,
    /// A backup server takes requests only when all others are down.
    pub backup: bool,
    /// Sessions (requests, in HTTP mode) in progress.
    pub sessions: u64,
    /// Requests waiting in its queue.
    pub queued: u64,
    /// Requests sent to it since the counters' epoch.
    pub served: u64,
}

impl Server {
    /// Whether the balancer sends it new requests now.
    #[must_use]
    pub fn serving(&self) -> bool {
        self.admin == AdminState::Ready
            && matches!(self.operational, Operational::Up | Operational::Starting)
            && self.weight.value() > 0
    }
}

/// The pool at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolState {
    /// Its name.
    pub pool: PoolName,
    /// Identifies the process whose counters these are; another value means they restarted from zero and that
    /// runtime changes may be lost.
    pub epoch: String,
    /// The balancing algorithm, where the balancer tells (`roundrobin`).
    pub algorithm: Option<String>,
    /// What binds clients to servers besides the algorithm, where the balancer tells (`cookie "SRV"`): those that are bound
    /// follow no weight.
    #[serde(default)]
    pub sticky: Option<String>,
    /// All servers, in the balancer's order.
    pub servers: Vec<Server>,
}

impl PoolState {
    /// The server of that name.
    #[must_use]
    pub fn server(&self, node: &NodeId) -> Option<&Server> {
        self.servers.iter().find(|server| server.node == *node)
    }

    /// How many servers other than `node` take requests now; backups do not count.
    #[must_use]
    pub fn serving_besides(&self, node: &NodeId) -> usize {
        self.servers
            .iter()
            .filter(|server| server.node != *node && server.serving() && !server.backup)
            .count()
    }
}

/// What a balancer can do beyond the required.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LbCapabilities {
    /// Weights can be set at run time.
    pub weights: bool,
    /// Sessions in progress can be closed.
    pub close_sessions: bool,
    /// A request can be sent through it ([`LoadBalancer::check_through`]).
    pub check_through: bool,
}

/// A balancer that fronts one pool.
///
/// Reads report what is; writes ask for a change and return when the balancer has acknowledged it. Nothing waits for a
/// change to take effect: that is the engine's, which believes what is read back.
#[async_trait]
pub trait LoadBalancer: Display + Debug + Send + Sync + 'static {
    /// What this balancer can do.
    fn capabilities(&self) -> LbCapabilities;

    /// Reads the pool, all servers from one moment (or as near as the backend allows).
    ///
    /// # Errors
    /// `NotFound` when the pool does not exist; `Protocol` when the answer cannot be understood completely: a
    /// partial answer is an error, never a shorter list.
    async fn servers(&self) -> Result<PoolState, BackendError>;

    /// Asks for an admin state, and reads the pool right after it was acknowledged. Repeating it is safe.
    ///
    /// Asking and reading are one call because a balancer may be slow to reach; what is returned is as
    /// [`Self::servers`] would report it, not what was asked for.
    ///
    /// # Errors
    /// `NotFound` when the server does not exist, `Refused` with the balancer's words otherwise; as [`Self::servers`]
    /// when the pool could not be read afterwards.
    async fn set_admin(&self, node: &NodeId, state: AdminState) -> Result<PoolState, BackendError>;

    /// Sets the absolute weight. Repeating it is safe.
    ///
    /// # Errors
    /// As [`Self::set_admin`]; `Unsupported` where `capabilities().weights` is false.
    async fn set_weight(&self, node: &NodeId, weight: Weight) -> Result<(), BackendError>;

    /// Ends all sessions in progress on a server: requests are lost. Repeating it is safe.
    ///
    /// # Errors
    /// As [`Self::set_admin`]; `Unsupported` where `capabilities().close_sessions` is false.
    async fn close_sessions(&self, node: &NodeId) -> Result<(), BackendError>;

    /// Sends one request through the balancer, as a client would, and reports the answer. Only `check.path` and
    /// `check.attempt_timeout` are used; which server answers is the balancer's choice.
    ///
    /// # Errors
    /// Only where no request could be tried (`Unsupported`, bad configuration). An HTTP error, a refused connection
    /// or a timeout is a report with `healthy: false`.
    async fn check_through(&self, check: &HealthCheck) -> Result<HealthReport, BackendError>;
}

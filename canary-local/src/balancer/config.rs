//! What the balancer listens on and whom it sends requests to.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use canary_core::fleet::{HttpPath, NodeId, PoolName};
use canary_core::traits::{AdminState, Weight};

use crate::LocalError;

/// One server of the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// Its name.
    pub node: NodeId,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its weight; default 100, so that there is room below.
    pub weight: Weight,
    /// What the operator wants of it at the start; default ready.
    pub admin: AdminState,
    /// The weight in force at the start, where it is not [`Self::weight`].
    pub weight_now: Option<Weight>,
}

impl ServerConfig {
    /// A server of weight 100, ready.
    #[must_use]
    pub fn new(node: NodeId, address: SocketAddr) -> Self {
        #[expect(clippy::expect_used, reason = "a constant within the range")]
        let weight = Weight::new(100).expect("100 is a weight");
        Self { node, address, weight, admin: AdminState::Ready, weight_now: None }
    }
}

/// How the balancer finds out whether a server is up; 2xx and 3xx are good answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckConfig {
    /// What is asked for with GET.
    pub path: HttpPath,
    /// The time between two checks; default 1 s.
    pub interval: Duration,
    /// How long one may take; default 1 s.
    pub timeout: Duration,
    /// Good answers in a row until a server that was down is up; default 2.
    pub rise: u32,
    /// Bad ones in a row until a server that was up is down; default 3.
    pub fall: u32,
}

impl CheckConfig {
    /// The defaults (HAProxy's `fall`, `rise` is 2 there as well), for that path.
    #[must_use]
    pub const fn new(path: HttpPath) -> Self {
        Self { path, interval: Duration::from_secs(1), timeout: Duration::from_secs(1), rise: 2, fall: 3 }
    }
}

/// Deadlines of the balancer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deadlines {
    /// For a connection to a server; default 2 s.
    pub connect: Duration,
    /// Until a server begins to answer; default 60 s.
    pub response: Duration,
    /// Between two pieces of a body, in either direction; default 60 s.
    pub body: Duration,
    /// Until a client has sent a request's head, and until an idle client's connection is closed; default 60 s.
    pub client: Duration,
    /// For requests in progress at [`crate::LocalBalancer::shutdown`]; default 10 s.
    pub shutdown: Duration,
    /// How long an idle connection to a server is kept; default 4 s, below what servers usually wait.
    pub idle: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            response: Duration::from_secs(60),
            body: Duration::from_secs(60),
            client: Duration::from_secs(60),
            shutdown: Duration::from_secs(10),
            idle: Duration::from_secs(4),
        }
    }
}

/// The settings of a [`crate::LocalBalancer`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalBalancerConfig {
    /// The pool's name.
    pub pool: PoolName,
    /// Where clients come in; loopback only, default any free port.
    pub listen: SocketAddr,
    /// The servers; at least one.
    pub servers: Vec<ServerConfig>,
    /// How they are checked; without checks all of them are taken to be up.
    pub checks: Option<CheckConfig>,
    /// All deadlines.
    pub deadlines: Deadlines,
    /// Client connections at a time; more wait. Default 4096.
    pub max_connections: usize,
}

impl LocalBalancerConfig {
    /// The defaults, without checks.
    #[must_use]
    pub fn new(pool: PoolName, servers: Vec<ServerConfig>) -> Self {
        Self {
            pool,
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            servers,
            checks: None,
            deadlines: Deadlines::default(),
            max_connections: 4096,
        }
    }

    /// Refuses what cannot work.
    pub(crate) fn check(&self) -> Result<(), LocalError> {
        let refuse = |why: String| Err(LocalError::Config(why));
        if !self.listen.ip().is_loopback() {
            return refuse(format!("the balancer would listen on {}, which is not loopback", self.listen));
        }
        if self.servers.is_empty() || self.max_connections == 0 {
            return refuse("the balancer needs a server and a connection at least".to_owned());
        }
        for (i, one) in self.servers.iter().enumerate() {
            if self.servers[..i].iter().any(|other| other.node == one.node) {
                return refuse(format!("server {} is listed twice", one.node));
            }
        }
        match &self.checks {
            Some(checks) if checks.rise == 0 || checks.fall == 0 || checks.interval.is_zero() => {
                refuse("interval, rise and fall of the checks must be above zero".to_owned())
            }
            _ => Ok(()),
        }
    }
}

//! A fleet in memory, stricter than reality: balancer, nodes and metrics over one state and a virtual clock.
//!
//! [`World`] plays [`LoadBalancer`](canary_core::traits::LoadBalancer), [`NodeRuntime`](canary_core::traits::NodeRuntime)
//! and [`SliSource`](canary_core::traits::SliSource) at once. Nothing happens by itself: every call first lets
//! everything come to pass that was due until now (health checks, start-up, traffic).

mod balancer;
mod behaviour;
mod counters;
mod metrics;
mod node;
mod runtime;
mod server;
mod trace;
mod traffic;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use canary_core::engine::Backends;
use canary_core::fleet::{Digest, HttpPath, NodeId, PoolName, RemotePath};
use canary_core::spec::defaults::HEALTH_PATH;
use canary_core::traits::{BackendError, CallOutcome, ErrorKind, Journal};

pub use behaviour::Behaviour;
pub use node::NodeState;
pub use server::ServerState;
pub use trace::{Happening, Traced};

use crate::clock::VirtualClock;
use traffic::{Share, Spread};

/// The counter of requests that every node has.
pub const REQUESTS_METRIC: &str = "requests_total";
/// The histogram of latencies, in seconds, that every node has.
pub const LATENCY_METRIC: &str = "latency_seconds";
/// The name of the world in errors.
const BACKEND: &str = "world";

/// The balancer's health checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checks {
    /// Milliseconds between two; HAProxy's default is 2000.
    pub interval_ms: u64,
    /// Good answers in a row until a server is up; HAProxy's default is 2.
    pub rise: u32,
    /// Bad ones until it is down; HAProxy's default is 3.
    pub fall: u32,
}

/// What clients send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// Requests a second, over the whole pool.
    pub requests_per_s: u64,
    /// How long a usual request takes, in milliseconds.
    pub duration_ms: u64,
}

/// How the metrics store comes by its samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scrapes {
    /// Milliseconds between two scrapes of a node.
    pub interval_ms: u64,
    /// Milliseconds until a scraped sample can be asked for.
    pub delay_ms: u64,
    /// Milliseconds after which the newest sample is too old.
    pub stale_ms: u64,
    /// Spans in which a node is not scraped, or none is.
    pub gaps: Vec<Gap>,
}

/// A span without scrapes, in milliseconds since the clock's start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The node; every one when there is none.
    pub node: Option<NodeId>,
    /// From when on.
    pub from_ms: u64,
    /// Until when.
    pub to_ms: u64,
}

impl Scrapes {
    fn gap(&self, at_ms: u64, node: &NodeId) -> Option<&Gap> {
        let of_node = |gap: &&Gap| gap.node.as_ref().is_none_or(|other| other == node);
        self.gaps.iter().filter(of_node).find(|gap| (gap.from_ms..gap.to_ms).contains(&at_ms))
    }

    /// The last scrape of a node that is not after that one.
    fn last_before(&self, mut at_ms: u64, node: &NodeId) -> Option<u64> {
        while let Some(gap) = self.gap(at_ms, node) {
            at_ms = gap.from_ms.checked_sub(1)? / self.interval_ms * self.interval_ms;
        }
        Some(at_ms)
    }

    /// The first scrape of a node that is not before that one.
    fn first_after(&self, mut at_ms: u64, node: &NodeId) -> u64 {
        while let Some(gap) = self.gap(at_ms, node) {
            at_ms = gap.to_ms.div_ceil(self.interval_ms) * self.interval_ms;
        }
        at_ms
    }
}

/// The settings of a world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorldConfig {
    /// The pool's name.
    pub pool: PoolName,
    /// The nodes; every one is a server of the pool.
    pub nodes: Vec<NodeId>,
    /// Where binaries are installed.
    pub path: RemotePath,
    /// Where the service answers for its health; 404 elsewhere.
    pub health: HttpPath,
    /// How long every call takes, in milliseconds.
    pub call_ms: u64,
    /// The balancer's health checks.
    pub checks: Checks,
    /// Milliseconds from the acknowledgement of an admin state until it takes effect and is read back.
    pub admin_lag_ms: u64,
    /// What clients send.
    pub load: Load,
    /// How metrics are collected.
    pub scrapes: Scrapes,
    /// Whether artifacts are read and digested before they are installed; off only where speed matters more.
    pub verify_artifacts: bool,
    /// Whether a node that takes requests can be changed. Reality allows it; a strict world refuses.
    pub change_while_serving: bool,
}

impl WorldConfig {
    /// HAProxy's default checks, a hundred requests a second, a scrape every five seconds, strict.
    ///
    /// # Panics
    /// When one of the names cannot be a node's.
    #[must_use]
    pub fn new(names: &[&str]) -> Self {
        #[expect(clippy::expect_used, reason = "documented; the others are constants")]
        let (nodes, pool, path, health) = (
            names.iter().map(|name| NodeId::new(name).expect("a node's name")).collect(),
            PoolName::new("api_pool").expect("a constant"),
            RemotePath::new("/opt/app/app").expect("a constant"),
            HttpPath::new(HEALTH_PATH).expect("a constant that core's tests parse"),
        );
        Self {
            pool,
            nodes,
            path,
            health,
            call_ms: 0,
            checks: Checks { interval_ms: 2000, rise: 2, fall: 3 },
            admin_lag_ms: 0,
            load: Load { requests_per_s: 100, duration_ms: 20 },
            scrapes: Scrapes { interval_ms: 5000, delay_ms: 500, stale_ms: 120_000, gaps: Vec::new() },
            verify_artifacts: true,
            change_while_serving: false,
        }
    }
}

/// Everything there is.
#[derive(Debug)]
struct State {
    config: WorldConfig,
    nodes: Vec<NodeState>,
    servers: Vec<ServerState>,
    binaries: BTreeMap<Digest, (Arc<[u8]>, Behaviour)>,
    spread: Spread,
    trace: Vec<Traced>,
    epoch: u64,
    now_ms: u64,
}

/// A fleet in memory; clones share it.
#[derive(Debug, Clone)]
pub struct World {
    state: Arc<Mutex<State>>,
    clock: Arc<VirtualClock>,
}

impl World {
    /// A fleet whose nodes all run `first` and are up.
    #[must_use]
    pub fn new(config: WorldConfig, clock: Arc<VirtualClock>, first: &[u8], behaviour: Behaviour) -> Self {
        let digest = Digest::of(first);
        let nodes = config.nodes.iter().map(|name| NodeState::new(name.clone(), digest, behaviour)).collect();
        let servers = config.nodes.iter().cloned().map(ServerState::new).collect();
        let mut state = State {
            config,
            nodes,
            servers,
            binaries: BTreeMap::from([(digest, (Arc::from(first), behaviour))]),
            spread: Spread::default(),
            trace: Vec::new(),
            epoch: 1,
            now_ms: clock.passed_ms(),
        };
        state.note_spread();
        Self { state: Arc::new(Mutex::new(state)), clock }
    }

    /// Makes a binary known: what it consists of, and how it behaves.
    pub fn binary(&self, bytes: &[u8], behaviour: Behaviour) -> Digest {
        let digest = Digest::of(bytes);
        self.state().binaries.insert(digest, (Arc::from(bytes), behaviour));
        digest
    }

    /// The world's clock.
    #[must_use]
    pub const fn clock(&self) -> &Arc<VirtualClock> {
        &self.clock
    }

    /// Everything a rollout of this fleet works with.
    #[must_use]
    pub fn backends(&self, journal: Arc<dyn Journal>) -> Backends {
        Backends {
            lb: Arc::new(self.clone()),
            nodes: Arc::new(self.clone()),
            sli: Some(Arc::new(self.clone())),
            checks: Vec::new(),
            journal,
            sinks: Vec::new(),
            clock: Arc::clone(&self.clock) as _,
        }
    }

    /// A node as it truly is.
    #[must_use]
    pub fn node(&self, node: &NodeId) -> Option<NodeState> {
        self.state().nodes.iter().find(|other| other.name == *node).cloned()
    }

    /// A server as it truly is.
    #[must_use]
    pub fn server(&self, node: &NodeId) -> Option<ServerState> {
        self.state().servers.iter().find(|other| other.node == *node).cloned()
    }

    /// Changes a node behind everybody's back.
    pub fn with_node(&self, node: &NodeId, change: impl FnOnce(&mut NodeState)) {
        let mut state = self.state();
        if let Some(found) = state.nodes.iter_mut().find(|other| other.name == *node) {
            change(found);
        }
        state.note_spread();
    }

    /// Changes a server behind everybody's back.
    pub fn with_server(&self, node: &NodeId, change: impl FnOnce(&mut ServerState)) {
        let mut state = self.state();
        if let Some(found) = state.servers.iter_mut().find(|other| other.node == *node) {
            change(found);
        }
        state.note_spread();
    }

    /// Ends a node's process.
    pub fn stop_service(&self, node: &NodeId) {
        self.with_node(node, NodeState::stop);
    }

    /// Starts a node's process on what is installed.
    pub fn start_service(&self, node: &NodeId) {
        let mut state = self.state();
        let now_ms = state.now_ms;
        let Some(i) = state.nodes.iter().position(|other| other.name == *node) else { return };
        let behaviour = state.behaviour(state.nodes[i].installed);
        state.nodes[i].start(now_ms, behaviour);
        state.note_spread();
    }

    /// Replaces the balancer's process: admin states, weights and counters are the configured ones again.
    pub fn restart_balancer(&self) {
        let mut state = self.state();
        let now_ms = state.now_ms;
        state.epoch += 1;
        let State { servers, nodes, .. } = &mut *state;
        for (server, node) in servers.iter_mut().zip(nodes) {
            server.restart(now_ms, node.healthy_at(now_ms));
        }
        state.happened(Happening::BalancerRestarted);
        state.note_spread();
    }

    /// One request of a client: the node that answered it, if any did.
    pub fn request(&self) -> Option<NodeId> {
        self.state().request().map(|(node, _)| node)
    }

    /// Adds something to the trace that happened outside the world, in its order.
    pub fn happened(&self, what: Happening) {
        self.state().happened(what);
    }

    /// Everything that happened so far.
    #[must_use]
    pub fn trace(&self) -> Vec<Traced> {
        self.state().trace.clone()
    }

    /// Whether a record could not be written since the engine was last started.
    pub(crate) fn journal_failed(&self) -> bool {
        let state = self.state();
        let mut life =
            state.trace.iter().rev().take_while(|happened| happened.what != Happening::EngineBegan);
        life.any(|happened| happened.what == Happening::JournalFailed)
    }

    /// As [`Self::trace`]; what happened so far is forgotten.
    pub(crate) fn take_trace(&self) -> Vec<Traced> {
        std::mem::take(&mut self.state().trace)
    }

    /// The state at a call through a trait, which takes its time.
    fn called(&self) -> MutexGuard<'_, State> {
        let call_ms = self.state.lock().unwrap_or_else(PoisonError::into_inner).config.call_ms;
        self.clock.advance(ms(call_ms));
        self.state()
    }

    /// The state, after everything came to pass that was due.
    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.advance(self.clock.passed_ms());
        state
    }
}

impl State {
    /// Lets everything come to pass that is due until `now_ms`.
    fn advance(&mut self, now_ms: u64) {
        let passed = now_ms.saturating_sub(self.now_ms);
        if passed == 0 {
            return;
        }
        self.serve(passed);
        self.now_ms = now_ms;
        let mut changed = false;
        for (server, node) in self.servers.iter_mut().zip(&self.nodes) {
            changed |= server.settle(now_ms);
            changed |= server.check_until(now_ms, &self.config.checks, node);
        }
        if changed {
            self.note_spread();
        }
    }

    /// Spreads the requests of the time that passed over the servers that took them.
    fn serve(&mut self, passed_ms: u64) {
        let rate = self.config.load.requests_per_s;
        let serving = self.servers.iter().filter(|server| server.serving());
        let all: u64 = serving.map(|server| u64::from(server.weight.value())).sum();
        if all == 0 || rate == 0 {
            return;
        }
        let until = self.now_ms + passed_ms;
        for server in self.servers.iter_mut().filter(|server| server.serving()) {
            server.take(passed_ms * rate * u64::from(server.weight.value()), all);
            server.last_request_ms = Some(until);
        }
    }

    fn serving(&self) -> usize {
        self.servers.iter().filter(|server| server.serving()).count()
    }

    fn behaviour(&self, digest: Option<Digest>) -> Behaviour {
        digest
            .and_then(|digest| self.binaries.get(&digest))
            .map_or(Behaviour::unhealthy(), |(_, behaviour)| *behaviour)
    }

    fn happened(&mut self, what: Happening) {
        self.trace.push(Traced { at_ms: self.now_ms, what });
    }

    /// Notes how requests are spread from now on.
    fn note_spread(&mut self) {
        let now_ms = self.now_ms;
        let share = |(server, node): (&ServerState, &NodeState)| Share {
            serving: server.serving(),
            weight: server.weight.value(),
            running: node.running,
            started_ms: node.started_ms,
            error_ratio: if node.healthy_at(now_ms) { node.behaviour.error_ratio } else { 1.0 },
            p95_s: node.behaviour.p95_s,
        };
        let shares = self.servers.iter().zip(&self.nodes).map(share).collect();
        self.spread.note(now_ms, shares);
    }

    /// One request, to the server whose turn it is by smooth weighted round robin; with whether it was answered well.
    fn request(&mut self) -> Option<(NodeId, bool)> {
        let mut all = 0;
        let mut turn: Option<usize> = None;
        for i in 0..self.servers.len() {
            if !self.servers[i].serving() {
                continue;
            }
            let weight = i64::from(self.servers[i].weight.value());
            all += weight;
            self.servers[i].turn += weight;
            if turn.is_none_or(|best| self.servers[i].turn > self.servers[best].turn) {
                turn = Some(i);
            }
        }
        let turn = turn?;
        let (now_ms, healthy) = (self.now_ms, self.nodes[turn].healthy_at(self.now_ms));
        let server = &mut self.servers[turn];
        server.turn -= all;
        server.served_milli += 1000;
        server.last_request_ms = Some(now_ms);
        Some((server.node.clone(), healthy))
    }

    fn index(&self, node: &NodeId, operation: &str) -> Result<usize, BackendError> {
        self.nodes.iter().position(|other| other.name == *node).ok_or_else(|| {
            let message = format!("there is no {node}");
            BackendError::new(ErrorKind::NotFound, BACKEND, operation, message)
                .outcome_is(CallOutcome::NotApplied)
                .with("node", node)
        })
    }
}

fn unchanged(kind: ErrorKind, operation: &str, message: impl Into<String>) -> BackendError {
    BackendError::new(kind, BACKEND, operation, message).outcome_is(CallOutcome::NotApplied)
}

/// A duration from milliseconds.
const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("world in memory")
    }
}

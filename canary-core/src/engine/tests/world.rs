//! A small strict world for the engine: two roles over one state, a clock that only moves when somebody waits.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;

use crate::analysis::Number;
use crate::fleet::{Artifact, Digest, FileFacts, NodeId, PoolName, RemotePath};
use crate::time::Timestamp;
use crate::traits::*;

/// How a binary behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behaviour {
    Good,
    Unhealthy,
    Crashes,
    Errors,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) installed: Digest,
    pub(super) running: Digest,
    pub(super) restarts: u64,
    pub(super) admin: AdminState,
    pub(super) weight: u16,
    pub(super) stuck_sessions: u64,
    pub(super) served: u64,
    pub(super) up: bool,
}

/// Everything there is.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) now_ms: u64,
    pub(super) nodes: BTreeMap<NodeId, Node>,
    pub(super) binaries: BTreeMap<Digest, (Vec<u8>, Behaviour)>,
    /// Every effect, in order.
    pub(super) effects: Vec<String>,
    /// Errors that the next calls of an operation give.
    pub(super) faults: BTreeMap<&'static str, VecDeque<BackendError>>,
    /// The metrics store is away.
    pub(super) metrics_down: bool,
    /// Between two reads everybody but this node is sent a thousand requests.
    pub(super) shunned: Option<NodeId>,
    /// The balancer forgets all drains at the next read.
    pub(super) balancer_restarts: bool,
    /// The next call of this operation takes two seconds, in which the balancer forgets all drains.
    pub(super) long: Option<&'static str>,
    /// What the next looks at a service see instead of what is so.
    pub(super) services: VecDeque<ServiceState>,
    /// The next call of this operation takes two seconds.
    pub(super) slow: Option<&'static str>,
    /// A server that the pool does not have.
    pub(super) no_server: Option<NodeId>,
    /// Servers that the next looks at the pool leave out, one a look.
    pub(super) left_out: VecDeque<NodeId>,
    /// Requests through the balancer are answered 502.
    pub(super) answers_badly: bool,
    /// No request reaches a node.
    pub(super) quiet: bool,
    /// No request can be sent through the balancer.
    pub(super) cannot_send: bool,
    /// Milliseconds until an acknowledged admin state takes effect.
    pub(super) lag_ms: u64,
    /// What was acknowledged last, and when it takes effect.
    late: Option<(u64, NodeId, AdminState)>,
    epoch: u64,
}

/// The world: balancer, runtime, metrics and clock at once.
#[derive(Debug, Clone, Default)]
pub(super) struct World(Arc<Mutex<State>>);

pub(super) fn node(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

pub(super) fn path() -> RemotePath {
    RemotePath::new("/opt/app/app").unwrap()
}

impl World {
    pub(super) fn new(names: &[&str], old: &[u8]) -> Self {
        let world = Self::default();
        let digest = world.binary(old, Behaviour::Good);
        for name in names {
            let fresh = Node {
                installed: digest,
                running: digest,
                restarts: 0,
                admin: AdminState::Ready,
                weight: 100,
                stuck_sessions: 0,
                served: 0,
                up: true,
            };
            world.state().nodes.insert(node(name), fresh);
        }
        world
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(super) fn binary(&self, bytes: &[u8], behaviour: Behaviour) -> Digest {
        let digest = Digest::of(bytes);
        self.state().binaries.insert(digest, (bytes.to_vec(), behaviour));
        digest
    }

    pub(super) fn fail(&self, operation: &'static str, times: usize, error: fn() -> BackendError) {
        self.state().faults.entry(operation).or_default().extend((0..times).map(|_| error()));
    }

    fn enter(&self, operation: &'static str) -> Result<MutexGuard<'_, State>, BackendError> {
        let mut state = self.state();
        match state.faults.get_mut(operation).and_then(VecDeque::pop_front) {
            Some(error) => Err(error),
            None => Ok(state),
        }
    }
}

impl State {
    fn forget_drains(&mut self) {
        self.epoch += 1;
        for node in self.nodes.values_mut() {
            (node.admin, node.weight, node.served) = (AdminState::Ready, 100, 0);
        }
    }

    /// What was acknowledged and is due.
    fn take_effect(&mut self) {
        let now_ms = self.now_ms;
        if let Some((_, node, admin)) = self.late.take_if(|late| late.0 <= now_ms) {
            self.node(&node).admin = admin;
        }
    }

    /// Whether this call is the long one; then it has been.
    fn long(&mut self, operation: &str) -> bool {
        let long = self.long.take_if(|long| *long == operation).is_some();
        if long {
            self.now_ms += 2000;
            self.forget_drains();
        }
        long
    }

    pub(super) fn behaviour(&self, digest: Digest) -> Behaviour {
        self.binaries[&digest].1
    }

    fn node(&mut self, node: &NodeId) -> &mut Node {
        self.nodes.get_mut(node).unwrap()
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("world")
    }
}

#[async_trait]
impl Clock for World {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + self.state().now_ms)
    }
    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.state().now_ms)
    }
    async fn sleep(&self, duration: Duration) {
        self.state().now_ms += u64::try_from(duration.as_millis()).unwrap().max(1);
        tokio::task::yield_now().await;
    }
}

#[async_trait]
impl LoadBalancer for World {
    fn capabilities(&self) -> LbCapabilities {
        let check_through = !self.state().cannot_send;
        LbCapabilities { weights: true, close_sessions: true, check_through }
    }

    async fn servers(&self) -> Result<PoolState, BackendError> {
        let mut state = self.enter("servers")?;
        state.take_effect();
        if std::mem::take(&mut state.balancer_restarts) {
            state.forget_drains();
        }
        let shunned = state.shunned.clone();
        for (name, n) in state.nodes.iter_mut().filter(|_| shunned.is_some()) {
            n.served += if Some(name) == shunned.as_ref() { 0 } else { 1000 };
        }
        let left_out = state.left_out.pop_front();
        let there = state
            .nodes
            .iter()
            .filter(|(name, _)| Some(*name) != state.no_server.as_ref() && Some(*name) != left_out.as_ref());
        let servers = there.map(|(name, n)| Server {
            node: name.clone(),
            address: None,
            admin: n.admin,
            operational: if n.up { Operational::Up } else { Operational::Down },
            checked: true,
            weight: Weight::new(n.weight).unwrap(),
            configured_weight: Weight::new(100).unwrap(),
            backup: false,
            sessions: n.stuck_sessions,
            queued: 0,
            served: n.served,
        });
        let servers = servers.collect();
        Ok(PoolState {
            pool: PoolName::new("api_pool").unwrap(),
            epoch: state.epoch.to_string(),
            algorithm: None,
            sticky: None,
            servers,
        })
    }

    async fn set_admin(&self, node: &NodeId, admin: AdminState) -> Result<PoolState, BackendError> {
        {
            let mut state = self.enter("set_admin")?;
            state.take_effect();
            let asked = state.late.take().filter(|late| late.1 == *node).map(|late| late.2);
            if asked.unwrap_or_else(|| state.node(node).admin) != admin {
                state.effects.push(format!("{node} {admin}"));
            }
            if state.node(node).admin != admin {
                state.late = Some((state.now_ms + state.lag_ms, node.clone(), admin));
            }
        }
        self.servers().await
    }

    async fn set_weight(&self, node: &NodeId, weight: Weight) -> Result<(), BackendError> {
        let mut state = self.enter("set_weight")?;
        let n = state.node(node);
        let serves = if n.admin == AdminState::Ready { " while it serves" } else { "" };
        if std::mem::replace(&mut n.weight, weight.value()) != weight.value() {
            state.effects.push(format!("{node} weight {}{serves}", weight.value()));
        }
        Ok(())
    }

    async fn close_sessions(&self, node: &NodeId) -> Result<(), BackendError> {
        let mut state = self.enter("close_sessions")?;
        state.node(node).stuck_sessions = 0;
        state.effects.push(format!("{node} close sessions"));
        Ok(())
    }

    async fn check_through(&self, _: &HealthCheck) -> Result<HealthReport, BackendError> {
        let mut state = self.enter("check_through")?;
        // One request to every serving node, so that a round-robin's turn never matters.
        let quiet = state.quiet;
        for n in state.nodes.values_mut().filter(|n| n.admin == AdminState::Ready && n.up && !quiet) {
            n.served += 1;
        }
        let (healthy, status) = if state.answers_badly { (false, 502) } else { (true, 200) };
        Ok(HealthReport { healthy, status: Some(status), detail: status.to_string(), via: "world".into() })
    }
}

#[async_trait]
impl NodeRuntime for World {
    async fn installed(&self, node: &NodeId) -> Result<Installed, BackendError> {
        let mut state = self.enter("installed")?;
        let sha256 = state.node(node).installed;
        let size = state.binaries[&sha256].0.len() as u64;
        Ok(Installed { path: path(), current: Some(FileFacts { sha256, size }), previous: None })
    }

    async fn inspect(&self, _: &NodeId, _: &RemotePath) -> Result<Option<FileFacts>, BackendError> {
        Ok(None)
    }

    async fn install(&self, node: &NodeId, artifact: &Artifact) -> Result<InstallReport, BackendError> {
        artifact.verify().expect("the store's artifact is whole");
        let mut state = self.enter("install")?;
        assert_ne!(state.node(node).admin, AdminState::Ready, "installed on a node that serves");
        let changed = state.node(node).installed != artifact.facts.sha256;
        state.node(node).installed = artifact.facts.sha256;
        if changed {
            state.effects.push(format!("{node} install {}", artifact.facts.sha256.short()));
        }
        if state.slow.take_if(|slow| *slow == "install").is_some() {
            state.now_ms += 2000;
        }
        if state.long("install") {
            // A request that came meanwhile.
            state.node(node).stuck_sessions = 1;
        }
        Ok(InstallReport { changed, facts: artifact.facts })
    }

    async fn fetch(&self, node: &NodeId, _: &RemotePath, into: &Path) -> Result<FileFacts, BackendError> {
        let mut state = self.enter("fetch")?;
        let digest = state.node(node).installed;
        let bytes = &state.binaries[&digest].0;
        std::fs::write(into, bytes).unwrap();
        Ok(FileFacts { sha256: digest, size: bytes.len() as u64 })
    }

    async fn restart(&self, node: &NodeId) -> Result<ServiceState, BackendError> {
        {
            let mut state = self.enter("restart")?;
            assert_ne!(state.node(node).admin, AdminState::Ready, "restarted a node that serves");
            assert_eq!(state.node(node).stuck_sessions, 0, "restarted a node with a request in progress");
            let installed = state.node(node).installed;
            let behaviour = state.behaviour(installed);
            let n = state.node(node);
            n.running = installed;
            n.restarts = 0;
            n.up = behaviour != Behaviour::Crashes && behaviour != Behaviour::Unhealthy;
            state.effects.push(format!("{node} restart"));
        }
        self.service(node).await
    }

    async fn service(&self, node: &NodeId) -> Result<ServiceState, BackendError> {
        let mut state = self.enter("service")?;
        if let Some(seen) = state.services.pop_front() {
            return Ok(seen);
        }
        let running = state.node(node).running;
        let crashes = state.behaviour(running) == Behaviour::Crashes;
        let n = state.node(node);
        n.restarts += u64::from(crashes);
        let binary = if n.running == n.installed { RunningBinary::InPlace } else { RunningBinary::Replaced };
        Ok(ServiceState {
            active: if crashes { ActiveState::Activating } else { ActiveState::Active },
            detail: if crashes { "auto-restart" } else { "running" }.to_owned(),
            pid: Some(1),
            restarts: n.restarts,
            running: if crashes { RunningBinary::None } else { binary },
        })
    }

    async fn check(&self, node: &NodeId, _: &HealthCheck) -> Result<HealthReport, BackendError> {
        let mut state = self.enter("check")?;
        let running = state.node(node).running;
        let starting = state.long("check");
        let healthy = matches!(state.behaviour(running), Behaviour::Good | Behaviour::Errors) && !starting;
        let status = if healthy { 200 } else { 500 };
        Ok(HealthReport { healthy, status: Some(status), detail: status.to_string(), via: "world".into() })
    }

    async fn logs(&self, _: &NodeId, _: u16) -> Result<Vec<String>, BackendError> {
        Ok(vec!["the last words".to_owned()])
    }
}

#[async_trait]
impl SliSource for World {
    fn by_node(&self) -> bool {
        false
    }

    async fn sample(&self, queries: &[SliQuery]) -> Vec<Result<Sample, BackendError>> {
        let state = self.state();
        let down = || BackendError::new(ErrorKind::Unreachable, "metrics", "query", "connection refused");
        let bad = state.nodes.values().any(|n| state.behaviour(n.running) == Behaviour::Errors);
        let value = Number::new(if bad { 0.2 } else { 0.0 }).unwrap();
        let sample = Sample {
            reading: Reading::Value { value },
            events: Some(100),
            age: None,
            warnings: Vec::new(),
            queries: Vec::new(),
        };
        queries.iter().map(|_| if state.metrics_down { Err(down()) } else { Ok(sample.clone()) }).collect()
    }

    async fn describe(&self, _: &SliQuery) -> Result<SliFacts, BackendError> {
        Ok(SliFacts { series: 1, largest_bound: None, scrape_interval: None })
    }
}

//! The balancer's role, played inside this program.

mod body;
mod config;
mod forward;
mod front;
mod headers;
mod health;
mod pool;
mod tunnel;

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use canary_core::fleet::{NodeId, PoolName};
use canary_core::traits::{
    AdminState, BackendError, HealthCheck, HealthReport, LbCapabilities, LoadBalancer, PoolState, Weight,
};
use canary_http::HttpClient;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};

pub use config::{CheckConfig, Deadlines, LocalBalancerConfig, ServerConfig};

use crate::error::unknown_node;
use crate::{LocalError, ask};
use pool::{Chosen, Pool, Sender};

/// What a balancer has done since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Requests that came in.
    pub requests: u64,
    /// Times a request went on to another server because nothing of it could be sent to the one before.
    pub redispatched: u64,
    /// Answers of the balancer itself, all of them failures: 501, 502, 503, 504.
    pub own_answers: u64,
}

#[derive(Debug, Default)]
struct Counters {
    requests: AtomicU64,
    redispatched: AtomicU64,
    own_answers: AtomicU64,
}

impl Counters {
    fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    fn count_redispatch(&self) {
        self.redispatched.fetch_add(1, Ordering::Relaxed);
    }

    fn count_own(&self) {
        self.own_answers.fetch_add(1, Ordering::Relaxed);
    }
}

/// What all tasks of a balancer share.
#[derive(Debug)]
struct Shared {
    config: LocalBalancerConfig,
    address: SocketAddr,
    pool: Mutex<Pool>,
    totals: Counters,
    stop: watch::Sender<bool>,
    /// Checks are due at once.
    check_now: Notify,
}

impl Shared {
    fn pool(&self) -> MutexGuard<'_, Pool> {
        // Every change is whole, so a panic elsewhere leaves it usable.
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn stopped(&self) {
        // The sender lives as long as `self`: the channel cannot close here.
        let _ = self.stop.subscribe().wait_for(|stop| *stop).await;
    }
}

/// One request's stay at a server; over when dropped.
#[derive(Debug)]
struct Session {
    shared: Arc<Shared>,
    chosen: Chosen,
}

impl Session {
    fn new(shared: &Arc<Shared>, chosen: Chosen) -> Self {
        Self { shared: Arc::clone(shared), chosen }
    }

    const fn index(&self) -> usize {
        self.chosen.index
    }

    const fn address(&self) -> SocketAddr {
        self.chosen.address
    }

    fn take_idle(&self) -> Option<Sender> {
        self.shared.pool().take_idle(self.chosen.index, self.shared.config.deadlines.idle)
    }

    fn keep(&self, sender: Sender) {
        self.shared.pool().keep_idle(self.chosen.index, sender);
    }

    fn count(&self) {
        self.shared.pool().count(self.chosen.index);
    }

    /// Returns when the operator closes the server's sessions.
    fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut close = self.chosen.close.clone();
        async move {
            // An error means that the balancer is gone, and then so is whatever waits here.
            let _ = close.changed().await;
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.pool().leave(self.chosen.index);
    }
}

/// An HTTP/1.1 reverse proxy on a loopback port, in this program.
///
/// Weighted round robin over the servers that are ready and found up by health checks; bodies are streamed both ways,
/// connections are kept on both sides, `Upgrade` is passed through. A request of which nothing could be sent goes to
/// another server; a safe one without a body also when it met an idle connection just as the server closed it. Clients
/// get 502, 503 and 504 as usual. All calls return at once, but for [`LoadBalancer::check_through`].
///
/// Coming out of `maint`, and at its start, a server is down until the first good check. Dropping the balancer cuts all
/// connections; [`Self::shutdown`] lets requests end first.
#[derive(Debug)]
pub struct LocalBalancer {
    shared: Arc<Shared>,
    /// To itself, as a client.
    http: HttpClient,
    front: Mutex<Option<JoinHandle<()>>>,
    _checks: JoinSet<()>,
    epoch: String,
}

impl LocalBalancer {
    /// Listens and begins to check the servers.
    ///
    /// # Errors
    /// [`LocalError`] when a setting cannot work or the address cannot be listened on.
    pub async fn start(config: LocalBalancerConfig) -> Result<Self, LocalError> {
        config.check()?;
        let listen = config.listen;
        let failed = |source| LocalError::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let http = ask::client(&format!("http://{address}"))?;
        let shared = Arc::new(Shared {
            pool: Mutex::new(Pool::new(&config)),
            config,
            address,
            totals: Counters::default(),
            stop: watch::Sender::new(false),
            check_now: Notify::new(),
        });
        let mut checks = JoinSet::new();
        if let Some(config) = &shared.config.checks {
            for index in 0..shared.config.servers.len() {
                checks.spawn(health::watch(Arc::clone(&shared), index, config.clone()));
            }
        }
        let front = tokio::spawn(front::serve(Arc::clone(&shared), listener));
        Ok(Self { shared, http, front: Mutex::new(Some(front)), _checks: checks, epoch: epoch(address) })
    }

    /// The pool's name.
    #[must_use]
    pub fn pool(&self) -> &PoolName {
        &self.shared.config.pool
    }

    /// Where clients come in.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// The same as a URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.shared.address)
    }

    /// What it has done so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let totals = &self.shared.totals;
        Totals {
            requests: totals.requests.load(Ordering::Relaxed),
            redispatched: totals.redispatched.load(Ordering::Relaxed),
            own_answers: totals.own_answers.load(Ordering::Relaxed),
        }
    }

    /// Accepts no more and returns when the requests in progress have ended, within their deadline.
    pub async fn shutdown(&self) {
        self.shared.stop.send_replace(true);
        let front = self.front.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(front) = front {
            // An error would be a panic in there; the listener is closed then as well.
            let _ = front.await;
        }
    }

    /// Closes the port and cuts all connections at once, without a runtime.
    pub fn close(&self) {
        self.shared.stop.send_replace(true);
        let front = self.front.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(front) = front {
            front.abort();
        }
    }

    fn state(&self) -> PoolState {
        PoolState {
            pool: self.shared.config.pool.clone(),
            epoch: self.epoch.clone(),
            algorithm: Some("roundrobin".to_owned()),
            sticky: None,
            servers: self.shared.pool().report(),
        }
    }

    fn change(
        &self,
        operation: &str,
        node: &NodeId,
        change: impl FnOnce(&mut Pool, usize),
    ) -> Result<(), BackendError> {
        let mut pool = self.shared.pool();
        let index = pool.index(node).ok_or_else(|| unknown_node(operation, node))?;
        change(&mut pool, index);
        Ok(())
    }
}

/// Names this balancer's counters: process, time and address together are never used again.
fn epoch(address: SocketAddr) -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}-{}-{}", std::process::id(), since.as_micros(), address.port())
}

impl Drop for LocalBalancer {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Display for LocalBalancer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "balancer {} at {}", self.shared.config.pool, self.url())
    }
}

#[async_trait]
impl LoadBalancer for LocalBalancer {
    fn capabilities(&self) -> LbCapabilities {
        LbCapabilities { weights: true, close_sessions: true, check_through: true }
    }

    async fn servers(&self) -> Result<PoolState, BackendError> {
        Ok(self.state())
    }

    async fn set_admin(&self, node: &NodeId, state: AdminState) -> Result<PoolState, BackendError> {
        self.change("set the admin state", node, |pool, index| pool.set_admin(index, state))?;
        self.shared.check_now.notify_waiters();
        Ok(self.state())
    }

    async fn set_weight(&self, node: &NodeId, weight: Weight) -> Result<(), BackendError> {
        self.change("set the weight", node, |pool, index| pool.set_weight(index, weight))
    }

    async fn close_sessions(&self, node: &NodeId) -> Result<(), BackendError> {
        self.change("close the sessions", node, Pool::close_sessions)
    }

    async fn check_through(&self, check: &HealthCheck) -> Result<HealthReport, BackendError> {
        ask::health("check through the balancer", &self.http, check).await
    }
}

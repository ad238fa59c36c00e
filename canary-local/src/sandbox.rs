//! A whole fleet in a temporary directory: nodes, balancer, metrics; gone without a trace afterwards.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use canary_core::engine::Backends;
use canary_core::fleet::{Artifact, HttpPath, NodeId, PoolName, ServiceName};
use canary_core::spec::RolloutSpec;
use canary_core::traits::{
    ActiveState, Clock, ErrorKind, EventSink, HealthCheck, Journal, LoadBalancer as _, NodeRuntime as _,
};
use canary_prom::{MetricsConfig, MetricsSource};
use tempfile::TempDir;

use crate::error::unchanged;
use crate::{
    CheckConfig, LocalBalancer, LocalBalancerConfig, LocalError, LocalNodeRuntime, LocalNodesConfig,
    NodeConfig, ServerConfig,
};

/// Ports are tried from here, below those that systems hand out for outgoing connections (from 32768 on Linux): a
/// node's port must not be taken by a client of another while it restarts.
const FIRST_PORT: u16 = 18_000;
const PORTS: u16 = 14_000;

/// The settings of a [`Sandbox`].
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// The service's name; its nodes are `<service>-1` and so on.
    pub service: ServiceName,
    /// The binary that all nodes run at first.
    pub release: PathBuf,
    /// How many nodes; default 3.
    pub nodes: u16,
    /// The arguments of every process; `{address}`, `{port}` and `{node}` stand for the node's own.
    pub args: Vec<String>,
    /// Where the service answers for its health.
    pub health: HttpPath,
    /// Where it shows its metrics; default `/metrics`.
    pub metrics: HttpPath,
    /// The time between the balancer's checks; default 200 ms.
    pub check_interval: Duration,
    /// How long all nodes may take to come up; default 30 s.
    pub ready_timeout: Duration,
}

impl SandboxConfig {
    /// Three nodes of that binary, told where to listen by `args`.
    #[must_use]
    pub fn new(service: ServiceName, release: impl Into<PathBuf>, args: &[&str]) -> Self {
        let path = |text| {
            #[expect(clippy::expect_used, reason = "constants that every test of this type parses")]
            HttpPath::new(text).expect("a constant path")
        };
        Self {
            service,
            release: release.into(),
            nodes: 3,
            args: args.iter().map(|&text| text.to_owned()).collect(),
            health: path("/api/v1/health"),
            metrics: path("/metrics"),
            check_interval: Duration::from_millis(200),
            ready_timeout: Duration::from_secs(30),
        }
    }
}

/// Nodes of one service behind a balancer, in a temporary directory.
///
/// Dropping it kills the processes, closes the balancer and removes the directory, also while others still hold its
/// backends; [`Self::shutdown`] does the same with time for requests in progress.
#[derive(Debug)]
pub struct Sandbox {
    config: SandboxConfig,
    names: Vec<NodeId>,
    pool: PoolName,
    balancer: Arc<LocalBalancer>,
    nodes: Arc<LocalNodeRuntime>,
    metrics: Arc<MetricsSource>,
    dir: TempDir,
}

impl Sandbox {
    /// Installs the release on every node, starts all, and returns when the balancer finds every one up.
    ///
    /// # Errors
    /// [`LocalError`]; nothing is left behind then.
    pub async fn start(config: SandboxConfig) -> Result<Self, LocalError> {
        let dir = tempfile::Builder::new().prefix("canary-sandbox-").tempdir();
        let dir = dir.map_err(LocalError::io("create", Path::new("a temporary directory")))?;
        let mut nodes = Vec::new();
        for number in 1..=config.nodes {
            let name = NodeId::new(format!("{}-{number}", config.service)).map_err(refused)?;
            nodes.push(NodeConfig::new(name, free_address()?));
        }
        let pool = PoolName::new(config.service.as_str()).map_err(refused)?;
        let balancer = balancer(&config, pool.clone(), &nodes).await?;
        let pages =
            nodes.iter().map(|one| (one.node.clone(), format!("http://{}{}", one.address, config.metrics)));
        let metrics = MetricsSource::new(&MetricsConfig::new(pages.collect())).map_err(refused)?;
        let names: Vec<NodeId> = nodes.iter().map(|one| one.node.clone()).collect();
        let mut all = LocalNodesConfig::new(dir.path().join("nodes"), config.service.as_str(), nodes);
        all.args.clone_from(&config.args);
        let nodes = LocalNodeRuntime::open(all).await?;
        let sandbox = Self {
            config,
            names,
            pool,
            balancer: Arc::new(balancer),
            nodes: Arc::new(nodes),
            metrics: Arc::new(metrics),
            dir,
        };
        sandbox.bring_up().await?;
        Ok(sandbox)
    }

    async fn bring_up(&self) -> Result<(), LocalError> {
        let release = self.config.release.clone();
        let artifact = tokio::task::spawn_blocking(move || Artifact::read(release)).await.map_err(refused)?;
        let artifact = artifact.map_err(|error| {
            unchanged(ErrorKind::LocalIo, "read the first release", error.to_string()).caused_by(error)
        })?;
        for node in &self.names {
            self.nodes.install(node, &artifact).await?;
            self.nodes.start(node).await?;
        }
        let begun = Instant::now();
        loop {
            let state = self.balancer.servers().await?;
            let Some(down) = state.servers.iter().find(|server| !server.serving()) else { return Ok(()) };
            let service = self.nodes.service(&down.node).await?;
            let limit = self.config.ready_timeout;
            if service.active == ActiveState::Failed || begun.elapsed() > limit {
                let last = self.nodes.logs(&down.node, 1).await.unwrap_or_default().concat();
                let seen = format!("{} ({}); its log ends: {last}", service.active, service.detail);
                let node = down.node.clone();
                return Err(match service.active {
                    ActiveState::Failed => LocalError::Down { node, seen },
                    _ => LocalError::TimedOut { what: format!("{node} did not come up"), seen, limit },
                });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Where clients come in.
    #[must_use]
    pub fn url(&self) -> String {
        self.balancer.url()
    }

    /// The nodes' names; the first is the canary of [`Self::spec`].
    #[must_use]
    pub fn names(&self) -> &[NodeId] {
        &self.names
    }

    /// The temporary directory; whatever lies in it goes with it.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where rollouts keep artifacts.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.dir.path().join("artifacts")
    }

    /// The balancer.
    #[must_use]
    pub const fn balancer(&self) -> &Arc<LocalBalancer> {
        &self.balancer
    }

    /// The nodes.
    #[must_use]
    pub const fn nodes(&self) -> &Arc<LocalNodeRuntime> {
        &self.nodes
    }

    /// The nodes' own metrics pages.
    #[must_use]
    pub const fn metrics(&self) -> &Arc<MetricsSource> {
        &self.metrics
    }

    /// Everything a rollout of this fleet works with.
    #[must_use]
    pub fn backends(
        &self,
        journal: Arc<dyn Journal>,
        sinks: Vec<Arc<dyn EventSink>>,
        clock: Arc<dyn Clock>,
    ) -> Backends {
        Backends {
            lb: Arc::clone(&self.balancer) as _,
            nodes: Arc::clone(&self.nodes) as _,
            sli: Some(Arc::clone(&self.metrics) as _),
            checks: Vec::new(),
            journal,
            sinks,
            clock,
        }
    }

    /// A rollout over all nodes, the first being the canary, without a watch; limits fit processes of one host.
    #[must_use]
    pub fn spec(&self) -> RolloutSpec {
        let (canary, peers) = match self.names.split_first() {
            Some((first, rest)) => (first.clone(), rest.to_vec()),
            // proof: a runtime without nodes is refused, so a sandbox has one at least.
            None => unreachable!(),
        };
        let port = self.nodes.address(&canary).map_or(0, |address| address.port());
        let mut spec = RolloutSpec::new(self.config.service.clone(), self.pool.clone(), canary, peers);
        spec.health.check =
            HealthCheck { port, path: self.config.health.clone(), attempt_timeout: Duration::from_secs(2) };
        spec.health.timeout = Duration::from_secs(10);
        spec.drain.timeout = Duration::from_secs(20);
        spec
    }

    /// Lets requests and processes end in their own time, and removes the directory.
    ///
    /// # Errors
    /// When the directory cannot be removed; nothing runs any more all the same.
    pub async fn shutdown(self) -> Result<(), LocalError> {
        self.balancer.shutdown().await;
        self.nodes.shutdown().await;
        let path = self.dir.path().to_owned();
        std::fs::remove_dir_all(&path).map_err(LocalError::io("remove", &path))
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.balancer.close();
        self.nodes.kill();
    }
}

impl fmt::Display for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} nodes of {} behind {}", self.names.len(), self.config.service, self.url())
    }
}

async fn balancer(
    config: &SandboxConfig,
    pool: PoolName,
    nodes: &[NodeConfig],
) -> Result<LocalBalancer, LocalError> {
    let servers = nodes.iter().map(|one| ServerConfig::new(one.node.clone(), one.address)).collect();
    let mut settings = LocalBalancerConfig::new(pool, servers);
    let mut checks = CheckConfig::new(config.health.clone());
    checks.interval = config.check_interval;
    settings.checks = Some(checks);
    LocalBalancer::start(settings).await
}

fn refused(error: impl fmt::Display) -> LocalError {
    LocalError::Config(error.to_string())
}

/// A loopback address nobody listens on now; each one is given out once by this program.
fn free_address() -> Result<SocketAddr, LocalError> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Programs that run side by side begin at different places.
    let offset = u16::try_from(std::process::id().wrapping_mul(97) % u32::from(PORTS)).unwrap_or_default();
    for _ in 0..PORTS {
        let turn = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(offset) % PORTS;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, FIRST_PORT + turn));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    Err(LocalError::Config("no free port on loopback".to_owned()))
}

//! The node's role, played by processes of this host.

mod config;
pub(crate) mod files;
mod incoming;
mod layout;
mod log;
mod proc;
mod process;
mod supervisor;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use canary_core::fleet::{Artifact, FileFacts, NodeId, RemotePath};
use canary_core::traits::{
    BackendError, CallOutcome, ErrorKind, HealthCheck, HealthReport, InstallReport, Installed, NodeRuntime,
    RemoteFile, ServiceState,
};
use canary_http::HttpClient;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

pub use config::{Lifetime, LocalNodesConfig, NodeConfig, RestartPolicy};
pub(crate) use incoming::IncomingArtifact;

use crate::LocalError;
use crate::ask;
use crate::error::{BACKEND, RETRY_AFTER, file_failed, unchanged, unknown_node};
use layout::Layout;
use supervisor::{Order, SharedSlot, Supervisor};

/// Runs one service as child processes, one a node, each in a directory and at a loopback address of its own.
///
/// Needs Linux 5.3 (`/proc`, `pidfd_open`). Processes lead process groups of their own, so that Ctrl-C on the terminal
/// reaches this program only; a process that ends by itself is started again and counted, as systemd does. Each call
/// returns within a few seconds; a restart within `stop_timeout` and some seconds.
///
/// With [`Lifetime::Bound`] dropping it kills every process; [`Self::shutdown`] lets them end first. A program that is
/// itself killed by `SIGKILL` leaves its processes running: the next runtime that opens the directory finds them by
/// number, start time and executed file, and looks after them.
#[derive(Debug)]
pub struct LocalNodeRuntime {
    config: Arc<LocalNodesConfig>,
    nodes: BTreeMap<NodeId, Node>,
    /// Locked: two programs that restart the same processes would fight.
    _lock: File,
}

#[derive(Debug)]
struct Node {
    config: NodeConfig,
    layout: Layout,
    http: HttpClient,
    slot: SharedSlot,
    orders: mpsc::Sender<Order>,
    task: JoinHandle<()>,
    /// One change of the files at a time.
    files: Arc<tokio::sync::Mutex<()>>,
}

impl LocalNodeRuntime {
    /// Makes the directories and finds processes again that an earlier runtime left; starts nothing.
    ///
    /// # Errors
    /// [`LocalError`] when a setting cannot work, a directory cannot be made, or another program uses it.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O and time.
    #[expect(clippy::unused_async, reason = "needs a runtime to be called in, which being async asks for")]
    pub async fn open(config: LocalNodesConfig) -> Result<Self, LocalError> {
        config.check()?;
        std::fs::create_dir_all(&config.root).map_err(LocalError::io("create", &config.root))?;
        let path = config.root.join(".lock");
        let lock = File::create(&path).map_err(LocalError::io("create", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(LocalError::InUse(config.root)),
            Err(std::fs::TryLockError::Error(error)) => return Err(LocalError::io("lock", &path)(error)),
        }
        let config = Arc::new(config);
        let mut nodes = BTreeMap::new();
        for node in &config.nodes {
            let layout = Layout::new(&config.root, node.node.as_str(), &config.binary);
            layout.create().map_err(LocalError::io("create", &layout.dir))?;
            nodes.insert(node.node.clone(), Node::open(node.clone(), layout, &config)?);
        }
        Ok(Self { config, nodes, _lock: lock })
    }

    /// Where a node's process listens.
    #[must_use]
    pub fn address(&self, node: &NodeId) -> Option<std::net::SocketAddr> {
        self.nodes.get(node).map(|node| node.config.address)
    }

    /// All nodes, by name.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeId> {
        self.nodes.keys()
    }

    /// Starts a node's process unless it runs.
    ///
    /// # Errors
    /// `Refused` with the system's words when it could not be started; `NotFound` when there is no such node.
    pub async fn start(&self, node: &NodeId) -> Result<ServiceState, BackendError> {
        self.order("start the service", node, Order::Start).await
    }

    /// Ends a node's process and leaves it so: SIGTERM, time to end, SIGKILL.
    ///
    /// # Errors
    /// `NotFound` when there is no such node.
    pub async fn stop(&self, node: &NodeId) -> Result<(), BackendError> {
        const OPERATION: &str = "stop the service";
        let (done, answer) = oneshot::channel();
        let found = self.node(OPERATION, node)?;
        found.orders.send(Order::Stop(done)).await.map_err(|_| ended(OPERATION))?;
        answer.await.map_err(|_| ended(OPERATION))
    }

    /// Ends every process, all at the same time. Nothing of the service runs afterwards, whatever the lifetime.
    pub async fn shutdown(&self) {
        let mut answers = Vec::new();
        for node in self.nodes.values() {
            let (done, answer) = oneshot::channel();
            if node.orders.send(Order::Stop(done)).await.is_ok() {
                answers.push(answer);
            }
        }
        for answer in answers {
            // An error means that its supervisor is gone; the process is then ended below.
            let _ = answer.await;
        }
        self.kill();
    }

    /// Kills every process at once, without a runtime; none can be started any more, whatever the lifetime.
    pub fn kill(&self) {
        self.nodes.values().for_each(Node::destroy);
    }

    /// Begins to take an artifact's bytes in, beside the place where they will be installed.
    pub(crate) async fn receive(
        &self,
        node: &NodeId,
        facts: FileFacts,
    ) -> Result<IncomingArtifact, BackendError> {
        let found = self.node("install the artifact", node)?;
        let turn = Arc::clone(&found.files).lock_owned().await;
        IncomingArtifact::begin(turn, &found.layout.target, facts).await
    }

    fn node(&self, operation: &str, node: &NodeId) -> Result<&Node, BackendError> {
        self.nodes.get(node).ok_or_else(|| unknown_node(operation, node))
    }

    async fn order(
        &self,
        operation: &'static str,
        node: &NodeId,
        order: impl FnOnce(oneshot::Sender<io::Result<ServiceState>>) -> Order + Send,
    ) -> Result<ServiceState, BackendError> {
        let (done, answer) = oneshot::channel();
        let found = self.node(operation, node)?;
        found.orders.send(order(done)).await.map_err(|_| ended(operation))?;
        let answer = answer.await.map_err(|_| ended(operation).outcome_is(CallOutcome::Unknown))?;
        answer.map_err(|error| {
            let text = format!("{} cannot be started", found.layout.target.display());
            unchanged(ErrorKind::Refused, operation, text)
                .outcome_is(CallOutcome::Applied)
                .with("node", node)
                .caused_by(error)
        })
    }
}

impl Node {
    fn open(config: NodeConfig, layout: Layout, all: &Arc<LocalNodesConfig>) -> Result<Self, LocalError> {
        let http = ask::client(&format!("http://{}", config.address))?;
        let slot = SharedSlot::open(&layout);
        let (orders, receiver) = mpsc::channel(16);
        let supervisor = Supervisor::new(slot.clone(), layout.clone(), config.clone(), Arc::clone(all));
        let task = tokio::spawn(supervisor.run(receiver));
        Ok(Self { config, layout, http, slot, orders, task, files: Arc::default() })
    }

    /// Kills the process at once; none can be started any more.
    fn destroy(&self) {
        let process = self.slot.lock().close();
        if let Some(process) = process {
            process.destroy();
            self.layout.forget();
        }
    }
}

impl Drop for LocalNodeRuntime {
    fn drop(&mut self) {
        for node in self.nodes.values() {
            node.task.abort();
            match self.config.lifetime {
                Lifetime::Bound => node.destroy(),
                // It is not waited for any more; the system takes it over when this program ends.
                Lifetime::Detached => drop(node.slot.lock().close()),
            }
        }
    }
}

impl fmt::Display for LocalNodeRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "processes below {}", self.config.root.display())
    }
}

#[async_trait]
impl NodeRuntime for LocalNodeRuntime {
    async fn installed(&self, node: &NodeId) -> Result<Installed, BackendError> {
        const OPERATION: &str = "read what is installed";
        let target = self.node(OPERATION, node)?.layout.target.clone();
        let unusable =
            |error| unchanged(ErrorKind::Refused, OPERATION, "the path is not usable").caused_by(error);
        let path = RemotePath::new(target.to_string_lossy()).map_err(unusable)?;
        let beside = path.with_suffix(".previous").map_err(unusable)?;
        let previous_path = PathBuf::from(beside.as_str());
        let read = move || Ok((files::facts(OPERATION, &target)?, files::facts(OPERATION, &previous_path)?));
        let (current, previous) = blocking(OPERATION, read).await?;
        Ok(Installed { path, current, previous: previous.map(|facts| RemoteFile { path: beside, facts }) })
    }

    async fn inspect(&self, node: &NodeId, path: &RemotePath) -> Result<Option<FileFacts>, BackendError> {
        const OPERATION: &str = "inspect the file";
        self.node(OPERATION, node)?;
        let path = PathBuf::from(path.as_str());
        blocking(OPERATION, move || files::facts(OPERATION, &path)).await
    }

    async fn install(&self, node: &NodeId, artifact: &Artifact) -> Result<InstallReport, BackendError> {
        const OPERATION: &str = "install the artifact";
        let found = self.node(OPERATION, node)?;
        // Held by the blocking part, which goes on when the caller does not wait for it.
        let turn = Arc::clone(&found.files).lock_owned().await;
        let (target, artifact) = (found.layout.target.clone(), artifact.clone());
        let work = move || {
            let _turn = turn;
            files::install(&target, &artifact)
        };
        blocking(OPERATION, work).await
    }

    async fn fetch(&self, node: &NodeId, path: &RemotePath, into: &Path) -> Result<FileFacts, BackendError> {
        const OPERATION: &str = "fetch the file";
        self.node(OPERATION, node)?;
        let (path, into) = (PathBuf::from(path.as_str()), into.to_owned());
        blocking(OPERATION, move || files::fetch(&path, &into)).await
    }

    async fn restart(&self, node: &NodeId) -> Result<ServiceState, BackendError> {
        self.order("restart the service", node, Order::Restart).await
    }

    async fn service(&self, node: &NodeId) -> Result<ServiceState, BackendError> {
        let found = self.node("read the service's state", node)?;
        Ok(found.slot.lock().state(&found.layout))
    }

    /// Asks at the node's own address; `check.port` is not used, as nodes of one host cannot share a port.
    async fn check(&self, node: &NodeId, check: &HealthCheck) -> Result<HealthReport, BackendError> {
        const OPERATION: &str = "check the service's health";
        ask::health(OPERATION, &self.node(OPERATION, node)?.http, check).await
    }

    async fn logs(&self, node: &NodeId, lines: u16) -> Result<Vec<String>, BackendError> {
        const OPERATION: &str = "read the service's log";
        let path = self.node(OPERATION, node)?.layout.log.clone();
        let read = move || {
            log::last_lines(&path, lines.into()).map_err(|error| file_failed(OPERATION, "read", &path, error))
        };
        blocking(OPERATION, read).await
    }
}

/// Runs file work aside from the tasks.
async fn blocking<T: Send + 'static>(
    operation: &'static str,
    work: impl FnOnce() -> Result<T, BackendError> + Send + 'static,
) -> Result<T, BackendError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(BackendError::new(ErrorKind::Other, BACKEND, operation, "it was broken off")
            .transient(RETRY_AFTER)
            .caused_by(error)),
    }
}

fn ended(operation: &str) -> BackendError {
    unchanged(ErrorKind::Unreachable, operation, "the runtime is shut down")
}

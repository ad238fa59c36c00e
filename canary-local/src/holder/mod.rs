//! A fleet that lives on between the commands of its clients.

mod config;
mod fleet;
mod saved;

use std::fmt;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use canary_core::fleet::{Artifact, NodeId};
use canary_core::traits::{ActiveState, BackendError, ErrorKind, NodeRuntime as _};
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use config::{HolderConfig, OnStop};
pub(crate) use fleet::Fleet;
use saved::SavedStates;

use crate::error::unchanged;
use crate::{Lifetime, LocalBalancer, LocalError, LocalNodeRuntime, control};

/// Nodes and a balancer, held for as long as this lives, and open to [`crate::LocalClient`]s through a control socket.
///
/// The socket is open to the holder's own user and to root, by its mode (0600) and by asking the system who connects.
/// A holder that is killed leaves its processes running; the next one with the same directory finds them, and puts no
/// server back that was drained: admin states and weights are on disk before they are in force.
#[derive(Debug)]
pub struct Holder {
    fleet: Arc<Fleet>,
    config: HolderConfig,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
}

impl Holder {
    /// Finds the processes that run, gives every node without a binary the first one, starts what does not run, and
    /// listens.
    ///
    /// A node whose process cannot be started stops nothing: see [`LocalNodeRuntime`]'s own state of it.
    ///
    /// # Errors
    /// [`LocalError`] when a setting cannot work, an address or the socket cannot be listened on, another holder has
    /// the directory, or a node has no binary and none is given for the first.
    pub async fn start(mut config: HolderConfig) -> Result<Self, LocalError> {
        config.check()?;
        config.nodes.lifetime = Lifetime::Detached;
        let nodes = LocalNodeRuntime::open(config.nodes.clone()).await?;
        let saved = SavedStates::open(&config.nodes.root)?;
        install_first(&nodes, &config).await?;
        let mut balancer = config.balancer.clone();
        for server in &mut balancer.servers {
            saved.put_into(server);
        }
        // All that can fail comes before the first process: an error leaves nothing running that did not run before.
        let balancer = LocalBalancer::start(balancer).await?;
        let listener = listen(&config.socket).await?;
        for node in &config.nodes.nodes {
            // How it went is the node's state, which every client can read.
            let _ = nodes.start(&node.node).await;
        }
        let fleet = Arc::new(Fleet::new(config.names(), nodes, balancer, saved));
        let (stop, stopped) = watch::channel(false);
        let server = tokio::spawn(control::serve(listener, Arc::clone(&fleet), stopped));
        Ok(Self { fleet, config, stop, server })
    }

    /// The nodes.
    #[must_use]
    pub fn nodes(&self) -> &LocalNodeRuntime {
        &self.fleet.nodes
    }

    /// The balancer. Changing it here instead of through a client is not remembered.
    #[must_use]
    pub fn balancer(&self) -> &LocalBalancer {
        self.fleet.balancer()
    }

    /// The nodes' names, in the order of the settings.
    #[must_use]
    pub fn names(&self) -> Vec<NodeId> {
        self.config.names()
    }

    /// The control socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.config.socket
    }

    /// Answers no more clients, lets requests in progress end within their deadline, and ends or leaves the processes,
    /// as [`HolderConfig::on_stop`] says.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        // Gone before anything else is: a client then finds nobody, and not somebody who is on the way out.
        let _ = std::fs::remove_file(&self.config.socket);
        // An error would be a panic in there; the listener is closed then as well.
        let _ = (&mut self.server).await;
        self.fleet.balancer().shutdown().await;
        match self.config.on_stop {
            OnStop::End => self.fleet.nodes.shutdown().await,
            OnStop::Keep => {}
        }
    }

    /// A way to do the same at once, also while [`Self::shutdown`] is under way.
    #[must_use]
    pub fn at_once(&self) -> AtOnce {
        AtOnce { fleet: Arc::clone(&self.fleet), on_stop: self.config.on_stop }
    }
}

/// Ends what a [`Holder`] holds without time for requests and processes.
#[derive(Debug)]
pub struct AtOnce {
    fleet: Arc<Fleet>,
    on_stop: OnStop,
}

impl AtOnce {
    /// Cuts all clients' connections, and kills the processes unless they are to be kept.
    pub fn end(self) {
        self.fleet.balancer().close();
        if self.on_stop == OnStop::End {
            self.fleet.nodes.kill();
        }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // What a program that forgets to shut down leaves is what a killed one leaves: processes.
        self.server.abort();
        self.fleet.balancer().close();
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} nodes behind {}", self.config.nodes.nodes.len(), self.balancer().url())
    }
}

/// Gives the nodes that have no binary the first one.
async fn install_first(nodes: &LocalNodeRuntime, config: &HolderConfig) -> Result<(), LocalError> {
    let mut first: Option<Artifact> = None;
    for node in &config.nodes.nodes {
        let node = &node.node;
        if nodes.installed(node).await?.current.is_some() {
            continue;
        }
        // What runs without a file in its place cannot be brought back; it is not ended for that.
        if nodes.service(node).await?.active == ActiveState::Active {
            continue;
        }
        let artifact = match &first {
            Some(artifact) => artifact,
            None => first.insert(read_first(node, config).await?),
        };
        nodes.install(node, artifact).await?;
    }
    Ok(())
}

async fn read_first(node: &NodeId, config: &HolderConfig) -> Result<Artifact, LocalError> {
    let Some(path) = config.first.clone() else {
        return Err(LocalError::Config(format!(
            "{node} has no binary yet, and no first one is named for it"
        )));
    };
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| -> BackendError {
        unchanged(ErrorKind::LocalIo, "read the first binary", error.to_string()).caused_by(error)
    };
    let read = tokio::task::spawn_blocking(move || Artifact::read(path)).await;
    Ok(read.map_err(|error| failed(error.into()))?.map_err(|error| failed(error.into()))?)
}

/// Listens on the control socket; one that nobody listens on any more is replaced.
async fn listen(path: &Path) -> Result<UnixListener, LocalError> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(LocalError::io("create", dir))?;
    }
    match std::fs::symlink_metadata(path) {
        Ok(meta) if !meta.file_type().is_socket() => {
            return Err(LocalError::Config(format!("{} is there and is no socket", path.display())));
        }
        Ok(_) => {
            if tokio::net::UnixStream::connect(path).await.is_ok() {
                return Err(LocalError::InUse(path.to_owned()));
            }
            std::fs::remove_file(path).map_err(LocalError::io("remove", path))?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(LocalError::io("look at", path)(error)),
    }
    let listener = UnixListener::bind(path).map_err(LocalError::io("listen on", path))?;
    // Whoever connected between the two is asked who it is all the same.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(LocalError::io("set the mode of", path))?;
    Ok(listener)
}

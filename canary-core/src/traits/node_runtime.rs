//! The node's role: hold a binary, run it as a service, answer for its health.

use std::fmt::{self, Debug, Display};
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::fleet::{Artifact, FileFacts, HttpPath, NodeId, RemotePath};
use crate::time::millis;
use crate::traits::BackendError;

/// A file found inside an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteFile {
    /// Where it lies.
    pub path: RemotePath,
    /// Its size and digest.
    pub facts: FileFacts,
}

/// What lies at and beside the install path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    /// The install path.
    pub path: RemotePath,
    /// The binary in place; `None` when there is none.
    pub current: Option<FileFacts>,
    /// The conventional `<path>.previous`; `None` when there is none.
    pub previous: Option<RemoteFile>,
}

/// What a service manager says of the unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActiveState {
    /// Running.
    Active,
    /// On its way up.
    Activating,
    /// On its way down.
    Deactivating,
    /// Stopped.
    Inactive,
    /// Stopped after a failure.
    Failed,
    /// A state with no meaning here (`reloading`, `maintenance`).
    Other,
}

impl Display for ActiveState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Active => "active",
            Self::Activating => "activating",
            Self::Deactivating => "deactivating",
            Self::Inactive => "inactive",
            Self::Failed => "failed",
            Self::Other => "other",
        })
    }
}

/// Whether the running process executes the file that lies at the install path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunningBinary {
    /// It does.
    InPlace,
    /// It runs a file that was replaced since: a restart is missing.
    Replaced,
    /// Nothing runs.
    None,
    /// Cannot be told (a wrapper script, no access to the process).
    Unknown,
}

/// The service's unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceState {
    /// What the service manager says.
    pub active: ActiveState,
    /// Its finer word, verbatim (`running`, `auto-restart`).
    pub detail: String,
    /// The main process, when there is one.
    pub pid: Option<u32>,
    /// Automatic restarts since the last start by hand (systemd's `NRestarts`).
    pub restarts: u64,
    /// Which file the process runs.
    pub running: RunningBinary,
}

/// One health check of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// The service's port on the node.
    pub port: u16,
    /// What is asked for with GET.
    pub path: HttpPath,
    /// How long one attempt may take.
    #[serde(rename = "attempt_timeout_ms", with = "millis")]
    pub attempt_timeout: Duration,
}

/// The answer to one health check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthReport {
    /// Whether the answer was HTTP 200.
    pub healthy: bool,
    /// The HTTP status, when there was one.
    pub status: Option<u16>,
    /// Why not, or a word on the answer; no secrets, at most 200 characters.
    pub detail: String,
    /// How it was asked (`curl in the instance`, `http://10.0.0.1:8080 from here`).
    pub via: String,
}

/// What an installation did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallReport {
    /// False when the same digest was in place already and nothing was written.
    pub changed: bool,
    /// What is in place now, read back from the node.
    pub facts: FileFacts,
}

/// Runs a service on nodes.
#[async_trait]
pub trait NodeRuntime: Display + Debug + Send + Sync + 'static {
    /// Reads what is installed. Changes nothing.
    ///
    /// # Errors
    /// `NotFound` when the node does not exist or does not run.
    async fn installed(&self, node: &NodeId) -> Result<Installed, BackendError>;

    /// Reads size and digest of a file on the node; `None` when there is no such file. Changes nothing.
    ///
    /// # Errors
    /// `NotFound` when the node does not exist; `Refused` when the path is not a regular file.
    async fn inspect(&self, node: &NodeId, path: &RemotePath) -> Result<Option<FileFacts>, BackendError>;

    /// Replaces the installed binary in one step: a reader sees the old file or the new one, whole, at every instant;
    /// mode and owner stay. Returns after the digest was read back on the node. Repeating it with the same artifact
    /// writes nothing and reports `changed: false`.
    ///
    /// # Errors
    /// Whatever happens, the file in place is the old or the new one, whole, and what was left beside it is removed
    /// here or by the next call. `Exhausted` when the node's disk is full; `Mismatch` when what arrived is not what
    /// was sent.
    async fn install(&self, node: &NodeId, artifact: &Artifact) -> Result<InstallReport, BackendError>;

    /// Copies a file of the node to `into` on the deploying host, through a temporary file beside it that is renamed
    /// when whole. Changes nothing on the node.
    ///
    /// # Errors
    /// `NotFound` when node or file do not exist, `LocalIo` when it cannot be written here.
    async fn fetch(&self, node: &NodeId, path: &RemotePath, into: &Path) -> Result<FileFacts, BackendError>;

    /// Restarts the service and returns when the service manager has done so, with the state right after.
    /// Repeating it restarts again.
    ///
    /// # Errors
    /// `Refused` with the service manager's words when it could not be started.
    async fn restart(&self, node: &NodeId) -> Result<ServiceState, BackendError>;

    /// Reads the service's state. Changes nothing.
    ///
    /// # Errors
    /// `NotFound` when node or unit do not exist.
    async fn service(&self, node: &NodeId) -> Result<ServiceState, BackendError>;

    /// Asks the service for its health, once, from as near to it as possible.
    ///
    /// # Errors
    /// Only where no attempt could be made. A refused connection, a timeout or a bad status is a report with
    /// `healthy: false`.
    async fn check(&self, node: &NodeId, check: &HealthCheck) -> Result<HealthReport, BackendError>;

    /// The service's last log lines, oldest first, each cut to a readable length.
    ///
    /// # Errors
    /// As [`Self::service`].
    async fn logs(&self, node: &NodeId, lines: u16) -> Result<Vec<String>, BackendError>;
}

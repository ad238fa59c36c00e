//! What goes wrong here, as backend errors and as errors of setting up.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use canary_core::fleet::NodeId;
use canary_core::traits::{BackendError, CallOutcome, ErrorKind};

/// The name of this backend in errors.
pub(crate) const BACKEND: &str = "local";

/// The shortest useful delay before asking again.
pub(crate) const RETRY_AFTER: Duration = Duration::from_millis(200);

/// Says why nodes, a balancer or a sandbox could not be brought up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    /// A setting contradicts itself.
    #[error("{0}")]
    Config(String),
    /// The operating system said no.
    #[error("cannot {action} {path}", path = path.display())]
    Io {
        /// What was tried (`create`).
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
    /// Another process works with the same directory.
    #[error("{path} is in use by another process", path = .0.display())]
    InUse(PathBuf),
    /// The balancer's address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's words.
        #[source]
        source: io::Error,
    },
    /// A backend refused.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// A node's process cannot run.
    #[error("{node} cannot run: {seen}")]
    Down {
        /// The node.
        node: NodeId,
        /// How its service stands, and the last line of its log.
        seen: String,
    },
    /// Something did not come true in time.
    #[error("{what} within {limit:?}; seen last: {seen}")]
    TimedOut {
        /// What was waited for, as a sentence that failed (`node-1 was not healthy`).
        what: String,
        /// What was seen last.
        seen: String,
        /// For how long it was waited.
        limit: Duration,
    },
}

impl LocalError {
    /// An error of the operating system about a path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

/// An error after which nothing has changed.
pub(crate) fn unchanged(kind: ErrorKind, operation: &str, message: impl Into<String>) -> BackendError {
    BackendError::new(kind, BACKEND, operation, message).outcome_is(CallOutcome::NotApplied)
}

/// An error of the operating system about a file, after which nothing has changed.
pub(crate) fn file_failed(operation: &str, action: &str, path: &Path, source: io::Error) -> BackendError {
    let kind = match source.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied => ErrorKind::Unauthorised,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Exhausted,
        _ => ErrorKind::LocalIo,
    };
    unchanged(kind, operation, format!("cannot {action} {}", path.display())).caused_by(source)
}

/// There is no such node or server.
pub(crate) fn unknown_node(operation: &str, node: &NodeId) -> BackendError {
    unchanged(ErrorKind::NotFound, operation, format!("there is no node {node}"))
}

/// At most `max` characters of `text`, control characters as blanks.
pub(crate) fn clean(text: &str, max: usize) -> String {
    let mut out: String = text.chars().take(max).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(max).is_some() {
        out.push('…');
    }
    out
}

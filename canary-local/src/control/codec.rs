//! What goes over the control socket, as types; no I/O.

use std::time::Duration;

use canary_core::fleet::{FileFacts, NodeId, PoolName, RemotePath};
use canary_core::traits::{AdminState, BackendError, CallOutcome, ErrorKind, HealthCheck, Retry, Weight};
use serde::{Deserialize, Serialize};

use crate::error::BACKEND;

/// The longest message of an error that is passed on, in characters.
const MESSAGE: usize = 2000;

/// What a holder says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HolderFacts {
    /// The version of the program's crate (`0.1.0`).
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// The pool that its balancer fronts.
    pub pool: PoolName,
    /// Where clients come in.
    pub url: String,
    /// Its nodes, in the order of its settings.
    pub nodes: Vec<NodeId>,
}

/// One question or order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Call {
    About,
    Servers,
    SetAdmin { node: NodeId, state: AdminState },
    SetWeight { node: NodeId, weight: Weight },
    CloseSessions { node: NodeId },
    CheckThrough { check: HealthCheck },
    Installed { node: NodeId },
    Inspect { node: NodeId, path: RemotePath },
    Restart { node: NodeId },
    Service { node: NodeId },
    Check { node: NodeId, check: HealthCheck },
    Logs { node: NodeId, lines: u16 },
}

/// A file that is to be copied out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileOf {
    pub(crate) node: NodeId,
    pub(crate) path: RemotePath,
}

/// What a request asks for, by method and path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    Call,
    Fetch,
    Install {
        node: NodeId,
        facts: FileFacts,
    },
    /// Another version's path.
    OtherVersion,
    Unknown,
}

impl Route {
    /// Reads method and path.
    pub(crate) fn of(method: &str, path: &str) -> Self {
        let mut parts = path.trim_start_matches('/').split('/');
        let version = parts.next().unwrap_or_default();
        if version.strip_prefix('v').and_then(|number| number.parse::<u32>().ok()) != Some(super::VERSION) {
            return Self::OtherVersion;
        }
        let rest: Vec<&str> = parts.collect();
        match (method, rest.as_slice()) {
            ("POST", ["call"]) => Self::Call,
            ("POST", ["fetch"]) => Self::Fetch,
            ("PUT", ["install", node, sha256, size]) => {
                match (NodeId::new(node), sha256.parse(), size.parse()) {
                    (Ok(node), Ok(sha256), Ok(size)) => {
                        Self::Install { node, facts: FileFacts { sha256, size } }
                    }
                    _ => Self::Unknown,
                }
            }
            _ => Self::Unknown,
        }
    }

    /// The path of an installation.
    pub(crate) fn install(node: &NodeId, facts: &FileFacts) -> String {
        format!("/v{}/install/{node}/{}/{}", super::VERSION, facts.sha256, facts.size)
    }
}

/// A backend's error on its way to the client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    kind: String,
    outcome: String,
    /// Present when later may help.
    retry_after_ms: Option<u64>,
    operation: String,
    message: String,
}

const KINDS: [ErrorKind; 11] = [
    ErrorKind::NotFound,
    ErrorKind::Refused,
    ErrorKind::Unauthorised,
    ErrorKind::Unsupported,
    ErrorKind::TimedOut,
    ErrorKind::Unreachable,
    ErrorKind::Protocol,
    ErrorKind::Mismatch,
    ErrorKind::Exhausted,
    ErrorKind::LocalIo,
    ErrorKind::Other,
];

impl Refusal {
    pub(crate) fn of(error: &BackendError) -> Self {
        // Context and causes stand in the chain; what the other side adds again is taken off.
        let chain = error.chain();
        let head = format!("{}: {}: {}", error.backend(), error.operation(), error.kind().as_str());
        let message = chain.strip_prefix(&head).unwrap_or(&chain).trim_start_matches(": ");
        Self {
            kind: error.kind().as_str().to_owned(),
            outcome: match error.outcome() {
                CallOutcome::NotApplied => "not_applied",
                CallOutcome::Applied => "applied",
                CallOutcome::Unknown => "unknown",
            }
            .to_owned(),
            retry_after_ms: match error.retry() {
                Retry::Permanent => None,
                Retry::Transient { after } => Some(u64::try_from(after.as_millis()).unwrap_or(u64::MAX)),
            },
            operation: error.operation().to_owned(),
            message: message.chars().take(MESSAGE).collect(),
        }
    }

    /// The same error on this side; words that are not known are the safe ones.
    pub(crate) fn into_error(self) -> BackendError {
        let kind = KINDS.into_iter().find(|kind| kind.as_str() == self.kind).unwrap_or(ErrorKind::Other);
        let outcome = match self.outcome.as_str() {
            "not_applied" => CallOutcome::NotApplied,
            "applied" => CallOutcome::Applied,
            _ => CallOutcome::Unknown,
        };
        let error = BackendError::new(kind, BACKEND, self.operation, self.message).outcome_is(outcome);
        match self.retry_after_ms {
            Some(after) => error.transient(Duration::from_millis(after)),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests;

//! The balancer's and the nodes' role, played by a holder elsewhere.

use std::path::Path;

use async_trait::async_trait;
use canary_core::fleet::{Artifact, FileFacts, NodeId, RemotePath};
use canary_core::traits::{
    AdminState, BackendError, CallOutcome, ErrorKind, HealthCheck, HealthReport, InstallReport, Installed,
    LbCapabilities, LoadBalancer, NodeRuntime, PoolState, ServiceState, Weight,
};
use canary_http::{Method, Reply, reader_body};
use tokio::io::AsyncWriteExt as _;

use super::client::{COPY, LOOK, LocalClient, READ, checked};
use super::codec::Route;
use super::{Call, FileOf, SHA256_HEADER, SIZE_HEADER, VERSION};
use crate::error::{RETRY_AFTER, file_failed, unchanged};
use crate::nodes::files;

/// No file that is fetched is longer.
const MAX_FILE: u64 = 16 * 1024 * 1024 * 1024;

#[async_trait]
impl LoadBalancer for LocalClient {
    fn capabilities(&self) -> LbCapabilities {
        LbCapabilities { weights: true, close_sessions: true, check_through: true }
    }

    async fn servers(&self) -> Result<PoolState, BackendError> {
        self.call("read the pool", &Call::Servers, LOOK).await
    }

    async fn set_admin(&self, node: &NodeId, state: AdminState) -> Result<PoolState, BackendError> {
        self.call("set the admin state", &Call::SetAdmin { node: node.clone(), state }, LOOK).await
    }

    async fn set_weight(&self, node: &NodeId, weight: Weight) -> Result<(), BackendError> {
        self.call("set the weight", &Call::SetWeight { node: node.clone(), weight }, LOOK).await
    }

    async fn close_sessions(&self, node: &NodeId) -> Result<(), BackendError> {
        self.call("close the sessions", &Call::CloseSessions { node: node.clone() }, LOOK).await
    }

    async fn check_through(&self, check: &HealthCheck) -> Result<HealthReport, BackendError> {
        let deadline = check.attempt_timeout + LOOK;
        self.call("check through the balancer", &Call::CheckThrough { check: check.clone() }, deadline).await
    }
}

#[async_trait]
impl NodeRuntime for LocalClient {
    async fn installed(&self, node: &NodeId) -> Result<Installed, BackendError> {
        self.call("read what is installed", &Call::Installed { node: node.clone() }, READ).await
    }

    async fn inspect(&self, node: &NodeId, path: &RemotePath) -> Result<Option<FileFacts>, BackendError> {
        self.call("inspect the file", &Call::Inspect { node: node.clone(), path: path.clone() }, READ).await
    }

    /// Sends the bytes: the holder opens no path of this side, which may belong to another user.
    async fn install(&self, node: &NodeId, artifact: &Artifact) -> Result<InstallReport, BackendError> {
        const OPERATION: &str = "install the artifact";
        if self.installed(node).await?.current == Some(artifact.facts) {
            return Ok(InstallReport { changed: false, facts: artifact.facts });
        }
        let opened = tokio::fs::File::open(&artifact.path).await;
        let file = opened.map_err(|error| file_failed(OPERATION, "read", &artifact.path, error))?;
        let body = reader_body(file, artifact.facts.size);
        let request = self.request(Method::PUT, &Route::install(node, &artifact.facts), COPY).body(body);
        self.answer(OPERATION, request).await?.json(OPERATION)
    }

    /// Takes the bytes in: the file is written by this side, as its user.
    async fn fetch(&self, node: &NodeId, path: &RemotePath, into: &Path) -> Result<FileFacts, BackendError> {
        const OPERATION: &str = "fetch the file";
        let beside = files::beside(into);
        let fetched = self.fetch_beside(OPERATION, node, path, &beside).await;
        let renamed = match fetched {
            Ok(facts) => tokio::fs::rename(&beside, into)
                .await
                .map(|()| facts)
                .map_err(|error| files::local(OPERATION, file_failed(OPERATION, "replace", into, error))),
            Err(error) => Err(error),
        };
        if renamed.is_err() {
            // What is left is not whole; the next call writes over it.
            let _ = tokio::fs::remove_file(&beside).await;
        }
        renamed
    }

    async fn restart(&self, node: &NodeId) -> Result<ServiceState, BackendError> {
        self.call("restart the service", &Call::Restart { node: node.clone() }, self.restart).await
    }

    async fn service(&self, node: &NodeId) -> Result<ServiceState, BackendError> {
        self.call("read the service's state", &Call::Service { node: node.clone() }, LOOK).await
    }

    async fn check(&self, node: &NodeId, check: &HealthCheck) -> Result<HealthReport, BackendError> {
        let deadline = check.attempt_timeout + LOOK;
        let call = Call::Check { node: node.clone(), check: check.clone() };
        self.call("check the service's health", &call, deadline).await
    }

    async fn logs(&self, node: &NodeId, lines: u16) -> Result<Vec<String>, BackendError> {
        self.call("read the service's log", &Call::Logs { node: node.clone(), lines }, LOOK).await
    }
}

impl LocalClient {
    async fn fetch_beside(
        &self,
        operation: &'static str,
        node: &NodeId,
        path: &RemotePath,
        beside: &Path,
    ) -> Result<FileFacts, BackendError> {
        let here = |error| files::local(operation, file_failed(operation, "write", beside, error));
        let mut file = tokio::fs::File::create(beside).await.map_err(here)?;
        let asked = FileOf { node: node.clone(), path: path.clone() };
        let request = self.request(Method::POST, &format!("/v{VERSION}/fetch"), COPY).json(&asked);
        let download = self.http().download(operation, request, &mut file, MAX_FILE).await;
        let download = download.map_err(|error| self.closed(error).outcome_is(CallOutcome::NotApplied))?;
        let reply = checked(operation, download.reply)?;
        file.flush().await.map_err(here)?;
        file.sync_all().await.map_err(here)?;
        let announced = announced(operation, &reply)?;
        let path = beside.to_owned();
        let found = tokio::task::spawn_blocking(move || files::facts(operation, &path)).await;
        let found = found.map_err(|error| {
            unchanged(ErrorKind::Other, operation, "it was broken off").caused_by(error)
        })??;
        if found == Some(announced) {
            return Ok(announced);
        }
        let text = format!("what arrived of {path} is not the file that was sent", path = asked.path);
        Err(unchanged(ErrorKind::Mismatch, operation, text).transient(RETRY_AFTER))
    }
}

/// Size and digest of the file that is sent.
fn announced(operation: &str, reply: &Reply) -> Result<FileFacts, BackendError> {
    let value = |name| reply.headers.get(name).and_then(|value| value.to_str().ok());
    let sha256 = value(SHA256_HEADER).and_then(|text| text.parse().ok());
    let size = value(SIZE_HEADER).and_then(|text| text.parse().ok());
    match (sha256, size) {
        (Some(sha256), Some(size)) => Ok(FileFacts { sha256, size }),
        _ => Err(reply.error(ErrorKind::Protocol, operation, "the answer tells no size and digest")),
    }
}

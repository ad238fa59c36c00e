//! The world's nodes.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use canary_core::fleet::{Artifact, ArtifactError, Digest, FileFacts, NodeId, RemotePath};
use canary_core::traits::{
    BackendError, ErrorKind, HealthCheck, HealthReport, InstallReport, Installed, NodeRuntime, RemoteFile,
    ServiceState,
};

use super::{Happening, State, World, unchanged};

const PREVIOUS: &str = ".previous";

impl State {
    fn facts(&self, digest: Digest) -> FileFacts {
        let size = self.binaries.get(&digest).map_or(0, |(bytes, _)| bytes.len() as u64);
        FileFacts { sha256: digest, size }
    }

    /// What lies at a path: a file, nothing, or the directory that files lie in.
    fn file(&self, i: usize, path: &RemotePath, operation: &str) -> Result<Option<Digest>, BackendError> {
        let target = self.config.path.as_str();
        let directory = target.rsplit_once('/').map_or("", |(directory, _)| directory);
        if path.as_str() == target {
            return Ok(self.nodes[i].installed);
        }
        if path.as_str().strip_prefix(target) == Some(PREVIOUS) {
            return Ok(self.nodes[i].previous);
        }
        if directory == path.as_str() || directory.starts_with(&format!("{path}/")) {
            return Err(unchanged(ErrorKind::Refused, operation, format!("{path} is not a regular file")));
        }
        Ok(None)
    }

    /// A strict world refuses to change a node that takes requests.
    fn not_serving(&self, i: usize, operation: &str) -> Result<bool, BackendError> {
        let serving = self.servers[i].serving();
        if serving && !self.config.change_while_serving {
            return Err(unchanged(ErrorKind::Refused, operation, "the balancer sends it requests"));
        }
        Ok(serving)
    }
}

/// Reads the artifact as a real transfer would; blocking, but small.
fn read_whole(artifact: &Artifact) -> Result<Vec<u8>, BackendError> {
    let refused = |error: ArtifactError| {
        let kind = match error {
            ArtifactError::Changed { .. } => ErrorKind::Mismatch,
            _ => ErrorKind::LocalIo,
        };
        unchanged(kind, "install", error.to_string()).caused_by(error)
    };
    artifact.verify().map_err(refused)?;
    std::fs::read(&artifact.path)
        .map_err(|e| unchanged(ErrorKind::LocalIo, "install", e.to_string()).caused_by(e))
}

#[async_trait]
impl NodeRuntime for World {
    async fn installed(&self, node: &NodeId) -> Result<Installed, BackendError> {
        let state = self.called();
        let i = state.index(node, "read what is installed")?;
        let path = state.config.path.clone();
        let previous = state.nodes[i].previous.and_then(|digest| {
            let path = path.with_suffix(PREVIOUS).ok()?;
            Some(RemoteFile { path, facts: state.facts(digest) })
        });
        let current = state.nodes[i].installed.map(|digest| state.facts(digest));
        Ok(Installed { path, current, previous })
    }

    async fn inspect(&self, node: &NodeId, path: &RemotePath) -> Result<Option<FileFacts>, BackendError> {
        let state = self.called();
        let i = state.index(node, "look at a file")?;
        Ok(state.file(i, path, "look at a file")?.map(|digest| state.facts(digest)))
    }

    async fn install(&self, node: &NodeId, artifact: &Artifact) -> Result<InstallReport, BackendError> {
        let (verify, digest) = (self.state().config.verify_artifacts, artifact.facts.sha256);
        let bytes = if verify { Some(read_whole(artifact)?) } else { None };
        let mut state = self.called();
        let i = state.index(node, "install")?;
        if state.nodes[i].installed == Some(digest) {
            return Ok(InstallReport { changed: false, facts: state.facts(digest) });
        }
        let serving = state.not_serving(i, "install")?;
        if state.nodes[i].disk_free < artifact.facts.size {
            return Err(unchanged(ErrorKind::Exhausted, "install", "no space left on device"));
        }
        if let Some(bytes) = bytes {
            let behaviour = super::Behaviour::good();
            state.binaries.entry(digest).or_insert_with(|| (Arc::from(bytes), behaviour));
        }
        let before = state.nodes[i].installed.replace(digest);
        state.happened(Happening::Installed { node: node.clone(), before, digest, serving });
        Ok(InstallReport { changed: true, facts: state.facts(digest) })
    }

    async fn fetch(&self, node: &NodeId, path: &RemotePath, into: &Path) -> Result<FileFacts, BackendError> {
        let (facts, bytes) = {
            let state = self.called();
            let i = state.index(node, "fetch")?;
            let missing = || unchanged(ErrorKind::NotFound, "fetch", format!("there is no {path}"));
            let digest = state.file(i, path, "fetch")?.ok_or_else(missing)?;
            let (bytes, _) = state.binaries.get(&digest).ok_or_else(missing)?;
            (state.facts(digest), Arc::clone(bytes))
        };
        let partial = into.with_extension("partial");
        let failed = |e: std::io::Error| unchanged(ErrorKind::LocalIo, "fetch", e.to_string()).caused_by(e);
        std::fs::write(&partial, &bytes).map_err(failed)?;
        std::fs::rename(&partial, into).map_err(failed)?;
        Ok(facts)
    }

    async fn restart(&self, node: &NodeId) -> Result<ServiceState, BackendError> {
        let mut state = self.called();
        let i = state.index(node, "restart")?;
        let serving = state.not_serving(i, "restart")?;
        let digest = state.nodes[i].installed;
        let (now_ms, behaviour) = (state.now_ms, state.behaviour(digest));
        if digest.is_none() {
            return Err(unchanged(ErrorKind::Refused, "restart", "nothing is installed"));
        }
        let lost = state.servers[i].sessions(now_ms, &state.config.load, state.serving());
        state.servers[i].long_requests.clear();
        state.nodes[i].start(now_ms, behaviour);
        state.note_spread();
        state.happened(Happening::Restarted { node: node.clone(), digest, serving, lost });
        Ok(state.nodes[i].service(now_ms))
    }

    async fn service(&self, node: &NodeId) -> Result<ServiceState, BackendError> {
        let state = self.called();
        let i = state.index(node, "read the service")?;
        Ok(state.nodes[i].service(state.now_ms))
    }

    async fn check(&self, node: &NodeId, check: &HealthCheck) -> Result<HealthReport, BackendError> {
        let mut state = self.called();
        let i = state.index(node, "check health")?;
        if check.path != state.config.health {
            let (status, via) = (Some(404), "the world".to_owned());
            return Ok(HealthReport { healthy: false, status, detail: "404".to_owned(), via });
        }
        let healthy = state.nodes[i].healthy_at(state.now_ms);
        state.happened(Happening::Answered { node: node.clone(), healthy });
        let running = state.nodes[i].running.is_some() && !state.nodes[i].behaviour.crashes;
        let (status, detail) = match (healthy, running) {
            (true, _) => (Some(200), "200"),
            (false, true) => (Some(503), "503"),
            (false, false) => (None, "connection refused"),
        };
        Ok(HealthReport { healthy, status, detail: detail.to_owned(), via: "the world".to_owned() })
    }

    async fn logs(&self, node: &NodeId, lines: u16) -> Result<Vec<String>, BackendError> {
        let state = self.called();
        let i = state.index(node, "read the log")?;
        let pid = state.nodes[i].pid;
        let all = [format!("process {pid} starts"), format!("process {pid} listens")];
        Ok(all.into_iter().rev().take(lines.into()).rev().collect())
    }
}

//! Finding the last-known-good binary, in the runbook's order.

use std::path::PathBuf;

use super::Backends;
use crate::fleet::{Artifact, ArtifactError, Digest, NodeId, RemotePath, Snapshot};
use crate::plan::{Origin, WayBack};

/// Where to look, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WayBackSearch {
    /// The path the operator named (`ROLLBACK_BINARY`): looked for on this host, then on the nodes.
    pub named: Option<String>,
    /// The conventional file on this host (`<install path>.previous`).
    pub on_host: Option<PathBuf>,
    /// The release: never its own way back.
    pub release: Option<Digest>,
    /// The nodes, canary first.
    pub nodes: Vec<NodeId>,
}

/// Why no way back was found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WayBackError {
    /// The operator named a file that is nowhere.
    #[error("{path} is neither on this host nor in {nodes}")]
    NotFound {
        /// The file.
        path: String,
        /// Where it was looked for.
        nodes: String,
    },
    /// The operator named a file that cannot be used.
    #[error("{path} cannot be used")]
    Unusable {
        /// The file.
        path: String,
        /// Why not.
        #[source]
        source: ArtifactError,
    },
    /// A node could not be asked.
    #[error("cannot look for it on {node}: {why}")]
    Backend {
        /// The node.
        node: NodeId,
        /// The error, whole.
        why: String,
    },
}

impl Backends {
    /// Looks for the last-known-good binary: the file the operator named (here, then on each node), else
    /// `.previous` on a node, else on this host, else the binary that a node is running. Reads only.
    ///
    /// What the operator named is taken as it is, so that a mistake is seen; the rest must differ from the release.
    ///
    /// # Errors
    /// [`WayBackError`] when a named file is nowhere or cannot be used, or a node cannot be asked.
    pub async fn find_way_back(
        &self,
        search: &WayBackSearch,
        snapshot: &Snapshot,
    ) -> Result<Option<WayBack>, WayBackError> {
        if let Some(named) = &search.named {
            return self.find_named(named, search).await.map(Some);
        }
        let other = |digest: Digest| Some(digest) != search.release;
        for node in &search.nodes {
            let previous = snapshot.nodes.get(node).and_then(|seen| seen.installed.previous.clone());
            if let Some(file) = previous.filter(|file| other(file.facts.sha256)) {
                let origin = Origin::Instance { node: node.clone(), path: file.path };
                return Ok(Some(WayBack { origin, facts: file.facts }));
            }
        }
        if let Some(path) = search.on_host.as_ref().filter(|path| path.is_file())
            && let Ok(artifact) = Artifact::read(path)
            && other(artifact.facts.sha256)
        {
            return Ok(Some(WayBack { origin: Origin::Host { path: path.clone() }, facts: artifact.facts }));
        }
        for node in &search.nodes {
            let Some(seen) = snapshot.nodes.get(node) else { continue };
            if let Some(facts) = seen.installed.current.filter(|facts| other(facts.sha256)) {
                let origin = Origin::Instance { node: node.clone(), path: seen.installed.path.clone() };
                return Ok(Some(WayBack { origin, facts }));
            }
        }
        Ok(None)
    }

    async fn find_named(&self, named: &str, search: &WayBackSearch) -> Result<WayBack, WayBackError> {
        let path = PathBuf::from(named);
        if path.exists() {
            let unusable = |source| WayBackError::Unusable { path: named.to_owned(), source };
            let artifact = Artifact::read(&path).map_err(unusable)?;
            return Ok(WayBack { origin: Origin::Host { path }, facts: artifact.facts });
        }
        if let Ok(remote) = RemotePath::new(named) {
            for node in &search.nodes {
                let found = self.nodes.inspect(node, &remote).await;
                let failed = |e: crate::traits::BackendError| WayBackError::Backend {
                    node: node.clone(),
                    why: e.chain(),
                };
                if let Some(facts) = found.map_err(failed)? {
                    return Ok(WayBack {
                        origin: Origin::Instance { node: node.clone(), path: remote },
                        facts,
                    });
                }
            }
        }
        let nodes: Vec<_> = search.nodes.iter().map(NodeId::as_str).collect();
        Err(WayBackError::NotFound { path: named.to_owned(), nodes: nodes.join(", ") })
    }
}

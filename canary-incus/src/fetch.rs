//! Copying a file of an instance out.

use std::path::{Path, PathBuf};

use canary_core::fleet::{Artifact, ArtifactError, FileFacts, NodeId, RemotePath};
use canary_core::traits::{BackendError, CallOutcome, ErrorKind};
use tokio::io::AsyncWriteExt as _;

use crate::client::IncusClient;
use crate::error::{RETRY_AFTER, unchanged};
use crate::exec::run_id;

const OPERATION: &str = "fetch the file";

impl IncusClient {
    /// Copies `path` to `into`, as [`NodeRuntime::fetch`](canary_core::traits::NodeRuntime::fetch) says; `expected` is what it must be.
    pub(crate) async fn fetch(
        &self,
        node: &NodeId,
        path: &RemotePath,
        expected: FileFacts,
        into: &Path,
    ) -> Result<FileFacts, BackendError> {
        let partial = Partial::beside(into)?;
        self.pull_into(node, path, &partial.0)
            .await
            .map_err(|error| error.outcome_is(CallOutcome::NotApplied))?;
        let found = facts_of(&partial.0).await?;
        if found != expected {
            let text = format!(
                "what arrived has digest {} and {} bytes, there it has {} and {} bytes",
                found.sha256, found.size, expected.sha256, expected.size
            );
            let error = unchanged(ErrorKind::Mismatch, OPERATION, text).transient(RETRY_AFTER);
            return Err(error.with("node", node).with("path", path));
        }
        partial.rename(into).await.map_err(|error| local(into, error))?;
        Ok(found)
    }

    async fn pull_into(&self, node: &NodeId, path: &RemotePath, partial: &Path) -> Result<(), BackendError> {
        let mut incoming = self.pull(node, OPERATION, path).await?;
        let kind = incoming.headers.get("x-incus-type").and_then(|value| value.to_str().ok());
        if kind != Some("file") {
            let text = format!("the server calls it {:?}, not a file", kind.unwrap_or("nothing"));
            return Err(unchanged(ErrorKind::Refused, OPERATION, text).with("node", node).with("path", path));
        }
        let failed = |error| local(partial, error);
        let mut file = tokio::fs::File::create_new(partial).await.map_err(failed)?;
        while let Some(chunk) = incoming.chunk().await? {
            file.write_all(&chunk).await.map_err(failed)?;
        }
        file.flush().await.map_err(failed)?;
        file.sync_all().await.map_err(failed)
    }
}

/// A file being written beside its final place; removed unless renamed.
struct Partial(PathBuf);

impl Partial {
    fn beside(into: &Path) -> Result<Self, BackendError> {
        let Some(name) = into.file_name() else {
            let text = format!("{} does not name a file", into.display());
            return Err(unchanged(ErrorKind::LocalIo, OPERATION, text));
        };
        let mut partial = std::ffi::OsString::from(".");
        partial.push(name);
        partial.push(format!(".partial-{}", run_id(OPERATION)?));
        Ok(Self(into.with_file_name(partial)))
    }

    async fn rename(&self, into: &Path) -> std::io::Result<()> {
        tokio::fs::rename(&self.0, into).await?;
        // The name is in the directory, which is written to disk on its own.
        let dir = match into.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => dir,
            _ => Path::new("."),
        };
        tokio::fs::File::open(dir).await?.sync_all().await
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Gone after a rename; and a file that cannot be removed is no reason to fail twice.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Reads back what was written.
async fn facts_of(path: &Path) -> Result<FileFacts, BackendError> {
    let owned = path.to_owned();
    let read = tokio::task::spawn_blocking(move || Artifact::read(owned)).await;
    let error: Box<dyn std::error::Error + Send + Sync> = match read {
        Ok(Ok(artifact)) => return Ok(artifact.facts),
        Ok(Err(ArtifactError::Empty(_))) => {
            return Err(unchanged(ErrorKind::Refused, OPERATION, "the file is empty"));
        }
        Ok(Err(error)) => error.into(),
        Err(error) => error.into(),
    };
    Err(unchanged(ErrorKind::LocalIo, OPERATION, "what was written cannot be read back").caused_by(error))
}

/// A file here that cannot be written.
fn local(path: &Path, error: std::io::Error) -> BackendError {
    let kind = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ErrorKind::Exhausted,
        _ => ErrorKind::LocalIo,
    };
    unchanged(kind, OPERATION, format!("cannot write {}", path.display())).caused_by(error)
}

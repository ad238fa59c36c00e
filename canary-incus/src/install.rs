//! Replacing the binary: push beside it, verify there, rename over it.
//!
//! A push straight onto a running executable fails ("text file busy"), and one onto a stopped one would leave a torn
//! file behind when it breaks off.

use canary_core::fleet::{Artifact, ArtifactError, Digest, FileFacts, NodeId, RemotePath};
use canary_core::traits::{BackendError, CallOutcome, ErrorKind, InstallReport};

use crate::client::IncusClient;
use crate::error::{RETRY_AFTER, no_space, quote, unchanged, unknown};
use crate::exec::ExecOutput;
use crate::files::{self, Committed, Lies, Prepared};
use crate::scripts;

const OPERATION: &str = "install the artifact";

impl IncusClient {
    /// Puts `artifact` in place at `target`, as [`NodeRuntime::install`](canary_core::traits::NodeRuntime::install) says.
    pub(crate) async fn install(
        &self,
        node: &NodeId,
        target: &RemotePath,
        artifact: &Artifact,
    ) -> Result<InstallReport, BackendError> {
        let file = open_unchanged(artifact).await?;
        let prepared = self.prepare(node, target, &artifact.facts).await;
        if prepared.map_err(|error| error.outcome_is(CallOutcome::NotApplied))? == Place::Done {
            return Ok(InstallReport { changed: false, facts: artifact.facts });
        }
        let beside = beside(target, &artifact.facts.sha256)?;
        let body = canary_http::reader_body(file, artifact.facts.size);
        if let Err(error) = self.push(node, OPERATION, &beside, body).await {
            let error = self.removed(node, &beside, error).await;
            // Only now, when something went wrong, is the local file worth reading once more.
            unchanged_since(artifact).await?;
            return Err(error);
        }
        let facts = self.commit(node, target, &beside, artifact).await?;
        Ok(InstallReport { changed: true, facts })
    }

    /// Clears leftovers and checks that the file can be put there; the target stays as it is.
    async fn prepare(
        &self,
        node: &NodeId,
        target: &RemotePath,
        wanted: &FileFacts,
    ) -> Result<Place, BackendError> {
        let size = wanted.size;
        let arguments = [target.as_str(), &size.to_string()];
        let output = self.script(node, OPERATION, scripts::PREPARE, &arguments, self.timeouts().exec).await?;
        let refuse = |kind, text: String| {
            Err(unchanged(kind, OPERATION, text).with("node", node).with("path", target))
        };
        if output.code != 0 {
            return Err(script_failed(OPERATION, node, &output));
        }
        let (there, free) = match files::prepared(&output.stdout_text()) {
            Some(Prepared::Ready(there, free)) => (there, free),
            Some(Prepared::NoDirectory) => {
                return refuse(ErrorKind::NotFound, "its directory does not exist there".to_owned());
            }
            None => return Err(unreadable(OPERATION, node, &output)),
        };
        if let Err(what) = there.replaceable() {
            return refuse(ErrorKind::Refused, format!("what lies there is {what}"));
        }
        if there == (Lies::File { size, sha256: Some(wanted.sha256) }) {
            return Ok(Place::Done);
        }
        match free {
            Some(free) if free < size => {
                let text = format!(
                    "no space left on device: {size} bytes are needed beside the file in place, {free} are free"
                );
                refuse(ErrorKind::Exhausted, text)
            }
            _ => Ok(Place::Free),
        }
    }

    /// Verifies what was pushed and renames it over the target.
    async fn commit(
        &self,
        node: &NodeId,
        target: &RemotePath,
        beside: &RemotePath,
        artifact: &Artifact,
    ) -> Result<FileFacts, BackendError> {
        let expected = artifact.facts.sha256.to_string();
        let arguments = [target.as_str(), beside.as_str(), &expected];
        let output = self.script(node, OPERATION, scripts::COMMIT, &arguments, self.timeouts().exec).await?;
        if output.code != 0 {
            return Err(script_failed(OPERATION, node, &output).with("path", target));
        }
        match files::committed(&output.stdout_text()) {
            Some(Committed::Installed(facts)) if facts == artifact.facts => Ok(facts),
            Some(Committed::Installed(facts)) => Err(unknown(
                ErrorKind::Mismatch,
                OPERATION,
                format!("read back {}, expected {expected}: somebody else writes this file", facts.sha256),
            )
            .with("node", node)
            .with("path", target)),
            Some(Committed::Mismatch(facts)) => {
                unchanged_since(artifact).await?;
                let text = format!(
                    "what arrived has digest {} and {} bytes, sent were {expected} and {} bytes; the file in place is untouched",
                    facts.sha256, facts.size, artifact.facts.size
                );
                Err(unchanged(ErrorKind::Mismatch, OPERATION, text).transient(RETRY_AFTER).with("node", node))
            }
            None => Err(unreadable(OPERATION, node, &output)),
        }
    }

    /// Removes what a failed push left; the error then says that nothing has changed.
    async fn removed(&self, node: &NodeId, beside: &RemotePath, error: BackendError) -> BackendError {
        match self.remove_file(node, OPERATION, beside).await {
            Ok(()) => error.outcome_is(CallOutcome::NotApplied),
            // The target is untouched all the same, and the next call clears the leftover.
            Err(_) => error.outcome_is(CallOutcome::NotApplied).with("left", beside),
        }
    }
}

/// What is to be done at the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nothing: the wanted file lies there.
    Done,
    /// The wanted file can be put there.
    Free,
}

/// The name a push goes to; `prepare.sh` knows it by its pattern.
fn beside(target: &RemotePath, digest: &Digest) -> Result<RemotePath, BackendError> {
    let name = target.with_suffix(&format!(".canary-{}", digest.short()));
    name.map_err(|error| unchanged(ErrorKind::Refused, OPERATION, "the path is too long").caused_by(error))
}

/// Opens the artifact, which must still have the size it was planned with.
async fn open_unchanged(artifact: &Artifact) -> Result<tokio::fs::File, BackendError> {
    let path = &artifact.path;
    let unreadable = |error| {
        let text = format!("cannot read {}", path.display());
        unchanged(ErrorKind::LocalIo, OPERATION, text).caused_by(error)
    };
    let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    let metadata = file.metadata().await.map_err(unreadable)?;
    if metadata.len() != artifact.facts.size {
        unchanged_since(artifact).await?;
    }
    Ok(file)
}

/// Reads the artifact again and compares it with what was planned.
async fn unchanged_since(artifact: &Artifact) -> Result<(), BackendError> {
    let again = artifact.clone();
    let verified = tokio::task::spawn_blocking(move || again.verify()).await;
    match verified {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error @ ArtifactError::Changed { .. })) => {
            Err(unchanged(ErrorKind::Mismatch, OPERATION, "the artifact has changed since it was planned")
                .caused_by(error))
        }
        Ok(Err(error)) => {
            Err(unchanged(ErrorKind::LocalIo, OPERATION, "the artifact cannot be read any more")
                .caused_by(error))
        }
        Err(error) => {
            Err(unchanged(ErrorKind::Other, OPERATION, "reading the artifact was broken off")
                .caused_by(error))
        }
    }
}

/// A script that ended badly, in the words of what failed in it.
pub(crate) fn script_failed(operation: &str, node: &NodeId, output: &ExecOutput) -> BackendError {
    let words = output.stderr_text();
    let kind = if no_space(&words) {
        ErrorKind::Exhausted
    } else if output.code == 127 || words.contains(": not found") {
        ErrorKind::Unsupported
    } else {
        ErrorKind::Refused
    };
    let said = if words.trim().is_empty() { format!("exit status {}", output.code) } else { quote(&words) };
    unknown(kind, operation, said).with("node", node)
}

/// A script's output that is not what the script prints.
pub(crate) fn unreadable(operation: &str, node: &NodeId, output: &ExecOutput) -> BackendError {
    let text = format!("unexpected output of the script: {:?}", quote(&output.stdout_text()));
    unknown(ErrorKind::Protocol, operation, text).with("node", node)
}

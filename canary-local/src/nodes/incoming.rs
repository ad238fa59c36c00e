//! An artifact whose bytes come in piece by piece.

use std::path::{Path, PathBuf};

use canary_core::fleet::FileFacts;
use canary_core::traits::{BackendError, ErrorKind, InstallReport};
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::OwnedMutexGuard;

use super::{blocking, files};
use crate::error::{file_failed, unchanged};

const OPERATION: &str = "install the artifact";

/// Bytes on their way to the place beside a node's binary; removed again when dropped before [`Self::finish`].
#[derive(Debug)]
pub(crate) struct IncomingArtifact {
    /// The node's turn to change files.
    turn: Option<OwnedMutexGuard<()>>,
    target: PathBuf,
    beside: PathBuf,
    file: File,
    facts: FileFacts,
    received: u64,
}

impl IncomingArtifact {
    pub(super) async fn begin(
        turn: OwnedMutexGuard<()>,
        target: &Path,
        facts: FileFacts,
    ) -> Result<Self, BackendError> {
        let beside = files::beside(target);
        let file = File::create(&beside).await;
        let file = file.map_err(|error| file_failed(OPERATION, "write", &beside, error))?;
        Ok(Self { turn: Some(turn), target: target.to_owned(), beside, file, facts, received: 0 })
    }

    /// Takes the next piece in.
    pub(crate) async fn write(&mut self, piece: &[u8]) -> Result<(), BackendError> {
        self.received += piece.len() as u64;
        if self.received > self.facts.size {
            let text = format!("more came than the {} bytes that were announced", self.facts.size);
            return Err(unchanged(ErrorKind::Mismatch, OPERATION, text));
        }
        let written = self.file.write_all(piece).await;
        written.map_err(|error| file_failed(OPERATION, "write", &self.beside, error))
    }

    /// Puts the whole file in its place.
    pub(crate) async fn finish(mut self) -> Result<InstallReport, BackendError> {
        let on_disk = async {
            self.file.flush().await?;
            self.file.sync_all().await
        };
        on_disk.await.map_err(|error| file_failed(OPERATION, "write", &self.beside, error))?;
        let (target, facts, turn) = (self.target.clone(), self.facts, self.turn.take());
        let work = move || {
            // Held by the blocking part, which goes on when the caller does not wait for it.
            let _turn = turn;
            if files::facts(OPERATION, &target)? == Some(facts) {
                let _ = std::fs::remove_file(files::beside(&target));
                return Ok(InstallReport { changed: false, facts });
            }
            files::put(&target, facts)
        };
        // Closed before it is renamed and executed.
        drop(self);
        blocking(OPERATION, work).await
    }
}

impl Drop for IncomingArtifact {
    fn drop(&mut self) {
        if self.turn.is_some() {
            let _ = std::fs::remove_file(&self.beside);
        }
    }
}

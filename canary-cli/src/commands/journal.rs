//! The journal's place, and what its errors mean to a person.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use canary_core::engine::WayBackSearch;
use canary_core::fleet::Digest;
use canary_core::journal::{FileJournal, ReadJournal, Record, Released, RolloutView, Writer, read, rollouts};
use canary_core::traits::{Clock, Journal as _, JournalError};
use canary_seal::{Ed25519Seal, KeyError, SigningKey};
use tokio::time::Instant;

use super::{Context, random};
use crate::backend::haproxy_incus;
use crate::decisions::next_key;
use crate::error::{CommandError, ErrorKind, chain};
use crate::known::{self, Elsewhere};
use crate::settings::Key;

/// How long a journal that another process writes is waited for.
const BUSY: Duration = Duration::from_secs(3);

/// A journal that is open for writing, and what it held before.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) journal: Arc<FileJournal>,
    pub(super) records: Vec<Record>,
}

impl Open {
    /// The last rollout, if it can be resumed.
    pub(super) fn unfinished(&self) -> Option<RolloutView> {
        rollouts(&self.records).pop().filter(RolloutView::unfinished)
    }
}

impl Context<'_> {
    /// The directory of the service's journal and artifacts.
    pub(crate) fn service_directory(&self) -> PathBuf {
        self.settings.state_dir.join(self.settings.spec.service.as_str())
    }

    /// The journal of the service.
    pub(crate) fn journal_path(&self) -> PathBuf {
        self.service_directory().join("journal.jsonl")
    }

    /// Where the service's artifacts are kept by digest.
    pub(super) fn store(&self) -> PathBuf {
        self.service_directory().join("artifacts")
    }

    /// Opens the journal for writing and takes its lock.
    pub(super) async fn open_journal(&self, clock: &Arc<dyn Clock>) -> Result<Open, CommandError> {
        let writer = Writer {
            pid: std::process::id(),
            host: self.environment.host.clone(),
            actor: self.settings.actor.clone(),
            engine: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let journal = self.sealed_journal(&writer, clock).await?;
        let records = journal.records().await.map_err(|error| explain(&error))?;
        self.telling.start(self, &records).await?;
        Ok(Open { journal: Arc::new(journal), records })
    }

    /// Opens the journal under its signed head. One that another process writes is waited for, for a moment: most commands are short.
    async fn sealed_journal(
        &self,
        writer: &Writer,
        clock: &Arc<dyn Clock>,
    ) -> Result<FileJournal, CommandError> {
        let until = Instant::now() + BUSY;
        loop {
            match self.open_now(writer, clock)? {
                Err(JournalError::Locked { .. }) if Instant::now() < until => {
                    tokio::time::sleep(BUSY / 50).await;
                }
                opened => return opened.map_err(|error| explain(&error)),
            }
        }
    }

    fn open_now(
        &self,
        writer: &Writer,
        clock: &Arc<dyn Clock>,
    ) -> Result<Result<FileJournal, JournalError>, CommandError> {
        let open = |key: SigningKey| {
            let guard = Elsewhere::of_rollouts(&self.settings).guard(Arc::new(Ed25519Seal::new(key)));
            let guard = guard.map_err(|why| {
                CommandError::new(
                    ErrorKind::Refused,
                    why,
                    "let this user read it; if it is no head, keep it as evidence and find out who wrote it",
                )
            })?;
            let (random, clock) = (random::<16>()?, Arc::clone(clock));
            Ok::<_, CommandError>(FileJournal::open_guarded(
                self.journal_path(),
                writer,
                random,
                clock,
                guard,
            ))
        };
        let path = &self.settings.signing_key_file;
        let key =
            SigningKey::read_or_make(path, &random::<32>()?).map_err(|error| self.cannot_sign(&error))?;
        let opened = open(key)?;
        // A change of keys that was killed between the record and the file: the journal names the next key already.
        let next = next_key(path);
        if !matches!(opened, Err(JournalError::Head { .. })) || !next.exists() {
            return Ok(opened);
        }
        let key = SigningKey::read(&next).map_err(|error| self.cannot_sign(&error))?;
        match open(key)? {
            Ok(journal) => {
                SigningKey::replace(&next, path).map_err(|error| self.cannot_sign(&error))?;
                Ok(Ok(journal))
            }
            Err(_) => Ok(opened),
        }
    }

    /// A signing key's error with the setting it comes from.
    pub(super) fn cannot_sign(&self, error: &KeyError) -> CommandError {
        let origin = self.settings.layers.origin(Key::SigningKeyFile);
        let message = format!("state.signing_key_file ({origin}): {}", chain(error));
        match error {
            KeyError::Io { .. } => CommandError::new(
                ErrorKind::Refused,
                message,
                "name a directory that this user may write with CANARY_STATE_DIR or --state-dir, or a key that this user may read",
            ),
            _ => {
                CommandError::usage(message, "name another key, or none: then one is made beside the journal")
            }
        }
    }

    /// Reads the journal without taking its lock.
    pub(super) fn read_journal(&self) -> Result<ReadJournal, CommandError> {
        read(&self.journal_path()).map_err(|error| explain(&error))
    }

    /// What completed rollouts brought, as far as the journal can be read; that it cannot is told where it is opened.
    pub(super) fn released(&self) -> Released {
        self.read_journal().map(|journal| Released::of(&rollouts(&journal.records))).unwrap_or_default()
    }

    /// Where to look for the last known good binary when `release` is what is to be replaced.
    pub(super) fn way_back_search(&self, release: Option<Digest>) -> WayBackSearch {
        let named = self.settings.rollback_binary.as_ref();
        WayBackSearch {
            named: named.map(|path| path.display().to_string()),
            // The runbook's place for it, which other kinds of fleets do not have.
            on_host: (self.settings.backend.name() == haproxy_incus::NAME)
                .then(|| PathBuf::from(format!("{}.previous", self.settings.target))),
            release,
            nodes: self.settings.spec.nodes().cloned().collect(),
        }
    }
}

/// A journal's error with what to do about it.
pub(super) fn explain(error: &JournalError) -> CommandError {
    let (kind, hint) = match error {
        JournalError::Locked { .. } => {
            (ErrorKind::Busy, "wait until it is done; `canary-cli status` shows how far it is")
        }
        JournalError::Io { .. } => (
            ErrorKind::Refused,
            "name a directory that this user may write with CANARY_STATE_DIR or --state-dir",
        ),
        JournalError::Fenced { .. } => {
            (ErrorKind::Busy, "another engine is at work now; `canary-cli status` shows how far it is")
        }
        JournalError::Damaged { .. } => (
            ErrorKind::Damaged,
            "somebody changed it: keep it as evidence, move it aside with its .head, see with `canary-cli status` what is where",
        ),
        JournalError::Head { .. } => (
            ErrorKind::Damaged,
            "compare it with its anchors (`canary-cli log verify --anchor FILE`); keep both files as evidence, move them aside together, see with `canary-cli status` what is where",
        ),
        JournalError::Anchor { by, .. } => {
            return CommandError::new(ErrorKind::Damaged, chain(error), known::hint(by));
        }
        _ => (ErrorKind::Refused, ""),
    };
    CommandError::new(kind, chain(error), hint)
}

//! The journal's place, and what its errors mean to a person.

use std::path::PathBuf;
use std::sync::Arc;

use canary_core::engine::WayBackSearch;
use canary_core::fleet::Digest;
use canary_core::journal::{FileJournal, ReadJournal, Record, Released, RolloutView, Writer, read, rollouts};
use canary_core::traits::{Clock, Journal as _, JournalError};

use super::{Context, random};
use crate::backend::haproxy_incus;
use crate::error::{CommandError, ErrorKind, chain};

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
    pub(super) fn journal_path(&self) -> PathBuf {
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
        let random = random::<16>()?;
        let journal = FileJournal::open(self.journal_path(), &writer, random, Arc::clone(clock))
            .map_err(|error| explain(&error))?;
        let records = journal.records().await.map_err(|error| explain(&error))?;
        self.telling.start(self, &records).await?;
        Ok(Open { journal: Arc::new(journal), records })
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
    let hint = match error {
        JournalError::Locked { .. } => "wait until it is done; `canary-cli status` shows how far it is",
        JournalError::Io { .. } => {
            "name a directory that this user may write with CANARY_STATE_DIR or --state-dir"
        }
        JournalError::Fenced { .. } => {
            "another engine is at work now; `canary-cli status` shows how far it is"
        }
        JournalError::Damaged { .. } => {
            "somebody changed it: keep it as evidence, move it aside, see with `canary-cli status` what is where"
        }
        _ => "",
    };
    CommandError::new(ErrorKind::Refused, chain(error), hint)
}

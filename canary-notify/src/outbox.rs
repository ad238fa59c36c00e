//! A log that many short commands write, told by whichever of them comes by, one at a time.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use canary_core::journal::{Record, read};
use canary_core::traits::JournalError;
use tokio::time::Instant;

use crate::config::NotifyConfig;
use crate::delivery::Report;
use crate::ledger::Ledger;
use crate::notifier::Notifier;
use crate::target::Target;

/// How often it is looked whether the command that tells now is done.
const LOOK: Duration = Duration::from_millis(20);

/// Why nothing was told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboxError {
    /// Another command tells.
    #[error("another command tells what {log} holds, and was not done in time")]
    Busy {
        /// The log.
        log: String,
    },
    /// What is to be told cannot be read.
    #[error("what is to be told cannot be read")]
    Log(#[source] JournalError),
    /// A bug.
    #[error("the reading of {log} broke off")]
    Broken {
        /// The log.
        log: String,
    },
}

/// The receivers of a log that is not held open while they are told: the log is the spool, and their cursors lie beside it, in
/// `LOG.notified.json`, with a lock of their own. Whoever tells holds that lock and never the log's: nobody waits for a receiver to
/// write a record.
#[derive(Debug, Clone)]
pub struct Outbox {
    log: PathBuf,
    cursors: PathBuf,
    config: NotifyConfig,
    targets: Vec<Target>,
}

impl Outbox {
    /// The receivers of the log at `log`. Nothing that waits is dropped, however much it is: of `config`, queue and ledger are left.
    #[must_use]
    pub fn beside(log: impl Into<PathBuf>, config: NotifyConfig, targets: Vec<Target>) -> Self {
        let log = log.into();
        let cursors = log.with_extension("notified.json");
        let config = NotifyConfig { queue: usize::MAX, ledger: Some(cursors.clone()), ..config };
        Self { log, cursors, config, targets }
    }

    /// Notes where receivers begin that are new: at the log's end as it is now. Called before a record is written, so that it is
    /// told of even if the process does not live to do so. Blocking; what stands in its way costs that and nothing else.
    pub fn enrol(&self) {
        let names: Vec<_> = self.targets.iter().map(Target::name).collect();
        if Ledger::knows(&self.cursors, &names) {
            return;
        }
        // Who holds the lock enrols the same receivers.
        let Ok(_lock) = self.try_lock() else { return };
        if let Ok(journal) = read(&self.log) {
            let log = journal.records.last().map_or("", |record| record.log.as_str());
            let next = journal.records.last().map_or(0, |record| record.seq + 1);
            drop(Ledger::open(Some(self.cursors.clone()), log, next, &names));
        }
    }

    /// Sends each receiver what it lacks of the log, in its order, within `deadline`; what is left waits for the next call, of
    /// this process or another. Records from number `own` on are this command's: not late, and told to a receiver that is new.
    ///
    /// # Errors
    /// [`OutboxError`]: nobody was told anything.
    pub async fn send(&self, own: Option<u64>, deadline: Duration) -> Result<Vec<Report>, OutboxError> {
        let until = Instant::now() + deadline;
        let _lock = self.turn(until).await?;
        let log = self.log.clone();
        let journal = tokio::task::spawn_blocking(move || read(&log)).await;
        let journal = journal.map_err(|_| OutboxError::Broken { log: shown(&self.log) })?;
        let records = journal.map_err(OutboxError::Log)?.records;
        let own = own.map_or(records.len(), |own| records.partition_point(|record| record.seq < own));
        let notifier = Notifier::resume(self.config.clone(), self.targets.clone(), &records, own);
        Ok(notifier.close(until.saturating_duration_since(Instant::now())).await)
    }

    /// What waits for each receiver of these records, which are the log's; sends and changes nothing.
    #[must_use]
    pub fn waiting(&self, records: &[Record]) -> Vec<Report> {
        Notifier::spooled(&self.config, &self.targets, records)
    }

    /// Waits until nobody else tells. `None` where there can be no lock (a full disk, one that is not to be written): two that tell at
    /// once send some of it twice, which is better than not at all.
    async fn turn(&self, until: Instant) -> Result<Option<File>, OutboxError> {
        loop {
            match self.try_lock() {
                Ok(lock) => return Ok(Some(lock)),
                Err(TryLockError::WouldBlock) if Instant::now() < until => tokio::time::sleep(LOOK).await,
                Err(TryLockError::WouldBlock) => return Err(OutboxError::Busy { log: shown(&self.log) }),
                Err(TryLockError::Error(error)) => {
                    tracing::warn!(log = %self.log.display(), %error, "nobody can be kept from telling the same");
                    return Ok(None);
                }
            }
        }
    }

    fn try_lock(&self) -> Result<File, TryLockError> {
        let path = self.log.with_extension("notified.lock");
        let opened = File::options().create(true).truncate(false).write(true).open(path);
        let file = opened.map_err(TryLockError::Error)?;
        file.try_lock()?;
        Ok(file)
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

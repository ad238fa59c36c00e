//! The event sink of the metrics, and the text file.

use std::fmt;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use canary_core::journal::Record;
use canary_core::traits::{Event, EventSink};
use tokio::sync::Notify;

use super::{Dialect, Tally};
use crate::delivery::Report;
use crate::notifier::Notifier;

/// The file is written at most this often.
const PAUSE: Duration = Duration::from_secs(1);

/// Why the text file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}")]
pub struct TextfileError {
    /// The file.
    pub path: String,
    /// The system's words.
    #[source]
    pub source: std::io::Error,
}

/// Counts what happens; writes it or shows it.
pub struct MetricsSink {
    tally: Mutex<Tally>,
    notifier: Option<Arc<Notifier>>,
    changed: Notify,
}

impl MetricsSink {
    /// Counts what the journal holds already, and everything from here on.
    #[must_use]
    pub fn new(service: &str, records: &[Record], notifier: Option<Arc<Notifier>>) -> Self {
        let mut tally = Tally::new(service);
        for record in records {
            tally.recorded(record);
        }
        Self { tally: Mutex::new(tally), notifier, changed: Notify::new() }
    }

    /// The metrics as they are now.
    #[must_use]
    pub fn page(&self, dialect: Dialect) -> String {
        let reports: Vec<Report> =
            self.notifier.as_ref().map(|notifier| notifier.reports()).unwrap_or_default();
        self.tally().page(dialect, &reports)
    }

    /// Writes the metrics to a file, by rename: a reader sees the old page or the new one. Readable by everybody,
    /// since the collector is another user.
    ///
    /// # Errors
    /// [`TextfileError`] when the file or its neighbour cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), TextfileError> {
        let failed = |source| TextfileError { path: path.display().to_string(), source };
        // The collector reads `*.prom`: the neighbour must not end so.
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.next", std::process::id()));
        let next = path.with_file_name(name);
        let write = || {
            let mut file = std::fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o644)
                .open(&next)?;
            file.write_all(self.page(Dialect::Prometheus).as_bytes())?;
            std::fs::rename(&next, path)
        };
        write().map_err(|error| {
            let _ = std::fs::remove_file(&next);
            failed(error)
        })
    }

    /// Writes the file after each change, at most once a second, until dropped. Failures are left to the last write,
    /// which is the caller's.
    pub async fn keep_written(self: Arc<Self>, path: PathBuf) {
        loop {
            self.changed.notified().await;
            if let Err(error) = self.write(&path) {
                tracing::warn!(%error, "metrics were not written");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EventSink for MetricsSink {
    fn emit(&self, event: &Event<'_>) {
        match event {
            Event::Recorded(record) => self.tally().recorded(record),
            Event::Unrecorded { entry, .. } => self.tally().unrecorded(SystemTime::now().into(), entry),
            Event::Waiting(_) => return,
        }
        self.changed.notify_one();
    }
}

impl fmt::Display for MetricsSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("metrics")
    }
}

impl fmt::Debug for MetricsSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsSink").finish_non_exhaustive()
    }
}

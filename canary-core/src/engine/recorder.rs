//! Writes a rollout's records: journal first, then history, then listeners.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::spans;
use crate::journal::{Entry, History, RolloutId};
use crate::traits::{Clock, Event, EventSink, Journal, Progress};

/// The pen of one rollout.
pub(super) struct Recorder {
    pub(super) rollout: RolloutId,
    journal: Arc<dyn Journal>,
    sinks: Vec<Arc<dyn EventSink>>,
    clock: Arc<dyn Clock>,
    history: Mutex<History>,
    /// Held while a record is written, so that the history folds records in the journal's order.
    writing: tokio::sync::Mutex<()>,
}

impl Recorder {
    pub(super) fn new(
        rollout: RolloutId,
        journal: Arc<dyn Journal>,
        sinks: Vec<Arc<dyn EventSink>>,
        clock: Arc<dyn Clock>,
        history: History,
    ) -> Self {
        Self {
            rollout,
            journal,
            sinks,
            clock,
            history: Mutex::new(history),
            writing: tokio::sync::Mutex::new(()),
        }
    }

    /// The history so far. Nothing can be recorded while it is looked at, nor awaited: the guard is not `Send`.
    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes an entry. A failed write is told to the listeners, and the history goes on without the journal.
    ///
    /// # Errors
    /// Why it could not be written.
    pub(super) async fn record(&self, entry: Entry) -> Result<(), String> {
        let _one_at_a_time = self.writing.lock().await;
        let lost = self.history().journal_lost().map(str::to_owned);
        let written = match lost {
            Some(why) => Err(why),
            None => self.journal.append(entry.clone()).await.map_err(|e| describe(&e)),
        };
        let mut history = self.history();
        match written {
            Ok(record) => {
                history.apply(record.time, &record.entry);
                drop(history);
                spans::recorded(&record.entry);
                self.emit(&Event::Recorded(&record));
                Ok(())
            }
            Err(why) => {
                history.apply(self.clock.now(), &entry);
                history.lose_journal(why.clone());
                drop(history);
                spans::unrecorded(&why);
                self.emit(&Event::Unrecorded { entry: &entry, why: &why });
                Err(why)
            }
        }
    }

    /// Returns when no record is being written.
    pub(super) async fn quiet(&self) {
        drop(self.writing.lock().await);
    }

    /// Tells the listeners what is being waited for, if there are any.
    pub(super) fn waiting(&self, progress: impl FnOnce() -> Progress) {
        if self.sinks.is_empty() && !spans::waits_are_traced() {
            return;
        }
        let progress = progress();
        spans::waiting(&progress);
        self.emit(&Event::Waiting(&progress));
    }

    fn emit(&self, event: &Event<'_>) {
        for sink in &self.sinks {
            sink.emit(event);
        }
    }
}

/// An error with its causes on one line.
pub(super) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

//! A journal in memory, for tests and simulations.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::{Chain, Entry, Record};
use crate::traits::{Clock, Journal, JournalError};

/// Keeps records in memory, in the same form as the file does.
#[derive(Debug)]
pub struct MemoryJournal {
    clock: Arc<dyn Clock>,
    state: Mutex<(Chain, Vec<Record>)>,
}

impl MemoryJournal {
    /// An empty journal.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::new((Chain::new([0; 16]), Vec::new())) }
    }
}

impl fmt::Display for MemoryJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("journal in memory")
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn append(&self, entry: Entry) -> Result<Record, JournalError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (record, line) = state.0.record(self.clock.now(), entry)?;
        let read = super::parse_line(&line[..line.len() - 1]).map_err(JournalError::Form)?;
        if read != record {
            return Err(JournalError::Form("a record does not read back as it was written".to_owned()));
        }
        state.0 = Chain::after(&record);
        state.1.push(record.clone());
        Ok(record)
    }

    async fn records(&self) -> Result<Vec<Record>, JournalError> {
        Ok(self.state.lock().unwrap_or_else(PoisonError::into_inner).1.clone())
    }
}

//! How far each receiver got, in a small file beside the journal: what a killed process did not deliver is found there.
//!
//! The journal itself is the outbox; this is only the cursor. It is written after a delivery, so that a crash between
//! the two sends a notice twice, with the same id, rather than never.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// The version of the file's form.
const VERSION: u64 = 1;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct File {
    v: u64,
    /// The journal it is about.
    log: String,
    /// For each receiver, the last record whose notice arrived.
    delivered: BTreeMap<String, u64>,
}

/// The cursors of all receivers.
#[derive(Debug)]
pub(crate) struct Ledger {
    path: Option<PathBuf>,
    file: Mutex<File>,
}

impl Ledger {
    /// Reads the file for the journal `log`, whose last record is `last`. A receiver that it does not know, a file that
    /// is not there or not readable, or another journal: nothing of the past is sent.
    pub(crate) fn open(path: Option<PathBuf>, log: &str, last: u64, names: &[&'static str]) -> Self {
        let read = path.as_deref().and_then(|path| std::fs::read(path).ok());
        let read = read.and_then(|bytes| serde_json::from_slice::<File>(&bytes).ok());
        let mut file = read.filter(|file| file.v == VERSION && file.log == log).unwrap_or_else(|| File {
            v: VERSION,
            log: log.to_owned(),
            delivered: BTreeMap::new(),
        });
        for name in names {
            file.delivered.entry((*name).to_owned()).or_insert(last);
        }
        let ledger = Self { path, file: Mutex::new(file) };
        ledger.write();
        ledger
    }

    /// The last record whose notice reached a receiver.
    pub(crate) fn cursor(&self, name: &str) -> u64 {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.delivered.get(name).copied().unwrap_or(u64::MAX)
    }

    /// Notes that the notice of record `seq` arrived.
    pub(crate) fn advance(&self, name: &str, seq: u64) {
        {
            let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            let cursor = file.delivered.entry(name.to_owned()).or_insert(seq);
            *cursor = seq.max(*cursor);
        }
        self.write();
    }

    /// Writes the file anew. A failure costs a repeat at worst, and receivers drop repeats.
    fn write(&self) {
        let Some(path) = &self.path else { return };
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = replace(path, &file) {
            tracing::warn!(path = %path.display(), %error, "cannot note what was delivered");
        }
    }
}

fn replace(path: &Path, file: &File) -> std::io::Result<()> {
    let next = path.with_extension("next");
    std::fs::write(&next, serde_json::to_vec(file)?)?;
    std::fs::rename(&next, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_outlive_the_process_and_only_grow() {
        let dir = tempfile::tempdir().unwrap();
        let path = || Some(dir.path().join("notified.json"));
        let first = Ledger::open(path(), "log", 7, &["webhook"]);
        assert_eq!(first.cursor("webhook"), 7);
        first.advance("webhook", 9);
        first.advance("webhook", 8);
        let second = Ledger::open(path(), "log", 20, &["webhook", "slack"]);
        assert_eq!((second.cursor("webhook"), second.cursor("slack")), (9, 20));
    }

    #[test]
    fn another_journal_or_a_damaged_file_begins_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notified.json");
        Ledger::open(Some(path.clone()), "log", 7, &["webhook"]);
        assert_eq!(Ledger::open(Some(path.clone()), "other", 3, &["webhook"]).cursor("webhook"), 3);
        std::fs::write(&path, b"{\"v\":1,").unwrap();
        assert_eq!(Ledger::open(Some(path), "other", 5, &["webhook"]).cursor("webhook"), 5);
    }
}

//! The spool: how far each receiver got, in a small file beside the journal. What a dead receiver or a killed process left
//! undelivered is found by it.
//!
//! The journal itself is the outbox: a record is on disk before anybody is told of it, and stays there in order. So a
//! receiver's spool is every record from its cursor on, and takes no room of its own. The cursor moves after a delivery: a
//! crash between the two sends a notice twice, with the same id, rather than never. What the journal could not take (its own
//! failure, an end that no record tells) is kept in the file as a whole.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use canary_core::journal::Anchor;
use serde::{Deserialize, Serialize};

use crate::notice::{Kind, Notice};

/// The version of the file's form.
const VERSION: u64 = 2;
/// How many notices without a record are kept; beyond, the oldest of the least important goes.
const HELD: usize = 32;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Cursors {
    v: u64,
    /// The journal it is about; empty before its first record.
    log: String,
    /// For each receiver, the first record whose notice it may not have.
    next: BTreeMap<String, u64>,
    /// Notices without a record, oldest first.
    held: Vec<Held>,
    /// The last record that any receiver was told of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    anchor: Option<Anchor>,
}

/// A notice without a record, and who does not have it yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Held {
    receivers: Vec<String>,
    notice: Notice,
}

/// The form before: the last record that each receiver has.
#[derive(Debug, Deserialize)]
struct Before {
    log: String,
    delivered: BTreeMap<String, u64>,
}

/// The cursors of all receivers.
#[derive(Debug)]
pub(crate) struct Ledger {
    path: Option<PathBuf>,
    file: Mutex<Cursors>,
}

impl Ledger {
    /// Reads the file for the journal `log`, in which `next` will be the next record's number. A receiver that it does not
    /// know, a file that is not there or not readable, or another journal: nothing of the past is sent.
    pub(crate) fn open(path: Option<PathBuf>, log: &str, next: u64, names: &[&'static str]) -> Self {
        let ledger = Self { path: path.clone(), ..Self::look(path.as_deref(), log, next, names) };
        ledger.write();
        ledger
    }

    /// As [`Self::open`], and writes nothing, now or later.
    pub(crate) fn look(path: Option<&Path>, log: &str, next: u64, names: &[&'static str]) -> Self {
        let before = path.and_then(read);
        let anchor = before.as_ref().and_then(|file| file.anchor.clone());
        let mut file = before.filter(|file| is_of(file, log)).unwrap_or_default();
        // Where the journal is not there any more, what was told of it is all that is known.
        file.anchor = anchor.filter(|anchor| log.is_empty() || anchor.log == log);
        (file.v, file.log) = (VERSION, log.to_owned());
        for name in names {
            file.next.entry((*name).to_owned()).or_insert(next);
        }
        Self { path: None, file: Mutex::new(file) }
    }

    /// Whether the file at `path` knows all these receivers.
    pub(crate) fn knows(path: &Path, names: &[&'static str]) -> bool {
        read(path).is_some_and(|file| names.iter().all(|name| file.next.contains_key(*name)))
    }

    /// The first record whose notice a receiver may not have.
    pub(crate) fn cursor(&self, name: &str) -> u64 {
        self.file().next.get(name).copied().unwrap_or(u64::MAX)
    }

    /// The notices without a record that a receiver does not have.
    pub(crate) fn held(&self, name: &str) -> Vec<Notice> {
        let file = self.file();
        let its = file.held.iter().filter(|held| held.receivers.iter().any(|one| one == name));
        its.map(|held| held.notice.clone()).collect()
    }

    /// Keeps a notice that no record tells, for these receivers.
    pub(crate) fn hold(&self, names: Vec<String>, notice: &Notice) {
        // A wait that is over is not worth telling later, and a test is tried once.
        if self.path.is_none() || names.is_empty() || matches!(notice.kind, Kind::Waiting | Kind::Test) {
            return;
        }
        {
            let mut file = self.file();
            file.held.push(Held { receivers: names, notice: notice.clone() });
            if file.held.len() > HELD {
                let least = file.held.iter().enumerate().min_by_key(|(_, held)| held.notice.importance());
                if let Some((at, _)) = least {
                    file.held.remove(at);
                }
            }
        }
        self.write();
    }

    /// Notes that a notice is settled for a receiver: it arrived, or never can.
    pub(crate) fn settled(&self, name: &str, notice: &Notice) {
        {
            let mut file = self.file();
            if let Some(seq) = notice.seq() {
                let cursor = file.next.entry(name.to_owned()).or_insert(seq);
                *cursor = (seq + 1).max(*cursor);
                let later = |anchor: &&Anchor| file.anchor.as_ref().is_none_or(|last| last.seq < anchor.seq);
                if let Some(anchor) = notice.anchor.as_ref().filter(later).cloned() {
                    file.anchor = Some(anchor);
                }
            } else {
                for held in file.held.iter_mut().filter(|held| held.notice.id == notice.id) {
                    held.receivers.retain(|one| one != name);
                }
                file.held.retain(|held| !held.receivers.is_empty());
            }
        }
        self.write();
    }

    fn file(&self) -> std::sync::MutexGuard<'_, Cursors> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the file anew. A failure costs a repeat at worst, and receivers drop repeats.
    fn write(&self) {
        let Some(path) = &self.path else { return };
        let file = self.file();
        if let Err(error) = replace(path, &file) {
            tracing::warn!(path = %path.display(), %error, "cannot note what was delivered");
        }
    }
}

/// The last record that receivers were told of, by the file in which [`NotifyConfig::ledger`] keeps how far they got; `None` when they were told of none, or
/// there is no such file. It was on disk before anybody was told: a journal that does not have it was cut, or is another.
///
/// [`NotifyConfig::ledger`]: crate::NotifyConfig::ledger
#[must_use]
pub fn last_told(ledger: &Path) -> Option<Anchor> {
    read(ledger)?.anchor
}

/// Whether a file is about the journal `log`, which may just have begun.
fn is_of(file: &Cursors, log: &str) -> bool {
    file.log == log || file.log.is_empty()
}

fn read(path: &Path) -> Option<Cursors> {
    let bytes = std::fs::read(path).ok()?;
    if let Ok(file) = serde_json::from_slice::<Cursors>(&bytes) {
        return (file.v == VERSION).then_some(file);
    }
    let before: Before = serde_json::from_slice(&bytes).ok()?;
    let next = before.delivered.into_iter().map(|(name, last)| (name, last.saturating_add(1))).collect();
    Some(Cursors { v: VERSION, log: before.log, next, held: Vec::new(), anchor: None })
}

/// Synced before it takes the name, so that no crash leaves a file that is cut.
fn replace(path: &Path, cursors: &Cursors) -> std::io::Result<()> {
    let next = path.with_extension("next");
    let mut file = File::create(&next)?;
    file.write_all(&serde_json::to_vec(cursors)?)?;
    file.sync_data()?;
    std::fs::rename(&next, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn told(seq: u64) -> Notice {
        let anchor = testing::ended().anchor.map(|anchor| Anchor { seq, ..anchor });
        Notice { id: format!("r-{seq}"), anchor, ..testing::ended() }
    }

    #[test]
    fn the_last_record_that_anybody_was_told_of_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notified.json");
        assert_eq!(last_told(&path), None);
        let log = told(0).anchor.unwrap().log;
        let ledger = Ledger::open(Some(path.clone()), &log, 7, &["webhook", "slack"]);
        assert_eq!(last_told(&path), None, "nobody was told of anything");
        for (name, seq) in [("webhook", 7), ("slack", 12), ("webhook", 9)] {
            ledger.settled(name, &told(seq));
        }
        let lost = Notice { recorded: false, anchor: None, ..told(13) };
        ledger.settled("slack", &lost);
        drop(ledger);
        for (log, known) in [(log.as_str(), true), ("", true), ("other", false)] {
            Ledger::open(Some(path.clone()), log, 20, &["webhook", "slack"]);
            assert_eq!(last_told(&path), told(12).anchor.filter(|_| known), "journal {log:?}");
        }
    }

    #[test]
    fn cursors_outlive_the_process_and_only_grow() {
        let dir = tempfile::tempdir().unwrap();
        let path = || Some(dir.path().join("notified.json"));
        let first = Ledger::open(path(), "log", 7, &["webhook"]);
        assert_eq!(first.cursor("webhook"), 7);
        first.settled("webhook", &told(9));
        first.settled("webhook", &told(8));
        let second = Ledger::open(path(), "log", 20, &["webhook", "slack"]);
        assert_eq!((second.cursor("webhook"), second.cursor("slack")), (10, 20));
    }

    #[test]
    fn another_journal_or_a_damaged_file_begins_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notified.json");
        Ledger::open(Some(path.clone()), "log", 7, &["webhook"]);
        assert_eq!(Ledger::open(Some(path.clone()), "other", 3, &["webhook"]).cursor("webhook"), 3);
        std::fs::write(&path, b"{\"v\":2,").unwrap();
        assert_eq!(Ledger::open(Some(path), "other", 5, &["webhook"]).cursor("webhook"), 5);
    }

    #[test]
    fn a_journal_that_was_empty_is_the_one_that_then_began() {
        let dir = tempfile::tempdir().unwrap();
        let path = || Some(dir.path().join("notified.json"));
        Ledger::open(path(), "", 0, &["webhook"]);
        assert_eq!(Ledger::open(path(), "log", 4, &["webhook"]).cursor("webhook"), 0);
    }

    #[test]
    fn the_form_before_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notified.json");
        std::fs::write(&path, br#"{"v":1,"log":"log","delivered":{"slack":6}}"#).unwrap();
        assert_eq!(Ledger::open(Some(path), "log", 20, &["slack"]).cursor("slack"), 7);
    }

    #[test]
    fn what_no_record_tells_is_kept_until_each_receiver_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = || Some(dir.path().join("notified.json"));
        let lost = Notice { id: "r-u1".to_owned(), recorded: false, ..testing::ended() };
        let first = Ledger::open(path(), "log", 7, &["webhook", "slack"]);
        first.hold(vec!["webhook".to_owned(), "slack".to_owned()], &lost);
        first.settled("slack", &lost);
        drop(first);
        let second = Ledger::open(path(), "log", 7, &["webhook", "slack"]);
        assert_eq!(second.held("slack"), []);
        assert_eq!(second.held("webhook"), std::slice::from_ref(&lost));
        second.settled("webhook", &lost);
        assert_eq!(Ledger::open(path(), "log", 7, &["webhook"]).held("webhook"), []);
    }

    #[test]
    fn not_more_is_kept_than_fits_and_ends_stay() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(Some(dir.path().join("n.json")), "log", 0, &["slack"]);
        let notice =
            |i: usize, kind| Notice { id: format!("r-u{i}"), recorded: false, kind, ..testing::ended() };
        ledger.hold(vec!["slack".to_owned()], &notice(0, Kind::Ended));
        for i in 1..=HELD {
            ledger.hold(vec!["slack".to_owned()], &notice(i, Kind::JournalLost));
        }
        let held = ledger.held("slack");
        assert_eq!((held.len(), held[0].kind, held[1].id.as_str()), (HELD, Kind::Ended, "r-u2"));
    }
}

//! Benches over the journals: the core's two, and the strict one.

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use canary_core::journal::{FileJournal, MemoryJournal, Writer};
use canary_core::traits::{Clock, Journal, SystemClock};
use canary_testkit::conformance::{JournalBench, JournalSkills, Suite, journal};
use canary_testkit::{StrictJournal, VirtualClock};

use crate::fakes::Twist;

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}

/// A journal without a life after its process.
struct InMemory(Arc<dyn Journal>);

#[async_trait(?Send)]
impl JournalBench for InMemory {
    fn journal(&self) -> Arc<dyn Journal> {
        Arc::clone(&self.0)
    }

    async fn reopen(&self) -> Arc<dyn Journal> {
        unreachable!("not among its skills")
    }

    async fn tear(&self) -> Arc<dyn Journal> {
        unreachable!("not among its skills")
    }
}

pub(crate) fn memory_suite(twist: Twist<dyn Journal>) -> Suite {
    journal(JournalSkills { reopen: false, tear: false }, move || {
        let journal = twist(Arc::new(MemoryJournal::new(clock())));
        async { Box::new(InMemory(journal)) as Box<dyn JournalBench> }
    })
}

fn strict_suite() -> Suite {
    journal(JournalSkills { reopen: false, tear: false }, || async {
        Box::new(InMemory(Arc::new(StrictJournal::new(Arc::new(VirtualClock::new())))))
            as Box<dyn JournalBench>
    })
}

struct InFile {
    dir: tempfile::TempDir,
    // Only while it is open: the file is locked.
    journal: Mutex<Option<Arc<dyn Journal>>>,
}

impl InFile {
    fn path(&self) -> PathBuf {
        self.dir.path().join("journal.jsonl")
    }

    fn open(&self) -> Arc<dyn Journal> {
        let writer =
            Writer { pid: 1, host: "host".to_owned(), actor: "test".to_owned(), engine: "0".to_owned() };
        Arc::new(FileJournal::open(self.path(), &writer, [3; 16], clock()).unwrap())
    }
}

#[async_trait(?Send)]
impl JournalBench for InFile {
    fn journal(&self) -> Arc<dyn Journal> {
        Arc::clone(self.journal.lock().unwrap().get_or_insert_with(|| self.open()))
    }

    async fn reopen(&self) -> Arc<dyn Journal> {
        drop(self.journal.lock().unwrap().take());
        self.journal()
    }

    async fn tear(&self) -> Arc<dyn Journal> {
        drop(self.journal.lock().unwrap().take());
        let file = OpenOptions::new().write(true).open(self.path()).unwrap();
        file.set_len(file.metadata().unwrap().len() - 20).unwrap();
        self.journal()
    }
}

fn file_suite() -> Suite {
    journal(JournalSkills { reopen: true, tear: true }, || async {
        let bench = InFile { dir: tempfile::tempdir().unwrap(), journal: Mutex::new(None) };
        Box::new(bench) as Box<dyn JournalBench>
    })
}

pub(crate) fn suites() -> Vec<(&'static str, Suite)> {
    vec![
        ("memory", memory_suite(crate::fakes::straight())),
        ("strict", strict_suite()),
        ("file", file_suite()),
    ]
}

//! The suite of [`Journal`].

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use canary_core::journal::{Chain, Entry, Record, RolloutId};
use canary_core::time::Timestamp;
use canary_core::traits::{Journal, JournalError};

use super::suite::{Case, Suite, Verdict, case, require};

/// What a bench can do beyond the required.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalSkills {
    /// [`JournalBench::reopen`]: records outlive the process.
    pub reopen: bool,
    /// [`JournalBench::tear`]: a record can be cut in the middle.
    pub tear: bool,
}

/// A journal to be tested, new.
///
/// A bench panics when it cannot do its part.
#[async_trait(?Send)]
pub trait JournalBench {
    /// The journal.
    fn journal(&self) -> Arc<dyn Journal>;

    /// Ends the writer as a crash would, opens the journal again and gives it.
    async fn reopen(&self) -> Arc<dyn Journal>;

    /// Ends the writer and cuts the last record in the middle; then as [`Self::reopen`].
    async fn tear(&self) -> Arc<dyn Journal>;
}

/// The suite of [`Journal`]: `make` gives a fresh bench for each case.
pub fn journal<F, M>(skills: JournalSkills, make: M) -> Suite
where
    F: Future<Output = Box<dyn JournalBench>> + 'static,
    M: Fn() -> F + Send + Sync + 'static,
{
    let mut cases: Vec<Case<dyn JournalBench>> = vec![
        case!(what_was_appended_is_read, "records: all records so far, oldest first"),
        case!(append_returns_what_is_recorded, "append: returns the entry as recorded"),
        case!(records_are_chained, "an ordered sequence of records: each names the one before"),
        case!(writers_at_once_are_ordered, "an ordered sequence of records"),
        case!(an_append_broken_off_breaks_no_chain, "every method may be called again after any crash"),
        case!(
            what_the_form_does_not_allow_is_refused,
            "append: an error when it is not certain to be durable"
        ),
    ];
    if skills.reopen {
        cases.push(case!(records_outlive_the_process, "append: returns once the record is durable"));
    }
    if skills.tear {
        cases.push(case!(
            a_torn_record_is_cut,
            "records: the chain holds after a crash in the middle of a write"
        ));
    }
    Suite::new("journal", make, cases)
}

type Bench<'b> = &'b dyn JournalBench;

fn entry(reason: &str) -> Entry {
    Entry::Refused {
        rollout: RolloutId::new(Timestamp::from_millis(1_700_000_000_000), 7),
        actor: "conformance".to_owned(),
        reasons: vec![reason.to_owned()],
    }
}

/// The reason of an entry made by [`entry`].
fn reason(record: &Record) -> Option<&str> {
    match &record.entry {
        Entry::Refused { reasons, .. } => reasons.first().map(String::as_str),
        _ => None,
    }
}

async fn append(journal: &dyn Journal, reason: &str) -> Result<Record, String> {
    journal.append(entry(reason)).await.map_err(|e| told("append", &e))
}

async fn read(journal: &dyn Journal) -> Result<Vec<Record>, String> {
    journal.records().await.map_err(|e| told("read", &e))
}

fn told(what: &str, error: &JournalError) -> String {
    let cause = std::error::Error::source(error).map_or_else(String::new, |cause| format!(": {cause}"));
    format!("{what}: {error}{cause}")
}

/// The chain holds, and these are the reasons of the suite's own entries.
fn holds(records: &[Record], reasons: &[&str]) -> Verdict {
    let mut chain = None;
    for record in records {
        chain = Some(
            Chain::accept(chain.as_ref(), record).map_err(|why| format!("record {}: {why}", record.seq))?,
        );
    }
    let found: Vec<_> = records.iter().filter_map(reason).collect();
    require!(found == reasons, "the records say {found:?}, appended were {reasons:?}");
    Ok(())
}

async fn what_was_appended_is_read(bench: Bench<'_>) -> Verdict {
    let journal = bench.journal();
    let reasons = ["first", "second \"quoted\" \u{fc}\n", "third"];
    for reason in reasons {
        append(journal.as_ref(), reason).await?;
    }
    holds(&read(journal.as_ref()).await?, &reasons)
}

async fn append_returns_what_is_recorded(bench: Bench<'_>) -> Verdict {
    let journal = bench.journal();
    let record = append(journal.as_ref(), "only").await?;
    require!(record.entry == entry("only"), "{:?} came back", record.entry);
    let records = read(journal.as_ref()).await?;
    require!(records.last() == Some(&record), "returned {record:?}, read {:?}", records.last());
    Ok(())
}

async fn records_are_chained(bench: Bench<'_>) -> Verdict {
    let journal = bench.journal();
    let (one, two) = (append(journal.as_ref(), "1").await?, append(journal.as_ref(), "2").await?);
    require!(two.seq == one.seq + 1, "numbers {} and {}", one.seq, two.seq);
    require!(two.prev == one.hash.to_string(), "the second names {}, the first is {}", two.prev, one.hash);
    require!(one.log == two.log, "two journals: {} and {}", one.log, two.log);
    Ok(())
}

async fn writers_at_once_are_ordered(bench: Bench<'_>) -> Verdict {
    let journal = bench.journal();
    let mut tasks = tokio::task::JoinSet::new();
    for i in 0..16 {
        let journal = Arc::clone(&journal);
        tasks.spawn(async move { append(journal.as_ref(), &i.to_string()).await });
    }
    let mut appended = Vec::new();
    while let Some(done) = tasks.join_next().await {
        appended.push(done.map_err(|e| e.to_string())??);
    }
    appended.sort_by_key(|record| record.seq);
    let reasons: Vec<_> = appended.iter().filter_map(reason).collect();
    holds(&read(journal.as_ref()).await?, &reasons)
}

async fn an_append_broken_off_breaks_no_chain(bench: Bench<'_>) -> Verdict {
    let journal = bench.journal();
    for micros in [0, 1, 20, 100, 500] {
        // Broken off in the middle or not: both are fine.
        let _ =
            tokio::time::timeout(Duration::from_micros(micros), journal.append(entry("broken off"))).await;
    }
    append(journal.as_ref(), "last").await?;
    let records = read(journal.as_ref()).await?;
    let reasons: Vec<_> = records.iter().filter_map(reason).collect();
    require!(reasons.last() == Some(&"last"), "the records end with {:?}", reasons.last());
    holds(&records, &reasons)
}

async fn what_the_form_does_not_allow_is_refused(bench: Bench<'_>) -> Verdict {
    let journal = bench.journal();
    append(journal.as_ref(), "before").await?;
    let huge = Entry::Opened {
        pid: u64::MAX,
        host: "host".to_owned(),
        actor: "conformance".to_owned(),
        engine: "0".to_owned(),
        token: 1,
    };
    if let Ok(record) = journal.append(huge).await {
        return Err(format!("a number that readers disagree on was recorded: {record:?}"));
    }
    holds(&read(journal.as_ref()).await?, &["before"])
}

async fn records_outlive_the_process(bench: Bench<'_>) -> Verdict {
    let journal = bench.journal();
    append(journal.as_ref(), "before").await?;
    drop(journal);
    let journal = bench.reopen().await;
    append(journal.as_ref(), "after").await?;
    holds(&read(journal.as_ref()).await?, &["before", "after"])
}

async fn a_torn_record_is_cut(bench: Bench<'_>) -> Verdict {
    let journal = bench.journal();
    append(journal.as_ref(), "whole").await?;
    append(journal.as_ref(), "torn").await?;
    drop(journal);
    let journal = bench.tear().await;
    append(journal.as_ref(), "after").await?;
    holds(&read(journal.as_ref()).await?, &["whole", "after"])
}

//! Measures the record: how fast a journal is verified, what a signed head costs a writer, how fast decisions are decided again.

#![expect(clippy::print_stdout, reason = "it prints what it measures")]

mod replay;

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, ensure};
use canary_core::journal::{Chain, Entry, FileJournal, Head, RolloutId, Seal as _, Writer, head_path};
use canary_core::time::Timestamp;
use canary_core::traits::{Clock, Journal as _, SystemClock};
use canary_seal::{Ed25519Seal, SigningKey, verify};

/// How often a journal is verified; the median counts.
const ROUNDS: usize = 9;
/// How many records are appended each way.
const APPENDS: usize = 300;

fn entry(n: usize) -> Entry {
    let rollout = RolloutId::new(Timestamp::from_millis(0), 7);
    // About 1 KiB a line, as a probe of two SLIs has.
    let reasons = (0..10)
        .map(|i| format!("reason {i} of record {n}: \"the p95 was 0.4{n} s\", 0.5 s were allowed, ümlaut"))
        .collect();
    Entry::Refused { rollout, actor: "ada@deploy-1".to_owned(), reasons }
}

/// Writes a journal of so many records with its signed head; gives its size in bytes.
fn write(path: &Path, seal: &Ed25519Seal, records: usize) -> anyhow::Result<u64> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    let mut chain = Chain::new([7; 16]);
    let mut tree = canary_core::journal::Tree::default();
    for n in 0..records {
        let entry = if n == 0 { Entry::Genesis { engine: "0.1.0".to_owned() } } else { entry(n) };
        let entry =
            if n == 1 { Entry::SigningKey { key: seal.key().to_owned(), handover: None } } else { entry };
        let (record, line) = chain.record(Timestamp::from_millis(n as u64), entry)?;
        file.write_all(&line)?;
        tree.push(&record.hash);
        chain = Chain::after(&record);
    }
    file.flush()?;
    let head = Head { log: chain.log().to_owned(), size: tree.size(), root: tree.root() };
    std::fs::write(head_path(path), seal.sign(&head))?;
    Ok(std::fs::metadata(path)?.len())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// The median time of an append, synced to disk.
async fn append(journal: &FileJournal) -> anyhow::Result<Duration> {
    let mut times = Vec::with_capacity(APPENDS);
    for n in 0..APPENDS {
        let begun = Instant::now();
        journal.append(entry(n)).await?;
        times.push(begun.elapsed());
    }
    Ok(median(times))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let records: usize =
        std::env::args().nth(1).map_or(Ok(100_000), |n| n.parse()).context("how many records")?;
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("journal.jsonl");
    let seal = Arc::new(Ed25519Seal::new(SigningKey::new(&[7; 32])));
    let bytes = write(&path, &seal, records)?;
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let found = verify(&path, &[], None)?.map_err(|finding| anyhow!("{finding}"))?;
        times.push(begun.elapsed());
        ensure!(found.journal.records == records as u64, "{} records", found.journal.records);
    }
    let whole = median(times);
    println!(
        "verify   {records} records, {} MiB: {:.0} ms, {:.0} records/s",
        bytes >> 20,
        whole.as_secs_f64() * 1e3,
        records as f64 / whole.as_secs_f64()
    );
    let writer =
        Writer { pid: std::process::id(), host: "bench".into(), actor: "bench".into(), engine: "0".into() };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let plain =
        FileJournal::open(directory.path().join("plain.jsonl"), &writer, [1; 16], Arc::clone(&clock))?;
    println!("append   without a head: {:.2} ms", append(&plain).await?.as_secs_f64() * 1e3);
    let sealed =
        FileJournal::open_sealed(directory.path().join("sealed.jsonl"), &writer, [2; 16], clock, seal)?;
    println!("append   and its head signed: {:.2} ms", append(&sealed).await?.as_secs_f64() * 1e3);
    let decisions = (records / 100).max(1);
    let again = replay::replay(directory.path(), decisions)?;
    println!(
        "replay   {decisions} decisions of {} tenants: {:.0} ms",
        replay::TENANTS,
        again.as_secs_f64() * 1e3
    );
    Ok(())
}

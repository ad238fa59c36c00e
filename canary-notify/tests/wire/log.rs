//! A log that nobody holds open, told by whoever comes by.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use canary_core::journal::{Entry, FileJournal, Record, RolloutId, Writer, read};
use canary_core::traits::{Clock, Journal as _, SystemClock};
use canary_notify::{Outbox, OutboxError, RetrySchedule, Secret, Target};
use canary_testkit::SmallDisk;

use crate::receiver::{Answer, Receiver, config};

const LONG: Duration = Duration::from_secs(30);

/// A log, its writer and its receiver.
struct Site {
    log: PathBuf,
    receiver: Receiver,
}

impl Site {
    async fn new(directory: &Path, script: Vec<Answer>) -> Self {
        Self { log: directory.join("decisions.jsonl"), receiver: Receiver::answering(script).await }
    }

    /// Writes a record as a command does that holds the log no longer than that.
    async fn write(&self) -> Record {
        self.try_write().await.unwrap()
    }

    async fn try_write(&self) -> Result<Record, canary_core::traits::JournalError> {
        let writer = Writer {
            pid: std::process::id(),
            host: "deploy".to_owned(),
            actor: "ada".to_owned(),
            engine: "0".to_owned(),
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let now = clock.now();
        let journal = FileJournal::open(&self.log, &writer, [7; 16], clock)?;
        let at = u32::try_from(read(&self.log)?.records.len()).unwrap();
        let (rollout, actor) = (RolloutId::new(now, at), "ada".to_owned());
        journal.append(Entry::Refused { rollout, actor, reasons: vec![format!("no {at}")] }).await
    }

    fn outbox(&self, receiver: &Receiver) -> Outbox {
        let target = Target::webhook(&Secret::new(&receiver.url), Vec::new(), LONG).unwrap();
        let retry = RetrySchedule { attempts: 2, ..config().retry };
        Outbox::beside(&self.log, canary_notify::NotifyConfig { retry, ..config() }, vec![target])
    }

    /// A command that writes a record and tells it to `receiver`; how many arrived and how many wait.
    async fn command(&self, receiver: &Receiver) -> (u64, u64) {
        let outbox = self.outbox(receiver);
        outbox.enrol();
        let own = self.write().await.seq;
        let report = outbox.send(Some(own), LONG).await.unwrap().remove(0);
        (report.delivered, report.left)
    }
}

/// What arrived: the record's number, its hash, whether it was late.
fn seen(receiver: &Receiver) -> Vec<(u64, String, bool)> {
    let one = |request: &crate::receiver::Request| {
        let body = request.json();
        let anchor = &body["data"]["journal"];
        let hash = anchor["hash"].as_str().unwrap().to_owned();
        (anchor["seq"].as_u64().unwrap(), hash, body["late"].as_bool().unwrap())
    };
    receiver.seen().iter().map(one).collect()
}

/// The log's records that receivers are told of; it has others of its own.
fn told(log: &Path) -> Vec<Record> {
    let records = read(log).unwrap().records;
    records.into_iter().filter(|record| matches!(record.entry, Entry::Refused { .. })).collect()
}

/// What is in the log, as it should arrive.
fn written(log: &Path, late: &[bool]) -> Vec<(u64, String, bool)> {
    let records = told(log);
    assert_eq!(records.len(), late.len());
    records.iter().zip(late).map(|(record, late)| (record.seq, record.hash.to_string(), *late)).collect()
}

fn well() -> Vec<Answer> {
    vec![Answer::status("200 OK")]
}

#[tokio::test]
async fn what_a_dead_receiver_lacks_is_told_by_the_next_command_in_order_before_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let away = vec![Answer::status("503 Service Unavailable")];
    let site = Site::new(dir.path(), away).await;
    assert_eq!(site.command(&site.receiver).await, (0, 1));
    assert_eq!(site.command(&site.receiver).await, (0, 2));
    assert_eq!(site.outbox(&site.receiver).waiting(&read(&site.log).unwrap().records)[0].left, 2);
    let back = Receiver::answering(well()).await;
    assert_eq!(site.command(&back).await, (3, 0));
    assert_eq!(seen(&back), written(&site.log, &[true, true, false]));
    // Nothing is told twice, and what another command told of ours is told.
    let outbox = site.outbox(&back);
    for own in [None, Some(0), Some(2)] {
        assert!(outbox.send(own, LONG).await.unwrap()[0].complete());
    }
    assert_eq!(seen(&back).len(), 3);
}

#[tokio::test]
async fn killed_after_the_record_and_before_a_word_the_next_command_tells_it() {
    let dir = tempfile::tempdir().unwrap();
    let site = Site::new(dir.path(), well()).await;
    // The very first: the receiver is enrolled before the record, so it is nobody who hears nothing of the past.
    site.outbox(&site.receiver).enrol();
    site.write().await;
    // The second dies while its receiver takes it in.
    let hangs = Receiver::answering(vec![Answer::Hang]).await;
    let own = site.write().await.seq;
    let outbox = site.outbox(&hangs);
    let dying = tokio::spawn(async move { outbox.send(Some(own), LONG).await });
    hangs.has_seen(1).await;
    dying.abort();
    assert!(dying.await.unwrap_err().is_cancelled());
    let report = site.outbox(&site.receiver).send(None, LONG).await.unwrap().remove(0);
    assert_eq!((report.delivered, report.left), (2, 0));
    assert_eq!(seen(&site.receiver), written(&site.log, &[true, true]));
    assert_eq!(seen(&hangs)[0].1, seen(&site.receiver)[0].1, "the same record by the same hash");
}

#[tokio::test]
async fn one_tells_at_a_time_and_writing_waits_for_nobody_who_tells() {
    let dir = tempfile::tempdir().unwrap();
    let site = Site::new(dir.path(), well()).await;
    site.outbox(&site.receiver).enrol();
    let other = File::open(dir.path().join("decisions.notified.lock")).unwrap();
    other.lock().unwrap();
    let own = site.write().await.seq;
    let outbox = site.outbox(&site.receiver);
    let busy = outbox.send(Some(own), Duration::from_millis(50)).await.unwrap_err();
    assert!(matches!(busy, OutboxError::Busy { .. }), "{busy}");
    // Who waits sends once the other is done.
    let waiting = tokio::spawn(async move { outbox.send(Some(own), LONG).await });
    drop(other);
    assert_eq!(waiting.await.unwrap().unwrap()[0].delivered, 1);
    assert_eq!(seen(&site.receiver), written(&site.log, &[false]));
}

#[tokio::test]
async fn a_log_that_is_damaged_is_told_to_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let site = Site::new(dir.path(), well()).await;
    assert_eq!(site.command(&site.receiver).await, (1, 0));
    let text = std::fs::read_to_string(&site.log).unwrap();
    std::fs::write(&site.log, text.replace("\"no ", "\"on ")).unwrap();
    let error = site.outbox(&site.receiver).send(None, LONG).await.unwrap_err();
    assert!(matches!(error, OutboxError::Log(_)), "{error}");
    assert_eq!(site.receiver.seen().len(), 1);
}

#[tokio::test]
async fn a_disk_without_room_delays_no_delivery_and_loses_nothing() {
    let Some(disk) = SmallDisk::mount(64) else { return };
    let away = vec![Answer::status("503 Service Unavailable")];
    let site = Site::new(disk.path(), away).await;
    assert_eq!(site.command(&site.receiver).await, (0, 1));
    // No room for a cursor: what waits is delivered, and once more when there is room, by the same name.
    disk.fill();
    let back = Receiver::answering(well()).await;
    let report = site.outbox(&back).send(None, LONG).await.unwrap().remove(0);
    assert_eq!((report.delivered, report.left), (1, 0));
    // No room for a record either: that is said to whoever decides, and the receivers hear of no record that there is not.
    let mut written_before = 1;
    let error = loop {
        match site.try_write().await {
            // The rest of a page that the log has already.
            Ok(_) => written_before += 1,
            Err(error) => break error,
        }
    };
    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    assert!(cause.contains("No space left"), "{error}: {cause}");
    disk.make_room();
    let report = site.outbox(&back).send(None, LONG).await.unwrap().remove(0);
    assert_eq!((report.delivered, report.left), (written_before, 0));
    assert_eq!(site.command(&back).await, (1, 0));
    let records = told(&site.log);
    let name = |record: &Record| (record.seq, record.hash.to_string());
    let expected: Vec<_> = records.iter().take(1).chain(&records).map(name).collect();
    let arrived: Vec<_> = seen(&back).into_iter().map(|(seq, hash, _)| (seq, hash)).collect();
    assert_eq!(arrived, expected, "a repeat, and no gap");
}

//! Writers that die, meet each other, run out of room or of luck: what they leave is accepted or refused, never seeded anew.
#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use canary_core::engine::replay;
use canary_core::journal::{Entry, FileJournal, RolloutId, Writer, head_path, read, rollouts};
use canary_core::time::Timestamp;
use canary_core::traits::{Clock, Journal as _, JournalError, SystemClock};
use canary_seal::{Ed25519Seal, Finding, Fingerprint, HeadState, SigningKey, Verification, handover, verify};

fn key(byte: u8) -> SigningKey {
    SigningKey::new(&[byte; 32])
}

fn fingerprint(byte: u8) -> Fingerprint {
    Fingerprint::of(key(byte).public()).unwrap()
}

/// Opens a journal that nobody has. A process that another test starts has the lock, too, until it executes its program.
fn open(path: &Path, byte: u8) -> Result<FileJournal, JournalError> {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        match open_now(path, byte) {
            Err(JournalError::Locked { .. }) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(1));
            }
            opened => return opened,
        }
    }
}

fn open_now(path: &Path, byte: u8) -> Result<FileJournal, JournalError> {
    let writer =
        Writer { pid: std::process::id(), host: "h".into(), actor: "anna".into(), engine: "0".into() };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    FileJournal::open_sealed(path, &writer, [byte; 16], clock, Arc::new(Ed25519Seal::new(key(byte))))
}

fn settling() -> Entry {
    let rollout = RolloutId::new(Timestamp::from_millis(0), 7);
    Entry::Refused { rollout, actor: "anna".into(), reasons: vec!["a reason".into()] }
}

/// A record after which the head is not signed at once.
fn passing() -> Entry {
    let step = serde_json::from_str(r#"{"node":"b1","action":"drain","direction":"forward"}"#).unwrap();
    Entry::StepStarted { rollout: RolloutId::new(Timestamp::from_millis(0), 7), step }
}

fn sound(path: &Path, byte: u8) -> Verification {
    verify(path, &[], Some(fingerprint(byte))).unwrap().unwrap_or_else(|finding| panic!("{finding}"))
}

fn found(path: &Path, byte: u8) -> Finding {
    verify(path, &[], Some(fingerprint(byte))).unwrap().unwrap_err()
}

/// A journal with records after its head, as a writer leaves it that is killed.
async fn killed(dir: &Path) -> PathBuf {
    let path = dir.join("journal.jsonl");
    let journal = open(&path, 1).unwrap();
    journal.append(settling()).await.unwrap();
    let head = fs::read(head_path(&path)).unwrap();
    journal.append(passing()).await.unwrap();
    assert_eq!(fs::read(head_path(&path)).unwrap(), head, "a step's begin is signed with the next decision");
    drop(journal);
    assert_ne!(fs::read(head_path(&path)).unwrap(), head, "what is closed is signed");
    fs::write(head_path(&path), head).unwrap();
    path
}

#[tokio::test]
async fn records_after_the_head_are_accepted_and_signed() {
    let dir = tempfile::tempdir().unwrap();
    let path = killed(dir.path()).await;
    let HeadState::Signed(head) = sound(&path, 1).head else { panic!() };
    assert_eq!((head.size, head.trusted), (4, true));
    drop(open(&path, 1).unwrap());
    let after = sound(&path, 1);
    assert!(matches!(after.head, HeadState::Signed(head) if head.size == after.journal.records));
}

#[tokio::test]
async fn a_last_record_cut_at_any_byte_is_moved_aside_or_missed() {
    let dir = tempfile::tempdir().unwrap();
    let path = killed(dir.path()).await;
    let bytes = fs::read(&path).unwrap();
    let head = fs::read(head_path(&path)).unwrap();
    let begin = |bytes: &[u8]| bytes[..bytes.len() - 1].iter().rposition(|b| *b == b'\n').unwrap() + 1;
    let last = begin(&bytes);
    for cut in last + 1..bytes.len() {
        fs::write(&path, &bytes[..cut]).unwrap();
        fs::write(head_path(&path), &head).unwrap();
        assert_eq!(found(&path, 1), Finding::Torn { line: 5, bytes: (cut - last) as u64 });
        drop(open(&path, 1).unwrap());
        let records = read(&path).unwrap().records;
        assert!(matches!(records[4].entry, Entry::Recovered { .. }), "cut at {cut}");
    }
    // The record before it was signed.
    for cut in begin(&bytes[..last])..last {
        fs::write(&path, &bytes[..cut]).unwrap();
        fs::write(head_path(&path), &head).unwrap();
        let error = open(&path, 1).unwrap_err().to_string();
        assert!(error.contains("it has 3 records, 4 were signed: the end was cut off"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), &bytes[..cut], "it was written to");
        assert!(matches!(found(&path, 1), Finding::Record(damage) if damage.why.contains("knows record 3")));
    }
}

#[tokio::test]
async fn a_journal_from_before_there_were_heads_goes_on_under_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.jsonl");
    fs::write(&path, include_bytes!("before-heads.jsonl")).unwrap();
    let before = verify(&path, &[], None).unwrap().unwrap();
    assert_eq!((before.journal.records, before.head), (85, HeadState::Unsigned));
    assert!(matches!(found(&path, 1), Finding::Key { .. }), "who expects a key is told that there is none");
    let records = read(&path).unwrap().records;
    let views = rollouts(&records);
    assert_eq!(views.len(), 2);
    for view in views {
        let replayed = replay(&records, &view.id).unwrap();
        assert_eq!(replayed.divergence, None, "{}", view.id);
        assert!(replayed.decisions > 15, "{replayed:?}");
    }
    // Killed after the first head, before the record that names its key.
    let journal = open(&path, 1).unwrap();
    journal.append(settling()).await.unwrap();
    drop(journal);
    let after = sound(&path, 1);
    assert_eq!(after.journal.records, 85 + 3);
    assert!(matches!(read(&path).unwrap().records[85].entry, Entry::SigningKey { handover: None, .. }));
}

#[tokio::test]
async fn a_writer_killed_at_its_first_head_begins_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.jsonl");
    drop(open(&path, 1).unwrap());
    let lines: Vec<_> = fs::read_to_string(&path).unwrap().lines().map(|line| format!("{line}\n")).collect();
    let genesis = |head: Option<String>| {
        fs::write(&path, &lines[0]).unwrap();
        match head {
            Some(head) => fs::write(head_path(&path), head).unwrap(),
            None => fs::remove_file(head_path(&path)).unwrap(),
        }
    };
    // Before the head, and between it and the record that names the key.
    genesis(None);
    drop(open(&path, 1).unwrap());
    sound(&path, 1);
    let head = canary_core::journal::Head {
        log: read(&path).unwrap().records[0].log.clone(),
        size: 1,
        root: {
            let mut tree = canary_core::journal::Tree::default();
            tree.push(&read(&path).unwrap().records[0].hash);
            tree.root()
        },
    };
    genesis(Some(canary_core::journal::Seal::sign(&Ed25519Seal::new(key(1)), &head)));
    drop(open(&path, 1).unwrap());
    sound(&path, 1);
}

#[tokio::test]
async fn what_was_signed_is_never_seeded_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = killed(dir.path()).await;
    let (bytes, head) = (fs::read(&path).unwrap(), fs::read(head_path(&path)).unwrap());
    let refused = |why: &str| {
        let error = open(&path, 1).unwrap_err();
        assert!(matches!(error, JournalError::Head { .. }) && error.to_string().contains(why), "{error}");
    };
    fs::remove_file(head_path(&path)).unwrap();
    refused("its signed head");
    assert!(matches!(found(&path, 1), Finding::Head { why, .. } if why.contains("it is missing")));
    fs::write(head_path(&path), &head[..head.len() - 9]).unwrap();
    refused("it is no checkpoint");
    fs::write(head_path(&path), &head).unwrap();
    fs::write(&path, b"").unwrap();
    refused("it has 0 records, 4 were signed");
    fs::remove_file(&path).unwrap();
    refused("it is gone");
    assert!(!path.exists());
    fs::write(&path, &bytes).unwrap();
    let error = open(&path, 2).unwrap_err().to_string();
    assert!(error.contains("its heads are signed with the key ed25519:"), "{error}");
    drop(open(&path, 1).unwrap());
}

#[tokio::test]
async fn a_key_gives_way_to_another_and_both_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = killed(dir.path()).await;
    let journal = open(&path, 1).unwrap();
    let log = journal.records().await.unwrap()[0].log.clone();
    let seal = Arc::new(Ed25519Seal::new(key(2)));
    journal.hand_over(seal, handover(&log, &key(1), &key(2))).unwrap();
    drop(journal);
    sound(&path, 2);
    assert!(sound(&path, 1).journal.keys.len() == 2, "who knows the first key alone sees that it gave way");
    assert!(matches!(found(&path, 3), Finding::Key { why } if why.contains("not with")));
    assert!(open(&path, 1).is_err(), "the old key signs no more");
    drop(open(&path, 2).unwrap());
    // A handover that the old key did not sign.
    let journal = open(&path, 2).unwrap();
    let forged =
        canary_core::journal::Handover { from: key(2).public().into(), ..handover(&log, &key(9), &key(4)) };
    journal.hand_over(Arc::new(Ed25519Seal::new(key(4))), forged).unwrap();
    drop(journal);
    assert!(
        matches!(found(&path, 4), Finding::Record(damage) if damage.why.contains("did not sign the handover"))
    );
}

#[test]
fn a_second_writer_is_kept_out_and_leaves_the_head_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.jsonl");
    let first = open(&path, 1).unwrap();
    let head = fs::read(head_path(&path)).unwrap();
    assert!(matches!(open_now(&path, 1).unwrap_err(), JournalError::Locked { .. }));
    assert_eq!(fs::read(head_path(&path)).unwrap(), head);
    drop(first);
    drop(open(&path, 1).unwrap());
}

/// The variable that makes of the next test a writer which never ends by itself.
const WRITES_IN: &str = "CANARY_TEST_WRITES_IN";

#[tokio::test]
async fn kill_nine_at_any_moment_leaves_a_journal_that_goes_on() {
    if let Ok(path) = std::env::var(WRITES_IN) {
        let journal = open(Path::new(&path), 1).unwrap();
        loop {
            journal.append(passing()).await.unwrap();
            journal.append(settling()).await.unwrap();
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.jsonl");
    let size = || fs::metadata(&path).map_or(0, |meta| meta.len());
    for round in 0..12_u64 {
        let before = size();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill_nine_at_any_moment_leaves_a_journal_that_goes_on"])
            .env(WRITES_IN, &path)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        // Another moment every time: the file is some bytes longer.
        while size() < before + 1500 + 137 * round {
            assert!(
                Instant::now() < until && child.try_wait().unwrap().is_none(),
                "the writer wrote nothing"
            );
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let found = verify(&path, &[], Some(fingerprint(1))).unwrap();
        assert!(matches!(found, Ok(_) | Err(Finding::Torn { .. })), "round {round}: {found:?}");
    }
    drop(open(&path, 1).unwrap());
    assert!(sound(&path, 1).journal.records > 48);
}

#[tokio::test]
async fn a_full_disk_stops_the_writer_and_loses_nothing_that_was_confirmed() {
    let dir = tempfile::tempdir().unwrap();
    let disk = dir.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(&disk).output();
    if !mount.as_ref().is_ok_and(|out| out.status.success()) {
        eprintln!("skipped: a small disk needs root and mount(8): {mount:?}");
        return;
    }
    let path = disk.join("journal.jsonl");
    let journal = open(&path, 1).unwrap();
    let mut confirmed = 0;
    let error = loop {
        match journal.append(settling()).await {
            Ok(record) => confirmed = record.seq,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, JournalError::Io { .. }), "{error}");
    assert!(journal.append(settling()).await.is_err(), "it goes on after a failed write");
    drop(journal);
    let records = read(&path).unwrap().records;
    let verified = verify(&path, &[], Some(fingerprint(1))).unwrap();
    let unmounted = Command::new("umount").arg(&disk).status();
    assert!(unmounted.is_ok_and(|status| status.success()));
    assert!(records.last().is_some_and(|last| last.seq >= confirmed), "{} < {confirmed}", records.len());
    assert!(matches!(verified, Ok(_) | Err(Finding::Torn { .. })), "{verified:?}");
}

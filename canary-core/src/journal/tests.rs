//! The line's form, the chain, the file under damage.

use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Waker};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::time::Timestamp;
use crate::traits::{Clock, Journal, JournalError, SystemClock};

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}

fn writer(actor: &str) -> Writer {
    Writer { pid: 4711, host: "deploy-1".to_owned(), actor: actor.to_owned(), engine: "0.1.0".to_owned() }
}

fn refused(reason: &str) -> Entry {
    Entry::Refused {
        rollout: RolloutId::new(Timestamp::from_millis(0), 7),
        actor: "anna".to_owned(),
        reasons: vec![reason.to_owned()],
    }
}

async fn write_three(path: &Path) {
    let journal = FileJournal::open(path, &writer("anna"), [1; 16], clock()).unwrap();
    journal.append(refused("first \"quoted\" ümlaut\n")).await.unwrap();
}

#[tokio::test]
async fn a_written_journal_reads_back_and_its_hashes_are_plain_sha256() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deep/journal.jsonl");
    write_three(&path).await;
    let journal = read(&path).unwrap();
    let kinds: Vec<_> = journal.records.iter().map(|r| (r.seq, &r.entry)).collect();
    assert!(matches!(
        kinds.as_slice(),
        [(0, Entry::Genesis { .. }), (1, Entry::Opened { .. }), (2, Entry::Refused { .. })]
    ));
    let text = std::fs::read_to_string(&path).unwrap();
    for (line, record) in text.lines().zip(&journal.records) {
        let body = line.strip_prefix("{\"body\":").unwrap();
        let body = &body[..body.len() - 64 - ",\"hash\":\"\"}".len()];
        assert_eq!(crate::fleet::Digest::of(body.as_bytes()), record.hash);
    }
}

#[tokio::test]
async fn a_second_writer_is_told_who_the_first_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.jsonl");
    let first = FileJournal::open(&path, &writer("anna"), [1; 16], clock()).unwrap();
    let error = FileJournal::open(&path, &writer("ben"), [2; 16], clock()).unwrap_err();
    let JournalError::Locked { holder, .. } = &error else { panic!("{error}") };
    assert!(holder.starts_with("process 4711 on deploy-1, started by anna at 20"), "{holder}");
    drop(first);
    FileJournal::open(&path, &writer("ben"), [2; 16], clock()).unwrap();
}

/// A runtime with one thread for blocking work.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap()
}

#[test]
fn an_append_broken_off_is_not_overtaken_by_a_later_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.jsonl");
    let journal = FileJournal::open(&path, &writer("anna"), [1; 16], clock()).unwrap();
    let (slow, other) = (runtime(), runtime());
    let mut context = Context::from_waker(Waker::noop());
    let (free, busy) = std::sync::mpsc::channel::<()>();
    slow.spawn_blocking(move || busy.recv());
    {
        // Its write waits for the thread, nobody for the write.
        let _guard = slow.enter();
        assert!(journal.append(refused("broken off")).as_mut().poll(&mut context).is_pending());
    }
    let mut last = journal.append(refused("last"));
    {
        let _guard = other.enter();
        assert!(last.as_mut().poll(&mut context).is_pending());
    }
    // What the other runtime was given to write, it has written now.
    other.block_on(other.spawn_blocking(|| ())).unwrap();
    drop(free);
    other.block_on(last).unwrap();
    let records = read(&path).unwrap().records;
    let reasons = records.into_iter().filter_map(|record| match record.entry {
        Entry::Refused { reasons, .. } => Some(reasons.concat()),
        _ => None,
    });
    assert_eq!(reasons.collect::<Vec<_>>(), ["broken off", "last"]);
}

type Terms = serde_json::Map<String, Value>;
type Change = fn(&mut Terms);

/// Changes the lease as if its holder had not come to give it back.
fn abandon(journal: &Path, change: impl FnOnce(&mut Terms)) {
    let path = journal.with_extension("lease");
    let Value::Object(mut terms) = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap() else {
        panic!("a lease is an object")
    };
    terms["held"] = json!(true);
    change(&mut terms);
    std::fs::write(path, serde_json::to_vec(&terms).unwrap()).unwrap();
}

fn token(journal: &Path) -> u64 {
    let records = read(journal).unwrap().records;
    records
        .iter()
        .rev()
        .find_map(|r| if let Entry::Opened { token, .. } = r.entry { Some(token) } else { None })
        .unwrap()
}

#[tokio::test]
async fn a_lease_is_taken_over_from_the_certainly_dead_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.jsonl");
    let open = || FileJournal::open(&path, &writer("ben"), [2; 16], clock());
    write_three(&path).await;
    assert_eq!(token(&path), 1);
    drop(open().unwrap());
    assert_eq!(token(&path), 2, "given back, taken again");

    let alive = std::process::id();
    let dead: [(&str, Change); 3] = [
        ("no such process", |terms| terms["pid"] = json!(u32::MAX - 1)),
        ("its number is another process' now", |terms| {
            (terms["pid"], terms["started"]) = (json!(std::process::id()), json!(1));
        }),
        ("the machine was booted since", |terms| {
            (terms["pid"], terms["boot"]) = (json!(std::process::id()), json!("another"));
        }),
    ];
    for (i, (case, change)) in dead.into_iter().enumerate() {
        abandon(&path, change);
        drop(open().unwrap_or_else(|e| panic!("{case}: {e}")));
        assert_eq!(token(&path), 3 + i as u64, "{case}");
    }

    let parent = std::os::unix::process::parent_id();
    let stat = std::fs::read_to_string(format!("/proc/{parent}/stat")).unwrap();
    let started: u64 =
        stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().nth(19).unwrap().parse().unwrap();
    abandon(&path, |terms| (terms["pid"], terms["started"]) = (json!(parent), json!(started)));
    let error = open().unwrap_err().to_string();
    assert!(error.contains(&format!("is in use by process {parent} on deploy-1")), "{error}");
    abandon(&path, |terms| (terms["pid"], terms["machine"]) = (json!(alive), json!("elsewhere")));
    let error = open().unwrap_err().to_string();
    assert!(error.contains("on another machine") && error.contains("then remove"), "{error}");
    std::fs::remove_file(path.with_extension("lease")).unwrap();
    drop(open().unwrap());
    assert_eq!(token(&path), 6, "the journal knows the last token too");
    std::fs::write(path.with_extension("lease"), "{").unwrap();
    assert!(matches!(open().unwrap_err(), JournalError::Damaged { .. }));
}

#[tokio::test]
async fn who_was_replaced_writes_nothing_more() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.jsonl");
    let journal = FileJournal::open(&path, &writer("anna"), [1; 16], clock()).unwrap();
    abandon(&path, |terms| (terms["token"], terms["host"]) = (json!(9), json!("deploy-2")));
    let before = std::fs::read(&path).unwrap();
    let error = journal.append(refused("late")).await.unwrap_err();
    assert!(
        matches!(&error, JournalError::Fenced { why, .. } if why.contains("on deploy-2") && why.contains("token 9"))
    );
    abandon(&path, |terms| terms["token"] = json!(1));
    assert!(journal.append(refused("later")).await.is_err(), "fenced once is fenced for good");
    std::fs::remove_file(path.with_extension("lease")).unwrap();
    drop(journal);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert!(!path.with_extension("lease").exists(), "a lease that is not ours is not given back");
}

/// Lines as they were written before findings told their span, source, object, codes, queries, steps and grant, and grants their file.
const BEFORE_SPANS: &str = include_str!("tests/before-spans.jsonl");

#[tokio::test]
async fn lines_from_before_findings_said_more_still_read_verify_and_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.jsonl");
    std::fs::write(&path, BEFORE_SPANS).unwrap();
    let old = read(&path).unwrap();
    let Entry::GateReviewed { review, .. } = &old.records[2].entry else { panic!("{:?}", old.records) };
    let [finding] = review.findings.as_slice() else { panic!("{:?}", review.findings) };
    assert_eq!(
        (finding.place().as_str(), finding.rule.as_str()),
        ("migrations/2_drop.sql:3:5", "drop-column")
    );
    assert_eq!((finding.end_line, finding.end_column, finding.grant.as_str()), (0, 0, ""));
    assert!(finding.source.is_empty() && finding.steps.is_empty() && finding.sqlstates.is_empty());
    assert!(review.permit().is_some() && review.baseline.is_none());

    let journal = FileJournal::open(&path, &writer("ben"), [2; 16], clock()).unwrap();
    journal.append(refused("later")).await.unwrap();
    drop(journal);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with(BEFORE_SPANS), "what was written stays as it was");
    assert_eq!(read(&path).unwrap().records.len(), old.records.len() + 2);
    std::fs::write(&path, text.replace("drops column email", "drops column emai1")).unwrap();
    let error = read(&path).unwrap_err().to_string();
    assert!(error.contains("its hash does not match its body"), "{error}");
}

#[tokio::test]
async fn every_flipped_byte_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.jsonl");
    write_three(&path).await;
    let bytes = std::fs::read(&path).unwrap();
    let whole = read(&path).unwrap();
    for i in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[i] ^= 0x01;
        std::fs::write(&path, &changed).unwrap();
        // Only the very last line feed may vanish unnoticed: that is a torn line, which is reported as such.
        match read(&path) {
            Err(_) => {}
            Ok(journal) => {
                assert!(journal.torn > 0 && journal.records.len() < whole.records.len(), "byte {i}");
            }
        }
    }
}

#[tokio::test]
async fn a_line_cut_at_any_byte_is_moved_aside_and_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.jsonl");
    write_three(&path).await;
    let bytes = std::fs::read(&path).unwrap();
    let last = bytes[..bytes.len() - 1].iter().rposition(|b| *b == b'\n').unwrap() + 1;
    for cut in last + 1..bytes.len() {
        std::fs::write(&path, &bytes[..cut]).unwrap();
        drop(FileJournal::open(&path, &writer("anna"), [1; 16], clock()).unwrap());
        let journal = read(&path).unwrap();
        let [.., recovered, _opened] = journal.records.as_slice() else { panic!("too few records") };
        let Entry::Recovered { bytes: moved, moved_to } = &recovered.entry else { panic!("{recovered:?}") };
        assert_eq!(*moved, (cut - last) as u64);
        assert_eq!(std::fs::read(moved_to).unwrap(), &bytes[last..cut]);
    }
}

#[tokio::test]
async fn removed_swapped_and_foreign_lines_are_found_with_their_number() {
    let dir = tempfile::tempdir().unwrap();
    let (path, other) = (dir.path().join("a.jsonl"), dir.path().join("b.jsonl"));
    write_three(&path).await;
    let foreign = FileJournal::open(&other, &writer("mallory"), [9; 16], clock()).unwrap();
    drop(foreign);
    let lines: Vec<String> = std::fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
    let theirs: Vec<String> = std::fs::read_to_string(&other).unwrap().lines().map(str::to_owned).collect();
    let table: [(Vec<&String>, u64); 3] = [
        (vec![&lines[0], &lines[2]], 2),
        (vec![&lines[0], &lines[2], &lines[1]], 2),
        (vec![&lines[0], &theirs[1]], 2),
    ];
    for (kept, wrong) in table {
        let text: String = kept.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(&path, text).unwrap();
        let Err(JournalError::Damaged { line, .. }) = read(&path) else { panic!("not noticed") };
        assert_eq!(line, wrong);
        assert!(FileJournal::open(&path, &writer("anna"), [1; 16], clock()).is_err(), "was appended to");
    }
}

#[tokio::test]
async fn what_is_not_a_regular_file_is_refused() {
    for path in [Path::new("/dev/full"), Path::new("/dev/zero"), Path::new("/tmp")] {
        let error = FileJournal::open(path, &writer("anna"), [1; 16], clock()).unwrap_err();
        assert!(matches!(error, JournalError::Io { .. }), "{error}");
        assert!(matches!(read(path), Err(JournalError::Io { .. })));
    }
}

#[test]
fn numbers_that_readers_disagree_on_are_refused() {
    let mut out = String::new();
    canonical(&json!({"b": [1, "x"], "a": {"z": null, "y": true}}), &mut out).unwrap();
    assert_eq!(out, r#"{"a":{"y":true,"z":null},"b":[1,"x"]}"#);
    for bad in [json!(0.5), json!(9_007_199_254_740_993_u64), json!({"ä": 1})] {
        assert!(canonical(&bad, &mut String::new()).is_err(), "{bad} was accepted");
    }
}

fn arbitrary_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0_u64..(1 << 53)).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,6}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn the_form_reads_back_as_it_was(value in arbitrary_json()) {
        let mut text = String::new();
        canonical(&value, &mut text).unwrap();
        prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_line(&bytes);
        let mut framed = b"{\"body\":".to_vec();
        framed.extend(&bytes);
        framed.extend(b",\"hash\":\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"}");
        prop_assert!(parse_line(&framed).is_err());
    }
}

//! Every attack on a journal, against everything that may be on: what each measure finds, and what it misses.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use canary_core::fleet::Digest;
use canary_core::journal::{
    Decided, Decision, Entry, FileJournal, Guard, Head, Known, Line, Mark, RolloutId, Seal, Tree, Writer,
    head_path,
};
use canary_core::time::Timestamp;
use canary_core::traits::{Clock, Journal as _, JournalError, SystemClock};

use crate::{Ed25519Seal, Finding, Fingerprint, SigningKey, Verification, verify};

/// How many records the journal has, and after how many an anchor is delivered.
const RECORDS: usize = 40;
const EVERY: usize = 10;
/// The attacked record, and where a tail is cut: between the last two anchors.
const MIDDLE: usize = 13;
const CUT: usize = 35;

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}

fn seal(byte: u8) -> Arc<Ed25519Seal> {
    Arc::new(Ed25519Seal::new(SigningKey::new(&[byte; 32])))
}

fn key(byte: u8) -> Fingerprint {
    Fingerprint::of(seal(byte).key()).unwrap()
}

fn open(path: &Path, byte: u8) -> Result<FileJournal, JournalError> {
    guarded(path, byte, Vec::new())
}

/// As [`open`], by a writer that knows something of the journal from elsewhere.
fn guarded(path: &Path, byte: u8, known: Vec<Mark>) -> Result<FileJournal, JournalError> {
    let writer =
        Writer { pid: std::process::id(), host: "h".into(), actor: "anna".into(), engine: "0".into() };
    let guard = Guard { known, ..Guard::new(seal(byte)) };
    FileJournal::open_guarded(path, &writer, [byte; 16], clock(), guard)
}

/// What journals hold that are attacked, each by its file's name: rollouts and decisions.
type Journals = (&'static str, fn(usize) -> Entry);
const JOURNALS: [Journals; 2] = [("journal.jsonl", refused), ("decisions.jsonl", decided)];

fn refused(i: usize) -> Entry {
    let rollout = RolloutId::new(Timestamp::from_millis(0), 7);
    Entry::Refused { rollout, actor: "anna".into(), reasons: vec![format!("reason {i}")] }
}

fn decided(i: usize) -> Entry {
    Entry::Decided(Box::new(Decided {
        execution: format!("round-{i}"),
        evidence_sha256: Digest::of(&i.to_be_bytes()),
        reason: Some(format!("reason {i}")),
        ..canary_testkit::decided(Decision::Halt)
    }))
}

/// A journal as the program writes it, with copies of the file and its head as they were at [`CUT`].
struct Site {
    _dir: tempfile::TempDir,
    path: PathBuf,
    lines: Vec<String>,
    early: String,
    anchors: Vec<(u64, Digest)>,
}

async fn site((name, entry): Journals) -> Site {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    let journal = open(&path, 1).unwrap();
    let (mut early, mut anchors) = (String::new(), Vec::new());
    for i in journal.records().await.unwrap().len()..RECORDS {
        let record = journal.append(entry(i)).await.unwrap();
        if i + 1 == CUT {
            early = fs::read_to_string(head_path(&path)).unwrap();
        }
        if (i + 1) % EVERY == 0 {
            anchors.push((record.seq, record.hash));
        }
    }
    drop(journal);
    let lines = fs::read_to_string(&path).unwrap().split_inclusive('\n').map(str::to_owned).collect();
    Site { _dir: dir, path, lines, early, anchors }
}

/// A line with another body, under the hash that it has then.
fn with(line: &str, change: impl FnOnce(String) -> String) -> String {
    let body = line.strip_prefix("{\"body\":").and_then(|rest| rest.split_once(",\"hash\":\"")).unwrap().0;
    let body = change(body.to_owned());
    format!("{{\"body\":{body},\"hash\":\"{}\"}}\n", Digest::of(body.as_bytes()))
}

/// The lines from `from` on, each continuing the one before.
fn chained(lines: &[String], from: usize) -> Vec<String> {
    let mut out = lines[..from].to_vec();
    for (seq, line) in lines.iter().enumerate().skip(from) {
        let before = out.last().map(|line| Line::read(line.trim_end().as_bytes()).unwrap().hash.to_string());
        out.push(with(line, |body| {
            let mut value: serde_json::Value = serde_json::from_str(&body).unwrap();
            value["prev"] = before.unwrap_or_else(|| "0".repeat(64)).into();
            value["seq"] = seq.into();
            value.to_string()
        }));
    }
    out
}

/// The head over these lines, signed with a key.
fn head(lines: &[String], byte: u8) -> String {
    let mut tree = Tree::default();
    let hashes = lines.iter().map(|line| Line::read(line.trim_end().as_bytes()).unwrap().hash);
    hashes.for_each(|hash| tree.push(&hash));
    let log = Line::read(lines[0].trim_end().as_bytes()).unwrap().log.to_owned();
    seal(byte).sign(&Head { log, size: tree.size(), root: tree.root() })
}

/// A head with the right numbers and no valid signature: what somebody without the key can write.
fn unsigned(lines: &[String]) -> String {
    head(lines, 66)
}

/// What an attacker leaves: the lines and the head.
type Left = (Vec<String>, Option<String>);

/// Every row of the table: what is done, and which measures find it, in the order of [`MEASURES`].
fn attacks(site: &Site) -> Vec<(&'static str, Left, [bool; 6])> {
    let lines = &site.lines;
    let own = fs::read_to_string(head_path(&site.path)).unwrap();
    let swap = |i: usize, line: String| {
        lines
            .iter()
            .enumerate()
            .map(|(j, l)| if i == j { line.clone() } else { l.clone() })
            .collect::<Vec<_>>()
    };
    let other = |line: &str| line.replacen("reason 13", "reason 31", 1);
    let edited = swap(MIDDLE, other(&lines[MIDDLE]));
    let rehashed = swap(MIDDLE, with(&lines[MIDDLE], |body| other(&body)));
    let rechained = chained(&rehashed, MIDDLE + 1);
    let deleted = chained(&[&lines[..MIDDLE], &lines[MIDDLE + 1..]].concat(), MIDDLE);
    let cut = lines[..CUT].to_vec();
    let new = {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.jsonl");
        drop(open(&path, 66).unwrap());
        let mut lines: Vec<_> =
            fs::read_to_string(&path).unwrap().split_inclusive('\n').map(str::to_owned).collect();
        let last = lines.last().unwrap().clone();
        (lines.len()..RECORDS).for_each(|_| lines.push(last.clone()));
        chained(&lines, 3)
    };
    let suffix =
        chained(&swap(CUT, with(&lines[CUT], |body| body.replacen("reason 35", "reason 53", 1))), CUT + 1);
    let on = true;
    vec![
        ("edit the middle", (edited, Some(own.clone())), [on; 6]),
        ("edit the middle and its hash", (rehashed, Some(own.clone())), [false, on, on, on, on, on]),
        (
            "edit the middle, chain the rest anew",
            (rechained.clone(), Some(unsigned(&rechained))),
            [false, false, false, on, on, on],
        ),
        (
            "delete the middle, chain the rest anew",
            (deleted.clone(), Some(unsigned(&deleted))),
            [false, false, false, on, on, on],
        ),
        ("cut the tail, leave the head", (cut.clone(), Some(own)), [false, false, on, on, on, on]),
        (
            "cut the tail, write the head anew",
            (cut.clone(), Some(unsigned(&cut))),
            [false, false, false, on, on, on],
        ),
        (
            "put back an older file and its head",
            (cut.clone(), Some(site.early.clone())),
            [false, false, false, false, on, on],
        ),
        (
            "write a whole new file and head",
            (new.clone(), Some(head(&new, 66))),
            [false, false, false, on, on, on],
        ),
        ("delete both", (Vec::new(), None), [on; 6]),
        (
            "another suffix of the same length, with the stolen key",
            (suffix.clone(), Some(head(&suffix, 1))),
            [false, false, false, false, false, on],
        ),
        (
            "cut the tail, with the stolen key",
            (cut.clone(), Some(head(&cut, 1))),
            [false, false, false, false, on, on],
        ),
        ("nothing", (lines.clone(), Some(head(lines, 1))), [false; 6]),
    ]
}

/// What is on, each beside what stands before it; the last in the place of the one before.
const MEASURES: [&str; 6] = ["hash", "chain", "head", "signed head", "anchor by number", "anchor"];

fn found(site: &Site, (lines, head): &Left, measure: &str) -> bool {
    let read = |line: &String| Line::read(line.trim_end().as_bytes()).is_err();
    if measure == "hash" {
        return lines.is_empty() || lines.iter().any(read);
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.jsonl");
    fs::write(&path, lines.concat()).unwrap();
    let chain = |marks: &[Mark]| canary_core::journal::verify(lines.concat().as_bytes(), marks).unwrap();
    let root = |head: &String| {
        let (head, _) = crate::checkpoint::read(head).unwrap();
        Mark { log: Some(head.log), seq: head.size - 1, known: Known::Root(head.root), by: "head".into() }
    };
    let anchors = |hashed: bool| -> Vec<Mark> {
        let mark = |(seq, hash): &(u64, Digest)| {
            let there = lines.get(*seq as usize).and_then(|line| Line::read(line.trim_end().as_bytes()).ok());
            let known = if hashed { *hash } else { there.map_or(*hash, |line| line.hash) };
            Mark { log: None, seq: *seq, known: Known::Hash(known), by: "anchor".into() }
        };
        site.anchors.iter().map(mark).collect()
    };
    let sealed = |marks: &[Mark]| -> Result<Verification, Finding> {
        if let Some(head) = head {
            fs::write(head_path(&path), head).unwrap();
        }
        verify(&path, marks, Some(key(1))).unwrap()
    };
    match measure {
        "chain" => chain(&[]).is_err(),
        "head" => chain(&head.iter().map(root).collect::<Vec<_>>()).is_err(),
        "signed head" => sealed(&[]).is_err(),
        "anchor by number" => sealed(&anchors(false)).is_err(),
        _ => sealed(&anchors(true)).is_err(),
    }
}

#[tokio::test]
async fn what_each_measure_finds() {
    for journals in JOURNALS {
        let site = site(journals).await;
        for (attack, left, finds) in attacks(&site) {
            for (measure, expected) in MEASURES.iter().zip(finds) {
                assert_eq!(found(&site, &left, measure), expected, "{}: {attack}: {measure}", journals.0);
            }
        }
    }
}

/// Every byte of a record of decisions that is flipped is found; of a last record that is cut at any byte nobody goes on, since each decision
/// is signed at once.
#[tokio::test]
async fn every_flip_and_every_cut_of_decisions_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("decisions.jsonl");
    let journal = open(&path, 1).unwrap();
    for i in 0..2 {
        journal.append(decided(i)).await.unwrap();
    }
    drop(journal);
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&path, bytes).unwrap();
        assert!(verify(&path, &[], Some(key(1))).unwrap().is_err(), "byte {at}");
    }
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for cut in last..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        assert!(verify(&path, &[], Some(key(1))).unwrap().is_err(), "cut at {cut}");
        let error = open(&path, 1).unwrap_err();
        assert!(matches!(error, JournalError::Head { .. }), "cut at {cut}: {error}");
        assert_eq!(fs::read(&path).unwrap(), &whole[..cut], "it was written to");
    }
    fs::write(&path, &whole).unwrap();
    assert!(verify(&path, &[], Some(key(1))).unwrap().is_ok());
    drop(open(&path, 1).unwrap());
}

mod writers;

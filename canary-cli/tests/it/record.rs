//! The record by the real program: made, verified, anchored, damaged, handed over, decided again; and by programs that are not ours.

#![expect(clippy::unwrap_used, reason = "a test stops where its set-up fails")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A journal from before there were heads: two whole rollouts.
const BEFORE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../canary-seal/tests/before-heads.jsonl");
/// The verifier that is not ours.
const VERIFIER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/verify.py");

struct Site(tempfile::TempDir);

impl Site {
    /// A service whose journal has refusals, made by runs against nothing.
    fn new(runs: usize) -> Self {
        let site = Self(tempfile::tempdir().unwrap());
        fs::write(site.0.path().join("veza-api"), "a binary").unwrap();
        for _ in 0..runs {
            assert_eq!(code(&site.canary(&["run"])), 10, "nothing answers");
        }
        site
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_canary-cli"));
        let socket = |name: &str| self.0.path().join(name).display().to_string();
        command
            .args(arguments)
            .current_dir(self.0.path())
            .env_clear()
            .envs([
                ("HOME", "/nonexistent"),
                ("USER", "ada"),
                ("ARTIFACT", "veza-api"),
                ("PATH", "/usr/bin:/bin"),
            ])
            .env("CANARY_STATE_DIR", self.0.path().join("state"))
            .env("INCUS_SOCKET", socket("incus.sock"))
            .env("CANARY_HAPROXY_ADDRESS", format!("unix:{}", socket("haproxy.sock")))
            // Port 9 of this machine: nothing listens there.
            .envs([
                ("PROM_URL", "http://127.0.0.1:9"),
                ("LB_URL", "http://127.0.0.1:9"),
                ("CANARY_RETRY_BUDGET", "0s"),
            ]);
        command
    }

    fn canary(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join("state/api_pool").join(name)
    }

    fn journal(&self) -> PathBuf {
        self.file("journal.jsonl")
    }

    /// The one event of a command in JSON.
    fn json(&self, arguments: &[&str]) -> (Value, i32) {
        let output = self.canary(&[arguments, &["--output", "json"]].concat());
        (serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}")), code(&output))
    }
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What the verifier in Python says: its exit code, and the records, the last hash and the root.
fn python(journal: &Path, known: &[&str]) -> (i32, Vec<String>) {
    let output = Command::new("python3").arg(VERIFIER).arg(journal).args(known).output();
    let output = output.unwrap_or_else(|e| panic!("the independent verifier needs python3: {e}"));
    (code(&output), text(&output.stdout).split_whitespace().map(str::to_owned).collect())
}

#[test]
fn what_the_program_writes_holds_by_its_own_word_and_by_others() {
    let site = Site::new(2);
    let (found, code) = site.json(&["log", "verify"]);
    assert_eq!(
        (code, found["event"].as_str(), found["head"]["trusted"].as_bool()),
        (0, Some("verified"), Some(true))
    );
    let said = |key: &str| found[key].as_str().unwrap().to_owned();
    let records = found["records"].as_u64().unwrap().to_string();
    assert_eq!(python(&site.journal(), &[]), (0, vec![records, said("hash"), said("root")]));
    let human = text(&site.canary(&["log", "verify"]).stdout);
    assert!(human.contains(" holds: ") && human.contains("signed with the key "), "{human}");
    // By hand, as docs/record.md says.
    let by_hand = "sed -n 3p journal.jsonl | cut -b9- | head -c-76 | sha256sum; sed -n 3p journal.jsonl | tail -c68 | head -c65";
    let output = Command::new("sh").args(["-c", by_hand]).current_dir(site.file("")).output().unwrap();
    let output = text(&output.stdout);
    let mut lines = output.lines();
    let (made, named) = (lines.next().unwrap(), lines.next().unwrap());
    assert_eq!(made.split(' ').next().unwrap(), named.trim_matches('"'));
}

#[test]
fn what_was_changed_is_named_by_line_record_and_hash() {
    let site = Site::new(1);
    let whole = fs::read(site.journal()).unwrap();
    let at = whole.len() / 2;
    let line = whole[..at].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
    let mut changed = whole.clone();
    changed[at] ^= 0x01;
    fs::write(site.journal(), &changed).unwrap();
    let (found, code) = site.json(&["log", "verify"]);
    let damage = &found["finding"];
    assert_eq!(
        (code, damage["line"].as_u64(), damage["seq"].as_u64()),
        (40, Some(line), Some(line - 1)),
        "{found}"
    );
    assert_eq!(python(&site.journal(), &[]).0, 1);
    let refused = site.canary(&["run"]);
    assert_eq!(refused.status.code(), Some(40), "{refused:?}");
    assert_eq!(fs::read(site.journal()).unwrap(), changed, "it was appended to");
    // The end cut off: the chain holds, the head does not.
    let cut = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    fs::write(site.journal(), &whole[..cut]).unwrap();
    let output = site.canary(&["log", "verify"]);
    assert_eq!(output.status.code(), Some(40));
    assert!(text(&output.stderr).contains("its signed head knows record"), "{output:?}");
    assert_eq!(python(&site.journal(), &[]).0, 1);
    assert_eq!(site.canary(&["run"]).status.code(), Some(40));
    fs::write(site.journal(), &whole).unwrap();
    assert_eq!(site.json(&["log", "verify"]).1, 0);
}

#[test]
fn an_anchor_shows_an_older_journal_that_was_put_back() {
    let site = Site::new(1);
    let (journal, head) = (fs::read(site.journal()).unwrap(), fs::read(site.file("journal.head")).unwrap());
    let early = text(&site.canary(&["log", "anchor"]).stdout);
    assert!(early.starts_with("canary-anchor log="), "{early}");
    assert_eq!(code(&site.canary(&["run"])), 10);
    let late = text(&site.canary(&["log", "anchor"]).stdout);
    fs::write(site.0.path().join("ticket"), format!("noted by ben: {early}then: {late}")).unwrap();
    let (found, code) = site.json(&["log", "verify", "--anchor", "ticket"]);
    assert_eq!((code, found["anchors"].as_u64()), (0, Some(2)));
    fs::write(site.journal(), journal).unwrap();
    fs::write(site.file("journal.head"), head).unwrap();
    assert_eq!(site.json(&["log", "verify"]).1, 0, "the older one holds by itself");
    let mut child = site
        .command(&["log", "verify", "--anchor", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(late.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(40));
    assert!(text(&output.stderr).contains("standard input knows record"), "{output:?}");
    let hash = late.trim().rsplit_once('=').unwrap().1;
    let seq = late.split(' ').nth(2).unwrap().strip_prefix("seq=").unwrap();
    assert_eq!(python(&site.journal(), &[seq, hash]).0, 1);
}

/// Whoever deletes or sets back everything beside the journal does not reach the copy of its head.
#[test]
fn a_copy_of_the_head_shows_a_journal_that_was_deleted_or_set_back() {
    let site = Site::new(1);
    let elsewhere = site.0.path().join("elsewhere");
    let copied = |arguments: &[&str]| {
        let output = site.command(arguments).env("CANARY_HEAD_COPIES", &elsewhere).output().unwrap();
        (code(&output), text(&output.stdout) + &text(&output.stderr))
    };
    let files = [site.journal(), site.file("journal.head")];
    let read = || files.each_ref().map(|file| fs::read(file).unwrap());
    let write =
        |all: &[Vec<u8>; 2]| files.iter().zip(all).for_each(|(file, bytes)| fs::write(file, bytes).unwrap());
    let (_, doctor) = (0, text(&site.canary(&["doctor"]).stdout));
    assert!(doctor.contains("nothing is known of it beyond its own files"), "{doctor}");
    assert!(copied(&["doctor"]).1.contains("is no directory: no head is copied there"));
    fs::create_dir(&elsewhere).unwrap();
    assert_eq!(copied(&["run"]).0, 10, "nothing answers");
    let early = read();
    assert_eq!(fs::read(elsewhere.join("api_pool-journal.head")).unwrap(), early[1]);
    assert_eq!(copied(&["run"]).0, 10, "nothing answers");
    let late = read();

    write(&early);
    let (code, said) = copied(&["run"]);
    assert!(
        code == 40
            && said.contains("it ends with record ")
            && said.contains("keep what is there as evidence"),
        "{said}"
    );
    assert_eq!(read(), early, "it was written to");
    files.iter().for_each(|file| fs::remove_file(file).unwrap());
    let (code, said) = copied(&["run"]);
    assert!(code == 40 && said.contains("it is gone: ") && said.contains("api_pool-journal.head"), "{said}");
    assert!(!site.journal().exists(), "it was begun anew");
    write(&late);
    assert_eq!(copied(&["run"]).0, 10, "it is as new as its copy");
    assert!(copied(&["doctor"]).1.contains("api_pool-journal.head knows record "));
    fs::write(elsewhere.join("api_pool-journal.head"), "no head").unwrap();
    let (code, said) = copied(&["run"]);
    assert!(code == 10 && said.contains("has no anchor") && said.contains("state.head_copies"), "{said}");
}

#[test]
fn a_key_is_replaced_and_a_killed_replacement_finished() {
    let site = Site::new(1);
    let key = || site.json(&["log", "verify"]).0["head"]["key"].as_str().unwrap().to_owned();
    let (first, old) = (key(), fs::read(site.file("signing.key")).unwrap());
    assert_eq!(code(&site.canary(&["log", "rotate-key"])), 0);
    assert_ne!(key(), first);
    assert_eq!(site.json(&["log", "verify", "--key", &first]).1, 0, "the first key gave way to it");
    assert_eq!(site.json(&["log", "verify", "--key", &"0".repeat(64)]).1, 40);
    // Killed after the record and before the new key was in its place.
    fs::rename(site.file("signing.key"), site.file("signing.key-next")).unwrap();
    fs::write(site.file("signing.key"), old).unwrap();
    assert_eq!(code(&site.canary(&["run"])), 10);
    assert!(!site.file("signing.key-next").exists());
    assert_eq!(site.json(&["log", "verify"]).1, 0);
}

#[test]
fn a_journal_from_before_there_were_heads_is_decided_again_and_goes_on() {
    let site = Site::new(0);
    fs::create_dir_all(site.file("")).unwrap();
    fs::copy(BEFORE, site.journal()).unwrap();
    assert_eq!(python(&site.journal(), &[]).0, 0);
    let (found, code_) = site.json(&["log", "verify"]);
    assert_eq!((code_, found["records"].as_u64(), found["head"].is_null()), (0, Some(85), true));
    let replayed = site.canary(&["log", "replay"]);
    assert_eq!(code(&replayed), 0, "{replayed:?}");
    assert_eq!(text(&replayed.stdout).matches(" decisions, all as recorded").count(), 2, "{replayed:?}");
    // One of the two was taken back for its errors. With bounds above all of them it would have been watched on; with one below, both are taken back.
    let what_if =
        |bounds: &[&str]| text(&site.canary(&[&["log", "replay", "--what-if"], bounds].concat()).stdout);
    let lenient = what_if(&["--error-ratio-threshold", "1", "--p95-threshold", "60"]);
    assert!(
        lenient.contains("was       red after 2 probes") && lenient.contains("would be  open after 2"),
        "{lenient}"
    );
    assert!(lenient.contains("0 of 2 watches would have ended otherwise, 2 stay open"), "{lenient}");
    let strict = what_if(&["--p95-threshold", "0.0001"]);
    assert!(strict.contains("would be  red after 2 probes") && strict.contains("p95 0.01956"), "{strict}");
    assert!(strict.contains("1 of 2 watches would have ended otherwise, 0 stay open"), "{strict}");
    assert_eq!(code(&site.canary(&["run"])), 10);
    let (found, code_) = site.json(&["log", "verify"]);
    assert_eq!((code_, found["head"]["trusted"].as_bool()), (0, Some(true)), "{found}");
}

//! `status --watch` beside a real rollout of another process.

#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on fails it")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use canary_core::fleet::Artifact;
use canary_core::journal::{Entry, FileJournal, RolloutId, Writer};
use canary_core::plan::{Plan, Purpose};
use canary_core::spec::RolloutSpec;
use canary_core::traits::{Clock as _, Journal as _, SystemClock};

const PROGRAM: &str = env!("CARGO_BIN_EXE_canary-cli");

/// Ends the demo whatever becomes of the test.
struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        if self.0.try_wait().is_ok_and(|ended| ended.is_none()) {
            let _ = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status();
            let _ = self.0.wait();
        }
    }
}

fn until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "never {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn watch(state: &Path, rest: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["status", "--watch", "--service", "demo", "--state-dir"]).arg(state).args(rest);
    command.current_dir(state).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn ended(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8(output.stdout.clone()).unwrap())
}

#[test]
fn it_follows_one_rollout_after_the_other_and_ends_as_they_do() {
    let tmp = tempfile::tempdir().unwrap();
    let mut demo = Command::new(PROGRAM);
    demo.args(["demo", "--fault", "errors"]).env("TMPDIR", tmp.path());
    let demo = demo.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut demo = Demo(demo);
    let state: PathBuf = until("a journal", || {
        let dirs = std::fs::read_dir(tmp.path()).unwrap().flatten().map(|entry| entry.path());
        dirs.into_iter()
            .find(|dir| dir.join("demo/journal.jsonl").metadata().is_ok_and(|file| file.len() > 0))
    });
    let programs = watch(&state, &["--output", "json"]).spawn().unwrap();
    let interrupted = watch(&state, &[]).spawn().unwrap();
    let first = watch(&state, &["--exit-status"]).spawn().unwrap();
    until("a step in the journal", || {
        std::fs::read_to_string(state.join("demo/journal.jsonl"))
            .unwrap()
            .contains("step_started")
            .then_some(())
    });
    // By then it listens: it was started before the rollout.
    let killed = Command::new("kill").args(["-INT", &interrupted.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(interrupted.wait_with_output().unwrap().status.code(), Some(130));

    let (code, text) = ended(&first.wait_with_output().unwrap());
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("  stage  ") && text.contains("\ncompleted\n"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    let second = watch(&state, &["--exit-status"]).output().unwrap();
    let (code, text) = ended(&second);
    assert_eq!(code, Some(20), "{text}");
    assert!(
        text.contains("\nrolled back: demo-1: watch: error_ratio ") && !text.contains("\ncompleted\n"),
        "{text}"
    );

    let (code, text) = ended(&programs.wait_with_output().unwrap());
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (last, records) = lines.split_last().unwrap();
    assert_eq!((code, last["event"].as_str(), last["exit_code"].as_u64()), (Some(0), Some("end"), Some(0)));
    assert!(records.len() > 20 && records.iter().all(|line| line["event"] == "record"), "{text}");

    // Nothing is in progress any more: the last rollout is shown, and that is all.
    assert!(demo.0.wait().unwrap().success());
    let (code, text) = ended(&watch(&state, &["--exit-status"]).output().unwrap());
    assert_eq!(code, Some(20), "{text}");
    assert!(text.starts_with("rollout ") && text.contains("rolled back: "), "{text}");
    assert_eq!(ended(&watch(&state, &[]).output().unwrap()).0, Some(0));
    let (code, text) =
        ended(&watch(&state.join("elsewhere"), &["--exit-status"]).current_dir("/").output().unwrap());
    assert_eq!(code, Some(2), "{text}");
}

fn plan(dir: &Path) -> Plan {
    let binary = dir.join("binary");
    std::fs::write(&binary, "a binary").unwrap();
    Plan {
        purpose: Purpose::RollOut,
        spec: RolloutSpec::new(
            "demo".parse().unwrap(),
            "demo".parse().unwrap(),
            "b-2".parse().unwrap(),
            vec!["b-1".parse().unwrap()],
        ),
        artifact: Artifact::read(&binary).unwrap(),
        way_back: None,
        store: dir.join("store"),
        nodes: Vec::new(),
        steps: Vec::new(),
        weights: None,
        warnings: Vec::new(),
    }
}

/// An engine that was killed while it wrote a record.
#[tokio::test]
async fn it_ends_when_nobody_is_at_work_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("demo/journal.jsonl");
    let writer = Writer {
        pid: std::process::id(),
        host: "deploy".to_owned(),
        actor: "bob@deploy".to_owned(),
        engine: "0".to_owned(),
    };
    let journal = FileJournal::open(&path, &writer, [1; 16], Arc::new(SystemClock::new())).unwrap();
    let mut watch = watch(dir.path(), &["--exit-status"]).spawn().unwrap();
    let rollout = RolloutId::new(SystemClock::new().now(), 7);
    let (actor, plan) = ("bob@deploy".to_owned(), Box::new(plan(dir.path())));
    journal.append(Entry::Started { rollout, actor, reason: None, permit: None, plan }).await.unwrap();
    let mut out = BufReader::new(watch.stdout.take().unwrap());
    let mut text = String::new();
    out.read_line(&mut text).unwrap();
    assert!(text.starts_with("roll out "), "{text}");
    let torn = "{\"body\":{\"act";
    std::io::Write::write_all(
        &mut std::fs::File::options().append(true).open(&path).unwrap(),
        torn.as_bytes(),
    )
    .unwrap();
    drop(journal);
    out.read_to_string(&mut text).unwrap();
    assert_eq!(watch.wait().unwrap().code(), Some(130), "{text}");
    assert!(
        text.contains("not finished, and nobody is at work on it: `canary-cli resume` goes on"),
        "{text}"
    );
}

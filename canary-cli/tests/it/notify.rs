//! Notifications by the real program: a refused rollout is told once, and receivers change nothing about it.

#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on fails it")]

use std::net::TcpListener;
use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::alone::{program, said};
use crate::receiver::{Seen, receiver};

const SECRET: &str = "a-signing-secret-that-nobody-sees";
const TOKEN: &str = "T0000SECRETB0000SECRET";

fn told(output: &Output) -> String {
    said(output, &[SECRET, TOKEN])
}

fn bodies(seen: &Seen) -> Vec<Value> {
    let seen = seen.lock().unwrap();
    seen.iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect()
}

#[test]
fn a_refused_run_is_told_once_to_each_receiver() {
    let dir = tempfile::tempdir().unwrap();
    let (hook, seen) = receiver(true);
    let (slack, seen_by_slack) = receiver(true);
    std::fs::write(dir.path().join("slack"), format!("{slack}/services/{TOKEN}\n")).unwrap();
    let mut run = program(dir.path(), &["run"]);
    run.env("CANARY_NOTIFY_WEBHOOK_URL", format!("{hook}/canary"));
    run.env("CANARY_NOTIFY_WEBHOOK_SECRET", SECRET)
        .env("CANARY_NOTIFY_SLACK_URL_FILE", dir.path().join("slack"));
    let output = run.output().unwrap();
    let text = told(&output);
    assert_eq!(output.status.code(), Some(10), "{text}");
    assert!(!text.contains("did not arrive"), "{text}");
    let ends: Vec<_> = bodies(&seen).into_iter().filter(|body| body["type"] == "rollout.ended").collect();
    assert_eq!(ends.len(), 1, "{ends:?}");
    assert_eq!(ends[0]["data"]["outcome"], "refused");
    assert_eq!(ends[0]["data"]["exit_code"], 10);
    assert!(seen.lock().unwrap().iter().all(|request| request.head.contains("\r\nwebhook-signature: v1,")));
    let messages = bodies(&seen_by_slack);
    assert!(messages.last().unwrap()["text"].as_str().unwrap().contains("refused"), "{messages:?}");
    // A second run is a rollout of its own: its id is another, and nothing of the first is sent again.
    run.output().unwrap();
    let mut ids: Vec<_> = bodies(&seen).iter().map(|body| body["id"].to_string()).collect();
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all, "something was sent twice");
}

#[test]
fn a_dead_receiver_changes_neither_outcome_nor_lasts_longer_than_the_deadline() {
    let dir = tempfile::tempdir().unwrap();
    let (hook, seen) = receiver(false);
    let alone = program(dir.path(), &["run"]).output().unwrap();
    let mut run = program(dir.path(), &["run"]);
    run.env("CANARY_NOTIFY_WEBHOOK_URL", format!("{hook}/canary"));
    run.env("CANARY_NOTIFY_WEBHOOK_SECRET", SECRET).env("CANARY_NOTIFY_FLUSH_TIMEOUT", "100ms");
    let mut child =
        run.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    // A receiver that is waited for without end would hold the program here for good.
    let until = Instant::now() + Duration::from_secs(60);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > until {
            child.kill().unwrap();
            panic!("the program waits for a receiver that never answers");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    let text = told(&output);
    assert_eq!(output.status.code(), alone.status.code(), "{text}");
    assert!(text.contains("warning: webhook at http://127.0.0.1:"), "{text}");
    assert!(text.contains("when time was up"), "{text}");
    assert!(!seen.lock().unwrap().is_empty());
    // The receiver is back: the end that it missed comes late, with the next command's own.
    let (hook, seen) = receiver(true);
    let mut run = program(dir.path(), &["run"]);
    run.env("CANARY_NOTIFY_WEBHOOK_URL", hook).env("CANARY_NOTIFY_ON", "ends").output().unwrap();
    let late: Vec<_> = bodies(&seen).iter().map(|body| body["late"] == true).collect();
    assert_eq!(late, [true, false]);
}

#[test]
fn a_test_is_marked_and_a_secret_that_cannot_be_used_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (hook, seen) = receiver(true);
    let mut test = program(dir.path(), &["notify", "test"]);
    test.env("CANARY_NOTIFY_WEBHOOK_URL", &hook).env("CANARY_NOTIFY_CDEVENTS_URL", format!("{hook}/events"));
    let output = test.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let bodies = bodies(&seen);
    assert_eq!(bodies[0]["type"], "test");
    assert_eq!(bodies[1]["context"]["type"], "dev.cdeventsx.canary-rollout.tested.0.1.0");
    std::fs::write(dir.path().join("key"), "too-short").unwrap();
    let output = test.env("CANARY_NOTIFY_WEBHOOK_SECRET_FILE", dir.path().join("key")).output().unwrap();
    let text = told(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("notify.webhook_secret_file") && !text.contains("too-short"), "{text}");
    let nobody = program(dir.path(), &["notify", "test"]).output().unwrap();
    assert_eq!(nobody.status.code(), Some(2), "{}", told(&nobody));
}

#[test]
fn metrics_and_log_show_the_engine_itself() {
    let dir = tempfile::tempdir().unwrap();
    let prom = dir.path().join("canary.prom");
    // Somebody has the port already: that is a warning, too.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for count in 1..3 {
        let mut run = program(dir.path(), &["run", "--log", "warn"]);
        run.env("CANARY_METRICS_TEXTFILE", &prom).env("CANARY_METRICS_LISTEN", &address);
        let output = run.output().unwrap();
        let text = told(&output);
        assert_eq!(output.status.code(), Some(10), "{text}");
        assert!(text.contains("warning: telemetry.metrics_listen: cannot listen at "), "{text}");
        let page = std::fs::read_to_string(&prom).unwrap();
        let line = format!(
            "canary_rollouts_total{{service=\"api_pool\",purpose=\"roll_out\",outcome=\"refused\"}} {count}\n"
        );
        assert!(page.contains(&line), "no {line} in {page}");
    }
    // A file that cannot be written is a warning; the outcome stays.
    let output =
        program(dir.path(), &["run"]).env("CANARY_METRICS_TEXTFILE", dir.path().join("no/x.prom")).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(10));
    assert!(
        told(&output).contains("warning: telemetry.metrics_textfile: cannot write "),
        "{}",
        told(&output)
    );
}

/// What receivers were told of is known: the journal is not begun anew because somebody deleted it with its head.
#[test]
fn a_journal_that_receivers_were_told_of_is_not_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (url, seen) = receiver(true);
    let run = || program(dir.path(), &["run"]).env("CANARY_NOTIFY_WEBHOOK_URL", &url).output().unwrap();
    assert_eq!(run().status.code(), Some(10), "nothing answers");
    assert_eq!(seen.lock().unwrap().len(), 1);
    let file = |name: &str| dir.path().join("state/api_pool").join(name);
    let kept = ["journal.jsonl", "journal.head"].map(|name| (file(name), std::fs::read(file(name)).unwrap()));
    kept.iter().for_each(|(path, _)| std::fs::remove_file(path).unwrap());
    let refused = run();
    let text = told(&refused);
    assert_eq!(refused.status.code(), Some(40), "{text}");
    assert!(text.contains("it is gone: ") && text.contains("notified.json knows its record"), "{text}");
    assert!(!file("journal.jsonl").exists(), "it was begun anew");
    kept.iter().for_each(|(path, bytes)| std::fs::write(path, bytes).unwrap());
    assert_eq!(run().status.code(), Some(10), "it is there again");
    // Put away on purpose, with all that is known of it.
    for name in ["journal.jsonl", "journal.head", "notified.json"] {
        std::fs::rename(file(name), dir.path().join(name)).unwrap();
    }
    assert_eq!(run().status.code(), Some(10), "a new one begins");
}

//! Datadog's events by the real program: killed between a send and its answer, and what shows the keys.

#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on fails it")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

use canary_testkit::datadog::{API_KEY, DatadogServer, Exchange, Whim};

use crate::alone;

/// The program, which tells this Datadog.
fn program(dir: &Path, server: &DatadogServer, command: &[&str]) -> Command {
    let mut program = alone::program(dir, command);
    program.env("CANARY_NOTIFY_DATADOG_SITE", server.url());
    program.env("DD_API_KEY", API_KEY).env("CANARY_LOG", "trace");
    program
}

fn text(output: &Output) -> String {
    alone::said(output, &[API_KEY])
}

/// A record's number and hash: what names an event for good.
fn names(exchange: &Exchange) -> (u64, String) {
    (exchange.tag("canary_seq").unwrap().parse().unwrap(), exchange.tag("canary_hash").unwrap())
}

#[test]
fn killed_between_a_send_and_its_answer_the_next_command_sends_it_again_by_the_same_name() {
    let dir = tempfile::tempdir().unwrap();
    let server = DatadogServer::start(0).unwrap();
    server.next(Whim::Silence);
    let mut run = program(dir.path(), &server, &["run"]);
    let mut run = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    assert!(server.wait_until(|server| server.exchanges().len() == 1), "nothing was sent");
    let process = std::fs::read(format!("/proc/{}/cmdline", run.id())).unwrap();
    assert!(!String::from_utf8_lossy(&process).contains(API_KEY), "every process of the host could read it");
    // SIGKILL: the event is with Datadog, as far as anybody knows, and its answer never came.
    run.kill().unwrap();
    text(&run.wait_with_output().unwrap());
    let lost = names(&server.exchanges()[0]);

    let doctor = program(dir.path(), &server, &["doctor"]).output().unwrap();
    assert!(text(&doctor).contains("wait to be sent again"), "{}", text(&doctor));
    let flush = program(dir.path(), &server, &["notify", "flush"]).output().unwrap();
    assert_eq!(flush.status.code(), Some(0), "{}", text(&flush));
    let sent: Vec<_> = server.exchanges()[1..].iter().map(names).collect();
    assert_eq!(sent.first(), Some(&lost));
    assert!(sent.is_sorted(), "{sent:?}");
    let event = &server.exchanges()[1];
    assert_eq!((event.status, event.tag("late").as_deref()), (202, Some("true")));

    // What arrived stays arrived.
    let again = program(dir.path(), &server, &["notify", "flush"]).output().unwrap();
    assert!(text(&again).contains("0 delivered, 0 left"), "{}", text(&again));
    assert_eq!(server.exchanges().len(), 1 + sent.len());

    // What was delivered is an anchor that the journal is held against.
    let message = event.request["data"]["attributes"]["message"].as_str().unwrap().to_owned();
    std::fs::write(dir.path().join("delivered.txt"), message).unwrap();
    let verify =
        program(dir.path(), &server, &["log", "verify", "--anchor", "delivered.txt"]).output().unwrap();
    assert_eq!(verify.status.code(), Some(0), "{}", text(&verify));
    assert_eq!(alone::holding(dir.path(), &[API_KEY]), Vec::<String>::new());
}

#[test]
fn a_key_that_is_refused_is_said_and_shown_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let keys = tempfile::tempdir().unwrap();
    let server = DatadogServer::start(0).unwrap();
    let wrong = API_KEY.replace('0', "1");
    std::fs::write(keys.path().join("dd"), format!("DD_API_KEY={wrong}\n")).unwrap();
    let mut test = program(dir.path(), &server, &["notify", "test"]);
    let output = test.env("CANARY_NOTIFY_DATADOG_KEY_FILE", keys.path().join("dd")).output().unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(10), "{said}");
    assert!(
        said.contains("403") && said.contains("datadog at http://127.0.0.1:") && !said.contains(&wrong),
        "{said}"
    );
    let mut test = program(dir.path(), &server, &["notify", "test"]);
    let output = test.env_remove("DD_API_KEY").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    let output = program(dir.path(), &server, &["notify", "test"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(server.events().len(), 1);
}

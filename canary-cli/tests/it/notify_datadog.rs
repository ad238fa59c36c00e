//! Datadog's events by the real program: killed between a send and its answer, and what shows the keys.

#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on fails it")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

use canary_testkit::datadog::{API_KEY, DatadogServer, Exchange, Whim};

const PROGRAM: &str = env!("CARGO_BIN_EXE_canary-cli");

/// The program in a directory where nothing answers, so that every rollout is refused; Datadog is told.
fn program(dir: &Path, server: &DatadogServer, command: &[&str]) -> Command {
    std::fs::write(dir.join("release"), b"a release").unwrap();
    let mut program = Command::new(PROGRAM);
    program
        .args(command)
        .args(["--output", "plain"])
        .current_dir(dir)
        .env_clear()
        .env("PATH", "/usr/bin:/bin");
    program.env("CANARY_STATE_DIR", dir.join("state")).env("CANARY_RETRY_BUDGET", "0");
    program.env("ARTIFACT", dir.join("release")).env("INCUS_SOCKET", dir.join("no.socket"));
    program.env("CANARY_HAPROXY_ADDRESS", "unix:/nowhere.sock");
    program.env("LB_URL", "http://127.0.0.1:9").env("PROM_URL", "http://127.0.0.1:9");
    program
        .env("CANARY_NOTIFY_DATADOG_SITE", server.url())
        .env("DD_API_KEY", API_KEY)
        .env("CANARY_LOG", "trace");
    program
}

fn text(output: &Output) -> String {
    let [out, err] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(!out.contains(API_KEY) && !err.contains(API_KEY), "the key was shown: {out}{err}");
    out + &err
}

/// Every file below a directory that has the key in it.
fn with_key(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        if entry.path().is_dir() {
            found.extend(with_key(&entry.path()));
        } else if String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()).contains(API_KEY) {
            found.push(entry.path().display().to_string());
        }
    }
    found
}

fn tag(exchange: &Exchange, name: &str) -> Option<String> {
    let tags = exchange.request["data"]["attributes"]["tags"].as_array().unwrap();
    let tags = tags.iter().filter_map(|tag| tag.as_str());
    tags.filter_map(|tag| tag.split_once(':'))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned())
}

/// A record's number and hash: what names an event for good.
fn names(exchange: &Exchange) -> (u64, String) {
    (tag(exchange, "canary_seq").unwrap().parse().unwrap(), tag(exchange, "canary_hash").unwrap())
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
    assert_eq!((event.status, tag(event, "late").as_deref()), (202, Some("true")));

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
    assert_eq!(with_key(dir.path()), Vec::<String>::new());
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

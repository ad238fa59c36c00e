//! Decisions and the receivers that are told of them, by the real program: dead and alive again, killed, without room, and beside a watch.

#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on fails it")]

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use canary_testkit::SmallDisk;
use canary_testkit::datadog::{API_KEY, APP_KEY, DatadogServer, Exchange, Series, SeriesKind, Whim};
use serde_json::Value;

use crate::alone;
use crate::site::{Site, load};
use crate::tenants_datadog::{fill, now, policy};

/// An address where nobody listens.
fn nowhere() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Nothing of these is ever shown or kept.
const KEYS: &[&str] = &[API_KEY, APP_KEY];

/// The program; decisions are told to the Datadog at `port`.
fn program(dir: &Path, state: &Path, port: u16, command: &[&str]) -> Command {
    let mut program = alone::program_with(dir, state, command);
    program.env("CANARY_NOTIFY_DATADOG_SITE", format!("http://127.0.0.1:{port}"));
    program.env("DD_API_KEY", API_KEY).env("DD_APP_KEY", APP_KEY).env("CANARY_LOG", "trace");
    program.stdout(Stdio::piped()).stderr(Stdio::piped());
    program
}

fn told(mut program: Command) -> (Option<i32>, String) {
    let output = program.output().unwrap();
    (output.status.code(), alone::said(&output, KEYS))
}

/// A decision's number, hash, word, and whether it was told late.
type Name = (u64, String, String, bool);

/// What a receiver took.
fn taken(server: &DatadogServer) -> Vec<Name> {
    server.exchanges().iter().filter(|one| one.status == 202).map(name).collect()
}

fn name(exchange: &Exchange) -> Name {
    let tag = |key: &str| exchange.tag(key);
    let word = tag("decision").unwrap().to_uppercase();
    (tag("canary_seq").unwrap().parse().unwrap(), tag("canary_hash").unwrap(), word, tag("late").is_some())
}

/// The decisions of a log; the first `late` as they are told by a later command.
fn recorded(log: &Path, late: usize) -> Vec<Name> {
    let text = std::fs::read_to_string(log).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let decided = lines.iter().filter(|line| line["body"]["kind"] == "decided");
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    decided
        .enumerate()
        .map(|(i, line)| {
            let body = &line["body"];
            (body["seq"].as_u64().unwrap(), word(&line["hash"]), word(&body["decision"]), i < late)
        })
        .collect()
}

const CHECK: &[&str] = &["tenants", "check"];

#[test]
fn a_dead_receiver_changes_no_decision_and_hears_all_of_them_when_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let (state, port, metrics) = (dir.path().join("state"), nowhere(), DatadogServer::start(0).unwrap());
    std::fs::write(dir.path().join("sla.yaml"), policy(&metrics)).unwrap();
    let run = |command: &[&str]| told(program(dir.path(), &state, port, command));
    fill(&metrics, 0.0);
    let (code, text) = run(CHECK);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("APPROVE") && text.contains("emit_metrics_event"), "{text}");
    assert!(
        text.contains("1 of 1 notifications did not arrive") && text.contains("`notify flush`"),
        "{text}"
    );
    metrics.clear();
    fill(&metrics, 300.0);
    let (code, text) = run(CHECK);
    assert!(code == Some(20) && text.contains("ROLLBACK"), "{text}");
    let log = find(&state, "decisions.jsonl");
    let (_, text) = run(&["doctor"]);
    assert!(text.contains("2 decision(s) wait to be sent again"), "{text}");
    let (code, text) = run(&["notify", "flush"]);
    assert!(code == Some(10) && text.contains("0 delivered, 2 left"), "{text}");

    // It is back: everything in order, each with the number and the hash of its record.
    let receiver = DatadogServer::start(port).unwrap();
    let (code, text) = run(CHECK);
    assert!(code == Some(20) && text.contains("and 2 that waited"), "{text}");
    assert_eq!(taken(&receiver), recorded(&log, 2));
    let (code, text) = run(&["notify", "flush"]);
    assert!(code == Some(0) && text.contains("0 delivered, 0 left"), "{text}");

    // Killed between a send and its answer.
    receiver.next(Whim::Silence);
    let mut dying = program(dir.path(), &state, port, CHECK).spawn().unwrap();
    assert!(receiver.wait_until(|receiver| receiver.exchanges().len() == 4), "nothing was sent");
    dying.kill().unwrap();
    dying.wait().unwrap();
    let lost = name(&receiver.exchanges()[3]);
    let (code, text) = run(&["notify", "flush"]);
    assert!(code == Some(0) && text.contains("1 delivered, 0 left"), "{text}");
    let again = taken(&receiver).pop().unwrap();
    assert_eq!((again.0, &again.1, again.3), (lost.0, &lost.1, true));
    assert_eq!(
        taken(&receiver).iter().map(|one| one.0).collect::<Vec<_>>(),
        recorded(&log, 0).iter().map(|one| one.0).collect::<Vec<_>>()
    );

    // What it took is what the record is held against.
    let messages: Vec<_> = receiver
        .events()
        .iter()
        .map(|event| event["data"]["attributes"]["message"].as_str().unwrap().to_owned())
        .collect();
    std::fs::write(dir.path().join("delivered.txt"), messages.join("\n")).unwrap();
    let (code, text) = run(&["log", "verify", "--decisions", "--anchor", "delivered.txt"]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(alone::holding(dir.path(), KEYS), Vec::<String>::new());
}

/// The file of this name below a directory.
fn find(dir: &Path, name: &str) -> std::path::PathBuf {
    let inside = std::fs::read_dir(dir).unwrap().flatten().map(|entry| entry.path().join(name));
    inside.into_iter().find(|path| path.exists()).unwrap()
}

#[test]
fn without_room_nothing_is_approved_a_rollback_stands_and_what_waits_is_kept() {
    let Some(disk) = SmallDisk::mount(128) else { return };
    let dir = tempfile::tempdir().unwrap();
    let (port, metrics) = (nowhere(), DatadogServer::start(0).unwrap());
    std::fs::write(dir.path().join("sla.yaml"), policy(&metrics)).unwrap();
    let run = |command: &[&str]| told(program(dir.path(), disk.path(), port, command));
    fill(&metrics, 0.0);
    let (code, text) = run(CHECK);
    assert_eq!(code, Some(0), "{text}");
    let log = find(disk.path(), "decisions.jsonl");
    let before = recorded(&log, 1);
    disk.fill();
    let (code, text) = run(CHECK);
    assert_eq!(code, Some(10), "{text}");
    assert!(
        text.contains("nothing is approved, since it cannot be recorded")
            && text.contains("see that the disk is not full"),
        "{text}"
    );
    metrics.clear();
    fill(&metrics, 300.0);
    let (code, text) = run(CHECK);
    assert!(code == Some(20) && text.contains("ROLLBACK") && text.contains("not recorded in"), "{text}");
    assert_eq!(recorded(&log, 1), before, "and no half of a record");
    // Nobody hears of a decision that is on no record.
    let receiver = DatadogServer::start(port).unwrap();
    let (code, text) = run(CHECK);
    assert!(code == Some(20) && !text.contains("emit_metrics_event"), "{text}");
    assert_eq!(taken(&receiver), []);
    disk.make_room();
    let (code, text) = run(CHECK);
    assert_eq!(code, Some(20), "{text}");
    assert_eq!(taken(&receiver), recorded(&log, 1), "nothing is lost");
    let (code, text) = run(&["log", "verify", "--decisions"]);
    assert_eq!(code, Some(0), "{text}");
}

/// Series of the nodes of a site, a minute back and some minutes ahead: 20 requests a second, of the canary's this many fail.
fn nodes(server: &DatadogServer, failed: f64) {
    let points = |value: f64| (0..600).map(|n| (now() + 540_000 - n * 1000, value)).collect::<Vec<_>>();
    for host in ["api-1", "api-2", "api-3"] {
        let failed = if host == "api-3" { failed } else { 0.0 };
        let count = |status: &str, value| {
            let tags = [("host", host), ("status", status), ("service", "api")];
            Series::new(SeriesKind::Count, "http.requests", &tags, points(value))
        };
        let tags = [("host", host), ("service", "api")];
        server.add([
            count("200", 20.0 - failed),
            count("503", failed),
            Series::new(SeriesKind::Distribution, "http.request.duration", &tags, points(20.0)),
        ]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_by_a_datadog_whose_tenants_decide_tells_changes_alone() {
    let (site, datadog, receiver) =
        (Site::new(), DatadogServer::start(0).unwrap(), DatadogServer::start(0).unwrap());
    std::fs::write(site.path("sla.yaml"), policy(&datadog)).unwrap();
    let holder = site.serve(3).await;
    let load = load(&site, &["/"]).await;
    let run = |command: &[&str]| {
        let mut program = site.command(command);
        program.env("CANARY_WATCH_SOURCE", "datadog").env("CANARY_DATADOG_SITE", datadog.url());
        program.env("CANARY_DATADOG_NODE_TAG", "host").env("CANARY_DATADOG_LATENCY_UNIT", "ms");
        program.env("CANARY_DATADOG_REQUESTS_METRIC", "http.requests{service:api}");
        program.env("CANARY_DATADOG_LATENCY_METRIC", "http.request.duration{service:api}");
        program.env("CANARY_TENANTS_POLICY", "sla.yaml").env("CANARY_LOG", "trace");
        program.env("DD_API_KEY", API_KEY).env("DD_APP_KEY", APP_KEY);
        program.env("CANARY_NOTIFY_DATADOG_SITE", receiver.url());
        told(program)
    };
    let decisions = || {
        let all = receiver
            .exchanges()
            .into_iter()
            .filter(|one| one.request.to_string().contains("canary.health_check."));
        all.map(|one| name(&one)).collect::<Vec<_>>()
    };
    fill(&datadog, 0.0);
    nodes(&datadog, 0.0);
    site.release("v2", &[]);
    let (code, text) = run(&["run", "--artifact", "v2"]);
    assert_eq!(code, Some(0), "{text}");
    let log = site.path("state/api/decisions.jsonl");
    let (all, told) = (recorded(&log, 0), decisions());
    assert!(all.len() > 1 && all.iter().all(|one| one.2 == "APPROVE"), "{all:?}");
    assert_eq!(told, all[..1], "one decision, however many probes");

    // The nodes' own numbers take the next one back: the error ratio of the canary is asked of the same Datadog.
    nodes(&datadog, 10.0);
    site.release("v3", &[]);
    let (code, text) = run(&["run", "--artifact", "v3"]);
    assert!(code == Some(20) && text.contains("error_ratio"), "{text}");
    let journal = std::fs::read_to_string(site.path("state/api/journal.jsonl")).unwrap();
    assert!(
        journal.contains("sum:http.requests{service:api,status:5*,host:api-3}.as_count()"),
        "no evidence"
    );
    // And a tenant takes one back whose nodes are well.
    datadog.clear();
    fill(&datadog, 150.0);
    nodes(&datadog, 0.0);
    site.release("v4", &[]);
    let (code, text) = run(&["run", "--artifact", "v4"]);
    assert!(code == Some(20) && text.contains("acme"), "{text}");
    let last = decisions().pop().unwrap();
    assert_eq!(Some(&last), recorded(&log, 0).last());
    assert_eq!(last.2, "ROLLBACK");
    let (code, text) = run(&["log", "verify", "--decisions"]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(
        alone::holding(site.dir.path(), KEYS),
        Vec::<String>::new(),
        "journal, evidence and logs hold no key"
    );
    load.stop().await;
    assert_eq!(holder.end("TERM").code(), Some(0));
}

//! The engine's metrics as others read them: a file, a page, promtool.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use canary_core::engine::Outcome;
use canary_core::traits::{Event, EventSink as _};
use canary_notify::metrics::{Dialect, MetricsSink, listen};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::receiver::{ended, refusals};

fn sink() -> Arc<MetricsSink> {
    let records = refusals(3);
    let sink = Arc::new(MetricsSink::new("api", &records[..2], None));
    sink.emit(&Event::Recorded(&records[2]));
    sink
}

/// Every sample without a timestamp, by name and labels.
fn samples(page: &str) -> BTreeMap<String, String> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').map(|(k, v)| (k.to_owned(), v.to_owned())).unwrap()).collect()
}

#[test]
fn counters_come_from_the_whole_journal() {
    let page = samples(&sink().page(Dialect::Prometheus));
    let refused = r#"canary_rollouts_total{service="api",purpose="roll_out",outcome="refused"}"#;
    assert_eq!(page[refused], "3");
    assert_eq!(page[r#"canary_journal_records_total{service="api"}"#], "3");
    assert_eq!(page[r#"canary_last_rollout_outcome{service="api",outcome="refused"}"#], "1");
    assert_eq!(page[r#"canary_last_rollout_outcome{service="api",outcome="stuck"}"#], "0");
    assert_eq!(page[r#"canary_rollout_in_progress{service="api"}"#], "0");
    assert_eq!(page[r#"canary_last_record_timestamp_seconds{service="api"}"#], "1705329132");
}

#[test]
fn an_end_that_is_not_in_the_journal_counts_and_is_a_failure_of_the_journal() {
    let sink = sink();
    let record = ended(Outcome::Stuck { reason: "r".to_owned() });
    sink.emit(&Event::Unrecorded { entry: &record.entry, why: "no space left" });
    let page = samples(&sink.page(Dialect::Prometheus));
    assert_eq!(page[r#"canary_journal_append_failures_total{service="api"}"#], "1");
    assert_eq!(page[r#"canary_last_rollout_outcome{service="api",outcome="stuck"}"#], "1");
}

#[test]
fn both_forms_are_what_they_say() {
    let sink = sink();
    let open = sink.page(Dialect::OpenMetrics);
    assert!(open.ends_with("# EOF\n") && open.contains("# TYPE canary_rollouts counter\n"), "{open}");
    let text = sink.page(Dialect::Prometheus);
    assert!(text.contains("# TYPE canary_rollouts_total counter\n") && !text.contains("# EOF"), "{text}");
    let parsed = prometheus_parse::Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).unwrap();
    assert!(parsed.samples.iter().any(|sample| sample.metric == "canary_rollouts_total"));
    let mut tool = Command::new("promtool");
    tool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut tool) = tool.spawn() else {
        println!("skipped: no promtool");
        return;
    };
    tool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let said = tool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
    assert_eq!(said, "", "promtool has something to say of {text}");
}

#[test]
fn the_file_is_replaced_whole_and_everybody_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("canary.prom");
    let sink = sink();
    for _ in 0..2 {
        sink.write(&path).unwrap();
    }
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o444, 0o444, "{mode:o}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), sink.page(Dialect::Prometheus));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "the neighbour was left");
    let error = sink.write(&dir.path().join("no/such.prom")).unwrap_err();
    assert!(error.to_string().starts_with("cannot write "), "{error}");
}

#[tokio::test]
async fn the_file_follows_what_happens() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("canary.prom");
    let sink = sink();
    let writing = tokio::spawn(Arc::clone(&sink).keep_written(path.clone()));
    let until = tokio::time::Instant::now() + Duration::from_secs(30);
    while !path.exists() {
        assert!(tokio::time::Instant::now() < until, "nothing was written");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    writing.abort();
}

async fn get(address: std::net::SocketAddr, request: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn scrapers_get_the_form_they_ask_for() {
    let sink = sink();
    let server = listen("127.0.0.1:0".parse().unwrap(), Arc::clone(&sink)).await.unwrap();
    let ask = |line: &str, accept: &str| {
        format!("{line} HTTP/1.1\r\nhost: x\r\naccept: {accept}\r\nconnection: close\r\n\r\n")
    };
    let text = get(server.address(), &ask("GET /metrics", "*/*")).await;
    assert!(text.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{text}");
    assert!(text.ends_with(&sink.page(Dialect::Prometheus)));
    let accept = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
    let open = get(server.address(), &ask("GET /metrics", accept)).await;
    assert!(open.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"));
    assert!(open.ends_with("# EOF\n"));
    assert!(get(server.address(), &ask("GET /", "*/*")).await.starts_with("HTTP/1.1 404"));
    assert!(get(server.address(), &ask("POST /metrics", "*/*")).await.starts_with("HTTP/1.1 405"));
    let garbage = get(server.address(), "\u{1}\u{2}garbage\r\n\r\n").await;
    assert!(garbage.is_empty() || garbage.starts_with("HTTP/1.1 400"), "{garbage}");
    // A second server cannot have the same place, and says so.
    assert!(listen(server.address(), sink).await.is_err());
}

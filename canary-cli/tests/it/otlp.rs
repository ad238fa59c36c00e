//! Spans by OTLP, as a collector gets them from the real program.

#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on fails it")]

use canary_demo::service::Fault;
use serde_json::Value;

use crate::receiver::{Seen, receiver};
use crate::site::{Site, load, said};

/// All spans of a run, as JSON.
fn spans(seen: &Seen) -> Vec<Value> {
    let each = |resource: &Value| resource["scopeSpans"].as_array().unwrap().clone();
    let seen = seen.lock().unwrap();
    let requests = seen.iter().map(|request| serde_json::from_slice::<Value>(&request.body).unwrap());
    let scopes = requests.flat_map(|request| {
        request["resourceSpans"].as_array().unwrap().iter().flat_map(each).collect::<Vec<_>>()
    });
    scopes.flat_map(|scope| scope["spans"].as_array().unwrap().clone()).collect()
}

fn attribute<'a>(span: &'a Value, name: &str) -> &'a str {
    let all = span["attributes"].as_array().unwrap();
    let found = all.iter().find(|attribute| attribute["key"] == name);
    found.map_or("", |attribute| attribute["value"]["stringValue"].as_str().unwrap())
}

fn names(spans: &[Value]) -> Vec<&str> {
    spans.iter().map(|span| span["name"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollout_is_a_trace_and_each_step_a_span_in_it() {
    let site = Site::new();
    let holder = site.serve(3).await;
    let (url, seen) = receiver(true);
    site.release("v2", &[]);
    let mut run = site.command(&["run", "--artifact", "v2", "--window", "0", "--output", "plain"]);
    run.env("OTEL_EXPORTER_OTLP_ENDPOINT", &url).env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json");
    run.env("OTEL_EXPORTER_OTLP_HEADERS", "x-token=sesame")
        .env("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=lab");
    let (code, text) = said(&run.output().unwrap());
    assert_eq!(code, Some(0), "{text}");
    assert!(!text.contains("warning"), "{text}");
    for head in seen.lock().unwrap().iter().map(|request| &request.head) {
        assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("\r\nx-token: sesame") && head.contains("application/json"), "{head}");
    }
    let resource =
        &serde_json::from_slice::<Value>(&seen.lock().unwrap()[0].body).unwrap()["resourceSpans"][0];
    assert_eq!(attribute(&resource["resource"], "service.name"), "canary");
    assert_eq!(attribute(&resource["resource"], "deployment.environment.name"), "lab");

    let spans = spans(&seen);
    let (roots, steps): (Vec<_>, Vec<_>) = spans.iter().cloned().partition(|span| span["name"] == "rollout");
    let [root] = roots.as_slice() else { panic!("{:?}", names(&roots)) };
    assert_eq!(attribute(root, "canary.outcome"), "completed");
    // What the program says it did is what the spans say.
    let done: Vec<_> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace().skip(1);
            let (node, action, time) = (words.next()?, words.next()?, words.next()?);
            time.strip_suffix('s')?.parse::<f64>().ok()?;
            Some((node.trim_start_matches('-').to_owned(), action.to_owned()))
        })
        .collect();
    let sent: Vec<_> = steps
        .iter()
        .map(|span| (attribute(span, "canary.node").to_owned(), span["name"].as_str().unwrap().to_owned()))
        .collect();
    assert!(done.len() > 15, "{text}");
    assert_eq!(sent, done);
    for step in &steps {
        assert_eq!((&step["traceId"], &step["parentSpanId"]), (&root["traceId"], &root["spanId"]), "{step}");
        assert_eq!(attribute(step, "canary.rollout"), attribute(root, "canary.rollout"));
        assert_ne!(step["status"]["code"], 2, "{step}");
    }
    assert_eq!(holder.end("TERM").code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_step_and_its_way_back_are_told_in_protobuf() {
    let site = Site::new();
    let holder = site.serve(3).await;
    let (url, seen) = receiver(true);
    site.release("bad", &[Fault::Crash]);
    let mut run = site.command(&["run", "--artifact", "bad", "--health-timeout", "6s", "--output", "plain"]);
    run.args(["--otlp-endpoint", &format!("{url}/")]);
    let (code, text) = said(&run.output().unwrap());
    assert_eq!(code, Some(20), "{text}");
    let seen = seen.lock().unwrap();
    assert!(seen.iter().all(|request| request.head.contains("content-type: application/x-protobuf")));
    let all: Vec<u8> = seen.iter().flat_map(|request| request.body.clone()).collect();
    let holds = |text: &str| all.windows(text.len()).any(|window| window == text.as_bytes());
    for text in ["back: install", "canary.result", "failed", "rolled back", "service.version"] {
        assert!(holds(text), "no {text}");
    }
    assert_eq!(holder.end("TERM").code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_or_silent_changes_nothing() {
    let site = Site::new();
    let holder = site.serve(3).await;
    let load = load(&site, &["/"]).await;
    let (silent, seen) = receiver(false);
    for (version, endpoint, words) in [
        ("v2", "http://127.0.0.1:9", "spans did not arrive at http://127.0.0.1:9/v1/traces: "),
        ("v3", silent.as_str(), "spans did not arrive at http://127.0.0.1:"),
        // What other programs understand by the variable.
        ("v4", "localhost:4317", "environment variable OTEL_EXPORTER_OTLP_ENDPOINT is not used: "),
    ] {
        site.release(version, &[]);
        let mut run = site.command(&["run", "--artifact", version, "--window", "0", "--output", "plain"]);
        let (code, text) = said(&run.env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint).output().unwrap());
        assert!(code == Some(0) && text.contains("\ncompleted\n"), "{text}");
        assert_eq!(text.matches("warning: ").count(), 1, "{text}");
        assert!(text.contains(words), "{text}");
    }
    assert!(!seen.lock().unwrap().is_empty());
    let summary = load.stop().await;
    assert_eq!(summary.failed_total, 0, "{summary}");
    assert_eq!(holder.end("TERM").code(), Some(0));
}

//! Our reading of a page against Prometheus's own: the same samples, or the same refusal.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use canary_http::{HttpClient, Method};
use canary_prom::exposition::{Format, parse};
use serde_json::Value;

use crate::pages::serve;
use crate::prometheus::{Job, Prometheus, until};

/// Whether the two readers are meant to agree on a page.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Meant {
    /// Both read it, alike.
    Same,
    /// Both refuse it.
    Refused,
    /// Only we refuse it: what Prometheus guesses or cannot know.
    Stricter,
    /// Only we read it: the format's documentation allows it, Prometheus 2.42 does not read it (blanks that lead a
    /// sample) or not yet (quoted names).
    Wider,
}
use Meant::{Refused, Same, Stricter, Wider};

const TEXT: [(Meant, &str); 55] = [
    (Same, "a 1\n"),
    (Same, "a NaN\n"),
    (Same, "a nan\n"),
    (Same, "a +Inf\nb -Inf\nc inf\nd Infinity\n"),
    (Same, "a 1e-05\nb 1E5\nc .5\nd 5.\ne +7\nf -0.25\n"),
    (Same, "a 0.1234567890123456789\nb 123456789012345678901234567890\n"),
    (Same, "a\t1\t\n"),
    (Same, "a  1  \n"),
    (Same, " # HELP a b\na 1\n"),
    (Same, "a 1 NOW  \n"),
    (Wider, " a 1\n"),
    (Same, "a{} 1\n"),
    (Same, "a{b=\"1\"}2\n"),
    (Same, "a {b=\"1\"} 2\n"),
    (Same, "a{ b = \"1\" , c = \"2\" , } 2\n"),
    (Same, "a{b=\"1,c=2\"} 2\n"),
    (Same, "a{b=\"x=y\",c=\"d\"} 2\n"),
    (Same, "a{path=\"/users/{id}\"} 2\n"),
    (Same, "a{b=\"\\\\ \\\" \\n\"} 2\n"),
    (Same, "a{b=\"\\d\\t\"} 2\n"),
    (Same, "a{b=\"# 1 } \"} 2\n"),
    (Same, "a{b=\"\"} 2\n"),
    (Same, "a{b=\"日本\"} 2\n"),
    (Same, "job:a:rate5m 1\n"),
    (Same, "# a comment\n#\n#x\n\n# HELP a b {\n# HELP b\n# TYPE a counter\na 1\n"),
    (
        Same,
        "# TYPE h histogram\nh_bucket{p=\"a,b\",le=\"1\"} 1\nh_bucket{p=\"a,c\",le=\"1\"} 2\nh_sum 1\nh_count 3\n",
    ),
    (Same, "# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 1\ns_count 2\n"),
    (Same, "# TYPE a untyped\na 1\n# EOF\nb 2\n"),
    (Same, "a 1 NOW\n"),
    (Same, ""),
    (Same, "\n\n"),
    (Refused, "a\n"),
    (Refused, "a 1\n<html>\n"),
    (Refused, "1a 1\n"),
    (Refused, "a one\n"),
    (Refused, "a 0x1p4\n"),
    (Refused, "a 1_000\n"),
    (Refused, "a 1e999\n"),
    (Refused, "a +NaN\n"),
    (Refused, "a 1\r\n"),
    (Refused, "a 1 1.5\n"),
    (Refused, "a 1 -5\n"),
    (Refused, "a 1 2 3\n"),
    (Refused, "a 1 # {b=\"c\"} 1\n"),
    (Refused, "a{b=\"1\"\n"),
    (Refused, "a{b=\"1} 2\n"),
    (Refused, "a{b=1} 2\n"),
    (Refused, "a{b} 2\n"),
    (Refused, "a{,} 2\n"),
    (Stricter, "a{b=\"1\" c=\"2\"} 2\n"),
    (Refused, "# TYPE a number\na 1\n"),
    (Refused, "a{b=\"1\",b=\"2\"} 2\n"),
    (Stricter, "a 1\nb 2"),
    (Stricter, "a{b=\"1\n2\"} 1\n"),
    (Wider, "{\"my.metric\", \"a.b\"=\"c\"} 1\n"),
];

const OPEN_METRICS: [(Meant, &str); 14] = [
    (Same, "# TYPE x counter\nx_total 1\n# EOF\n"),
    (Same, "x_total 1 SECONDS\n# EOF\n"),
    (Same, "x_total 1 SECONDS.5\n# EOF\n"),
    (Same, "# TYPE x histogram\nx_bucket{le=\"+Inf\"} 3 # {trace_id=\"a b\"} 0.5 1705329130.1\n# EOF\n"),
    (Same, "x_bucket{le=\"1.0\"} 3 # {} 0.5\n# EOF\n"),
    (Same, "# HELP x_seconds y\n# TYPE x_seconds gauge\n# UNIT x_seconds seconds\nx_seconds 1\n# EOF\n"),
    (Same, "# TYPE y stateset\ny{y=\"a\"} 1\n# TYPE z info\nz_info{v=\"1\"} 1\n# EOF\n"),
    (Same, "x 1\n# EOF"),
    (Refused, "x 1\n"),
    (Refused, "x 1\n# EOF\ny 1\n"),
    (Refused, "x one\n# EOF\n"),
    (Refused, "x 1 # \n# EOF\n"),
    (Refused, "# TYPE x number\nx 1\n# EOF\n"),
    (Refused, "x{b=\"c\"\n# EOF\n"),
];

/// A sample: all labels (the name as `__name__`), the value as text, and the time if the page gives one.
type Seen = (BTreeMap<String, String>, String, Option<i64>);

fn ours(page: &str, format: Format) -> Option<Vec<Seen>> {
    let samples = parse(page.as_bytes(), format).ok()?;
    let mut seen: Vec<Seen> = samples
        .into_iter()
        .map(|sample| {
            // Prometheus holds an empty label for one that is not there.
            let mut labels: BTreeMap<_, _> =
                sample.labels.into_iter().filter(|(_, v)| !v.is_empty()).collect();
            labels.insert("__name__".to_owned(), sample.name);
            (labels, sample.value.to_string(), sample.timestamp_ms)
        })
        .collect();
    seen.sort();
    Some(seen)
}

async fn ask(client: &HttpClient, promql: &str) -> Vec<Value> {
    let query: String = promql.bytes().map(|b| format!("%{b:02X}")).collect();
    let request = client.request(Method::GET, &format!("/api/v1/query?query={query}"));
    let mut reply: Value = client.send("query", request).await.unwrap().json("query").unwrap();
    serde_json::from_value(reply["data"]["result"].take()).unwrap()
}

/// What Prometheus stored of a job's last scrape; times only where the page gives them.
async fn theirs(client: &HttpClient, job: &str, with_times: bool) -> Vec<Seen> {
    let mut seen = Vec::new();
    for series in ask(client, &format!("{{job=\"{job}\",__name__!~\"up|scrape_.*\"}}[5m]")).await {
        let mut labels: BTreeMap<String, String> = serde_json::from_value(series["metric"].clone()).unwrap();
        labels.remove("job");
        labels.remove("instance");
        let (time, value): (f64, String) =
            serde_json::from_value(series["values"].as_array().unwrap()[0].clone()).unwrap();
        let value: f64 = value.parse().unwrap();
        seen.push((labels, value.to_string(), with_times.then_some((time * 1000.0).round() as i64)));
    }
    seen.sort();
    seen
}

#[tokio::test]
async fn every_construct_is_read_as_prometheus_reads_it() {
    let ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let times =
        |page: &str| page.replace("NOW", &ms.to_string()).replace("SECONDS", &(ms / 1000).to_string());
    let text = TEXT.iter().map(|(meant, page)| (*meant, times(page), Format::Text));
    let open = OPEN_METRICS.iter().map(|(meant, page)| (*meant, times(page), Format::OpenMetrics));
    let cases: Vec<_> = text.chain(open).collect();
    let pages = cases.clone();
    let address = serve(move |path, _| {
        let (_, page, format) = &pages[path.trim_start_matches('/').parse::<usize>().unwrap()];
        let content_type = match format {
            Format::Text => "text/plain; version=0.0.4",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        };
        ("200 OK", content_type.to_owned(), page.clone().into_bytes())
    })
    .await;
    let job = |i| Job {
        name: format!("c{i}"),
        address: address.clone(),
        path: format!("/{i}"),
        instance: "x".to_owned(),
    };
    let Some(server) = Prometheus::start(&(0..cases.len()).map(job).collect::<Vec<_>>()).await else {
        return;
    };
    let client = HttpClient::builder("test").base_url(&server.url).build().unwrap();
    until("all pages are scraped", async || match ask(&client, "up").await.len() {
        all if all == cases.len() => Ok(()),
        some => Err(format!("{some} of {}", cases.len())),
    })
    .await;
    let mut apart = Vec::new();
    for (i, (meant, page, format)) in cases.iter().enumerate() {
        let up = ask(&client, &format!("max_over_time(up{{job=\"c{i}\"}}[5m])")).await;
        let accepted = up[0]["value"][1] == "1";
        let ours = ours(page, *format);
        let got = (accepted, ours.is_some());
        let expected = match meant {
            Same => (true, true),
            Refused => (false, false),
            Stricter => (true, false),
            Wider => (false, true),
        };
        if got != expected {
            apart.push(format!("{meant:?} {format:?} {page:?}: (Prometheus, we) read it: {got:?}"));
            continue;
        }
        if let (Same, Some(ours)) = (meant, ours) {
            let timed = ours.iter().any(|(_, _, time)| time.is_some());
            let theirs = theirs(&client, &format!("c{i}"), timed).await;
            if theirs != ours {
                apart.push(format!("{page:?}: Prometheus {theirs:?}, we {ours:?}"));
            }
        }
    }
    assert!(apart.is_empty(), "{}", apart.join("\n"));
}

//! The conformance suite on a real Prometheus, and on metrics pages.
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a bench fails its case")]

#[path = "wire/pages.rs"]
mod pages;
#[path = "wire/prometheus.rs"]
mod prometheus;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use canary_core::analysis::Ratio;
use canary_core::fleet::NodeId;
use canary_core::traits::{CounterQuery, SliKind, SliQuery, SliSource, Subject};
use canary_prom::{MetricsConfig, MetricsSource, PrometheusSource};
use canary_testkit::conformance::{self, Expected, Known, SliBench, SliSkills, sli_source};
use pages::{serve, text};
use prometheus::{Job, Prometheus, now};
use tokio::sync::Mutex;

struct Bench {
    source: Arc<dyn SliSource>,
    server: Mutex<Option<Prometheus>>,
}

/// What a node shows at its `n`-th scrape: ten requests more each time, every tenth of them failed on `bad` nodes.
fn page(bad: bool, n: u64) -> String {
    let (n, failed) = (n + 1, u64::from(bad));
    format!(
        "requests_total{{status=\"200\"}} {}\nrequests_total{{status=\"503\"}} {}\n\
         idle_total{{status=\"200\"}} 5\n\
         slow_bucket{{le=\"0.5\"}} {n}\nslow_bucket{{le=\"+Inf\"}} {}\n\
         gauge_nan NaN\ngauge_inf +Inf\ngauge_two{{a=\"1\"}} 1\ngauge_two{{a=\"2\"}} 2\n",
        (10 - failed) * n,
        failed * n,
        10 * n,
    )
}

async fn node(name: &str, bad: bool) -> Job {
    let address = serve(move |_, n| text(page(bad, n))).await;
    Job { name: name.to_owned(), address, path: "/metrics".to_owned(), instance: format!("{name}:8080") }
}

impl Bench {
    async fn start() -> Self {
        let server = Prometheus::start(&[node("n1", true).await, node("n2", false).await]).await;
        let server = server.unwrap_or_else(|| panic!("main has looked for it"));
        let source = Arc::new(PrometheusSource::new(server.config()).unwrap());
        Self { source, server: Mutex::new(Some(server)) }
    }
}

#[async_trait(?Send)]
impl SliBench for Bench {
    fn source(&self) -> Arc<dyn SliSource> {
        Arc::clone(&self.source)
    }

    fn known(&self) -> Vec<Known> {
        let promql = |text: &str| SliKind::Expression { promql: text.to_owned() };
        let one = |name: &str| Subject::Nodes(vec![NodeId::new(name).unwrap()]);
        // Two nodes are scraped at different moments: the pool's ratio lies near the middle.
        let rows = [
            ("errors of n1", errors("requests_total"), one("n1"), value(0.1, 1e-6)),
            ("errors of n2", errors("requests_total"), one("n2"), value(0.0, 0.0)),
            ("errors of the pool", errors("requests_total"), Subject::Pool, value(0.05, 0.02)),
            ("slow", slow(), Subject::Pool, Expected::AtLeast(0.5)),
            ("idle", errors("idle_total"), Subject::Pool, Expected::NoTraffic),
            ("missing", errors("no_such_metric"), Subject::Pool, Expected::Absent),
            ("nobody", errors("requests_total"), one("n9"), Expected::Absent),
            ("nan", promql("sum(gauge_nan)"), Subject::Pool, Expected::NotANumber),
            ("infinite", promql("sum(gauge_inf)"), Subject::Pool, Expected::Infinite),
            ("several", promql("gauge_two"), Subject::Pool, Expected::SeveralSeries),
        ];
        known(rows)
    }

    async fn take_away(&self) {
        drop(self.server.lock().await.take());
    }

    fn counted(&self) -> Vec<CounterQuery> {
        counted()
    }

    fn showed(&self, query: &str, node: &NodeId, sums: &[u64]) -> bool {
        showed(query, node, sums)
    }
}

/// Metrics pages, with no store between.
struct Pages {
    source: Arc<dyn SliSource>,
    away: Arc<AtomicBool>,
}

impl Pages {
    async fn start() -> Self {
        let away = Arc::new(AtomicBool::new(false));
        let mut nodes = Vec::new();
        for (name, bad) in [("n1", true), ("n2", false)] {
            let away = Arc::clone(&away);
            let answer = move |_: &str, n| match away.load(Ordering::SeqCst) {
                true => ("503 Service Unavailable", "text/plain".to_owned(), Vec::new()),
                false => text(page(bad, n)),
            };
            let url = format!("http://{}/metrics", serve(answer).await);
            nodes.push((NodeId::new(name).unwrap(), url));
        }
        Self { source: Arc::new(MetricsSource::new(&MetricsConfig::new(nodes)).unwrap()), away }
    }
}

#[async_trait(?Send)]
impl SliBench for Pages {
    fn source(&self) -> Arc<dyn SliSource> {
        Arc::clone(&self.source)
    }

    fn known(&self) -> Vec<Known> {
        let one = |name: &str| Subject::Nodes(vec![NodeId::new(name).unwrap()]);
        known([
            ("errors of n1", errors("requests_total"), one("n1"), value(0.1, 0.0)),
            ("errors of the pool", errors("requests_total"), Subject::Pool, value(0.05, 0.0)),
            ("slow", slow(), one("n2"), Expected::AtLeast(0.5)),
            ("idle", errors("idle_total"), Subject::Pool, Expected::NoTraffic),
            ("missing", errors("no_such_metric"), Subject::Pool, Expected::Absent),
        ])
    }

    async fn take_away(&self) {
        self.away.store(true, Ordering::SeqCst);
    }

    fn counted(&self) -> Vec<CounterQuery> {
        counted()
    }

    fn showed(&self, query: &str, node: &NodeId, sums: &[u64]) -> bool {
        showed(query, node, sums)
    }
}

/// Queries about now over five seconds.
fn known<const N: usize>(rows: [(&str, SliKind, Subject, Expected); N]) -> Vec<Known> {
    let known = |(name, kind, subject, expected): (&str, _, _, _)| {
        let (name, window) = (name.to_owned(), Duration::from_secs(5));
        Known { query: SliQuery { name, kind, subject, window, at: now() }, expected }
    };
    rows.into_iter().map(known).collect()
}

fn errors(metric: &str) -> SliKind {
    SliKind::ErrorRatio { metric: metric.parse().unwrap(), status_label: "status".parse().unwrap() }
}

fn slow() -> SliKind {
    SliKind::Quantile { metric: "slow".parse().unwrap(), quantile: Ratio::new(0.95).unwrap() }
}

fn counted() -> Vec<CounterQuery> {
    let query = |name: &str, kind, nodes: [&str; 2]| {
        let nodes = nodes.iter().map(|name| NodeId::new(name).unwrap()).collect();
        CounterQuery { name: name.to_owned(), kind, nodes, at: now() }
    };
    vec![query("errors", errors("requests_total"), ["n1", "n2"]), query("slow", slow(), ["n2", "n1"])]
}

/// Whether these are the numbers of a [`page`].
fn showed(query: &str, node: &NodeId, sums: &[u64]) -> bool {
    let [good, all] = sums else { return false };
    let scrapes = all / 10;
    let expected = match query {
        "errors" => (10 - u64::from(node.as_str() == "n1")) * scrapes,
        _ => scrapes,
    };
    all % 10 == 0 && *good == expected
}

const fn value(value: f64, tolerance: f64) -> Expected {
    Expected::Value { value, tolerance }
}

fn main() -> ExitCode {
    let skills = SliSkills { take_away: true, counters: true, history: false };
    let pages = sli_source(skills, || async { Box::new(Pages::start().await) as Box<dyn SliBench> });
    let mut trials = pages.trials("pages::");
    let path = std::env::var_os("PATH").unwrap_or_default();
    if !std::env::split_paths(&path).any(|dir| dir.join("prometheus").is_file()) {
        let in_ci = std::env::var_os("CI").is_some();
        trials.extend(conformance::skipped("prometheus", "no prometheus in PATH", in_ci));
        return conformance::main(trials);
    }
    let suite = sli_source(SliSkills { take_away: true, counters: true, history: true }, || async {
        Box::new(Bench::start().await) as Box<dyn SliBench>
    });
    trials.extend(suite.trials("prometheus::"));
    conformance::main(trials)
}

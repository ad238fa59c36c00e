//! The conformance suite on a real Prometheus.
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a bench fails its case")]

#[path = "wire/pages.rs"]
mod pages;
#[path = "wire/prometheus.rs"]
mod prometheus;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use canary_core::analysis::Ratio;
use canary_core::fleet::NodeId;
use canary_core::traits::{SliKind, SliQuery, SliSource, Subject};
use canary_prom::PrometheusSource;
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
        let errors = |metric: &str| SliKind::ErrorRatio {
            metric: metric.parse().unwrap(),
            status_label: "status".parse().unwrap(),
        };
        let slow = SliKind::Quantile { metric: "slow".parse().unwrap(), quantile: Ratio::new(0.95).unwrap() };
        let promql = |text: &str| SliKind::Expression { promql: text.to_owned() };
        let one = |name: &str| Subject::Nodes(vec![NodeId::new(name).unwrap()]);
        // Two nodes are scraped at different moments: the pool's ratio lies near the middle.
        let rows = [
            ("errors of n1", errors("requests_total"), one("n1"), value(0.1, 1e-6)),
            ("errors of n2", errors("requests_total"), one("n2"), value(0.0, 0.0)),
            ("errors of the pool", errors("requests_total"), Subject::Pool, value(0.05, 0.02)),
            ("slow", slow, Subject::Pool, Expected::AtLeast(0.5)),
            ("idle", errors("idle_total"), Subject::Pool, Expected::NoTraffic),
            ("missing", errors("no_such_metric"), Subject::Pool, Expected::Absent),
            ("nobody", errors("requests_total"), one("n9"), Expected::Absent),
            ("nan", promql("sum(gauge_nan)"), Subject::Pool, Expected::NotANumber),
            ("infinite", promql("sum(gauge_inf)"), Subject::Pool, Expected::Infinite),
            ("several", promql("gauge_two"), Subject::Pool, Expected::SeveralSeries),
        ];
        let known = |(name, kind, subject, expected): (&str, _, _, _)| Known {
            query: SliQuery {
                name: name.to_owned(),
                kind,
                subject,
                window: Duration::from_secs(5),
                at: now(),
            },
            expected,
        };
        rows.into_iter().map(known).collect()
    }

    async fn take_away(&self) {
        drop(self.server.lock().await.take());
    }
}

const fn value(value: f64, tolerance: f64) -> Expected {
    Expected::Value { value, tolerance }
}

fn main() -> ExitCode {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if !std::env::split_paths(&path).any(|dir| dir.join("prometheus").is_file()) {
        let in_ci = std::env::var_os("CI").is_some();
        return conformance::main(conformance::skipped("prometheus", "no prometheus in PATH", in_ci));
    }
    let suite = sli_source(SliSkills { take_away: true }, || async {
        Box::new(Bench::start().await) as Box<dyn SliBench>
    });
    conformance::main(suite.trials("prometheus::"))
}

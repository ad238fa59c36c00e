//! The conformance suite on a server that speaks Datadog's documented API.
#![expect(clippy::unwrap_used, reason = "a bench fails its case")]

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use canary_core::analysis::Ratio;
use canary_core::fleet::NodeId;
use canary_core::time::Timestamp;
use canary_core::traits::{SliKind, SliQuery, SliSource, Subject};
use canary_datadog::{DatadogSlis, DatadogSlisConfig, Keys, Site};
use canary_testkit::conformance::{self, Expected, Known, SliBench, SliSkills, sli_source};
use canary_testkit::datadog::{API_KEY, APP_KEY, DatadogServer, Series, SeriesKind};

struct Bench {
    source: Arc<dyn SliSource>,
    server: DatadogServer,
    at: Timestamp,
}

impl Bench {
    fn start() -> Self {
        let (server, at) = (DatadogServer::start(0).unwrap(), Timestamp::from(SystemTime::now()));
        let points = |first: u64, last: u64, value: f64| {
            (first..last).map(|n| (at.as_millis() - n * 10_000, value)).collect::<Vec<_>>()
        };
        let count = |metric: &str, host: &str, status: &str, points| {
            Series::new(
                SeriesKind::Count,
                metric,
                &[("host", host), ("status", status), ("env", "test")],
                points,
            )
        };
        server.add([
            count("http.requests", "n1", "200", points(1, 60, 9.0)),
            count("http.requests", "n1", "503", points(1, 60, 1.0)),
            count("http.requests", "n2", "200", points(1, 60, 10.0)),
            count("idle_total", "n1", "200", points(1, 60, 0.0)),
            count("gone_total", "n1", "200", points(30, 60, 10.0)),
            // Of a second environment, which the settings leave out.
            Series::new(
                SeriesKind::Count,
                "http.requests",
                &[("host", "n1"), ("status", "503")],
                points(1, 60, 99.0),
            ),
        ]);
        let spread = |n: u64, i: u32| (at.as_millis() - n * 10_000 + u64::from(i), f64::from(i + 1) * 4.0);
        let slow = (1..60).flat_map(|n| (0..100).map(move |i| spread(n, i))).collect();
        let tags = [("host", "n1"), ("env", "test")];
        server.add([Series::new(SeriesKind::Distribution, "http.duration", &tags, slow)]);
        let site = Site::parse(&server.url()).unwrap();
        let mut config = DatadogSlisConfig::new(site, Keys::new(API_KEY, Some(APP_KEY)).unwrap());
        config.node_tag = Some("host".parse().unwrap());
        config.latency_unit = 0.001;
        for (name, metric) in
            [("requests_total", "http.requests{env:test}"), ("slow", "http.duration{env:test}")]
        {
            config.metrics.insert(name.to_owned(), metric.parse().unwrap());
        }
        Self { source: Arc::new(DatadogSlis::new(config).unwrap()), server, at }
    }
}

#[async_trait(?Send)]
impl SliBench for Bench {
    fn source(&self) -> Arc<dyn SliSource> {
        Arc::clone(&self.source)
    }

    fn known(&self) -> Vec<Known> {
        let nodes =
            |names: &[&str]| Subject::Nodes(names.iter().map(|name| NodeId::new(*name).unwrap()).collect());
        let value = |value, tolerance| Expected::Value { value, tolerance };
        let p95 = SliKind::Quantile { metric: "slow".parse().unwrap(), quantile: Ratio::new(0.95).unwrap() };
        let errors = |metric: &str| SliKind::ErrorRatio {
            metric: metric.parse().unwrap(),
            status_label: "status".parse().unwrap(),
        };
        let rows = [
            ("errors of n1", errors("requests_total"), nodes(&["n1"]), value(0.1, 1e-9)),
            ("errors of n2, which never failed", errors("requests_total"), nodes(&["N2"]), value(0.0, 0.0)),
            ("errors of both", errors("requests_total"), nodes(&["n1", "n2"]), value(0.05, 1e-9)),
            ("errors of the pool", errors("requests_total"), Subject::Pool, value(0.05, 1e-9)),
            ("latency, in seconds", p95.clone(), Subject::Pool, value(0.38, 1e-9)),
            ("latency of nobody", p95, nodes(&["n2"]), Expected::Absent),
            ("idle", errors("idle_total"), Subject::Pool, Expected::NoTraffic),
            ("gone", errors("gone_total"), Subject::Pool, Expected::Stale),
            ("missing", errors("no_such_metric"), Subject::Pool, Expected::Absent),
        ];
        let known = |(name, kind, subject, expected): (&str, _, _, _)| {
            let (name, window) = (name.to_owned(), Duration::from_secs(60));
            Known { query: SliQuery { name, kind, subject, window, at: self.at }, expected }
        };
        rows.into_iter().map(known).collect()
    }

    async fn take_away(&self) {
        self.server.away(true);
    }
}

fn main() -> ExitCode {
    let skills = SliSkills { take_away: true, counters: false, history: false };
    let suite = sli_source(skills, || async { Box::new(Bench::start()) as Box<dyn SliBench> });
    conformance::main(suite.trials("datadog::"))
}

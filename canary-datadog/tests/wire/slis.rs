//! A rollout's SLIs: nulls, late points, limits, refusals, and how many requests a probe costs.

use std::time::{Duration, SystemTime};

use canary_core::analysis::Ratio;
use canary_core::time::Timestamp;
use canary_core::traits::{
    BackendError, ErrorKind, Reading, Sample, SliKind, SliQuery, SliSource as _, Subject,
};
use canary_datadog::{DatadogSlis, DatadogSlisConfig, Keys, Site, SlisError};
use canary_testkit::datadog::{API_KEY, APP_KEY, DatadogServer, Series, SeriesKind, Whim};

const STEP: u64 = 10_000;

struct Case {
    server: DatadogServer,
    at: Timestamp,
}

impl Case {
    /// A server with ten minutes of requests, the nearest `skip` steps left out.
    fn new(skip: u64) -> Self {
        let at = Timestamp::from(SystemTime::now()).as_millis() / 60_000 * 60_000;
        let (server, at) = (DatadogServer::start(0).unwrap(), Timestamp::from_millis(at));
        let points = |value: f64| (skip + 1..60).map(|n| (at.as_millis() - n * STEP, value)).collect();
        let count = |status: &str, value| {
            Series::new(SeriesKind::Count, "requests_total", &[("status", status)], points(value))
        };
        let slow = Series::new(SeriesKind::Distribution, "slow", &[], points(0.2));
        server.add([count("200", 98.0), count("500", 2.0), slow]);
        Self { server, at }
    }

    fn config(&self, api: &str, app: Option<&str>) -> DatadogSlisConfig {
        let site = Site::parse(&self.server.url()).unwrap();
        let keys = Keys::new(api, app).unwrap();
        DatadogSlisConfig { timeout: Duration::from_secs(4), ..DatadogSlisConfig::new(site, keys) }
    }

    async fn sample_with(&self, config: DatadogSlisConfig) -> Vec<Result<Sample, BackendError>> {
        let query = |name: &str, kind| SliQuery {
            name: name.to_owned(),
            kind,
            subject: Subject::Pool,
            window: Duration::from_secs(60),
            at: self.at,
        };
        let (metric, status_label) = ("requests_total".parse().unwrap(), "status".parse().unwrap());
        let p95 = SliKind::Quantile { metric: "slow".parse().unwrap(), quantile: Ratio::new(0.95).unwrap() };
        let queries = [query("error_ratio", SliKind::ErrorRatio { metric, status_label }), query("p95", p95)];
        DatadogSlis::new(config).unwrap().sample(&queries).await
    }

    async fn sample(&self) -> Vec<Result<Sample, BackendError>> {
        self.sample_with(self.config(API_KEY, Some(APP_KEY))).await
    }
}

fn number(sample: &Sample) -> f64 {
    match sample.reading {
        Reading::Value { value } => value.value(),
        ref other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_probe_is_two_requests_and_says_what_it_rests_on() {
    let case = Case::new(0);
    let samples = case.sample().await;
    let [errors, p95] = samples.as_slice() else { panic!("{samples:?}") };
    let (errors, p95) = (errors.as_ref().unwrap(), p95.as_ref().unwrap());
    assert_eq!((number(errors), errors.events), (0.02, Some(600)));
    assert_eq!((number(p95), p95.events), (0.2, Some(6)));
    assert_eq!(case.server.exchanges().len(), 2);
    assert_eq!(errors.queries[0].reply, "600; 12");
    let texts: Vec<_> = errors.queries.iter().map(|query| query.query.as_str()).collect();
    let all = "sum:requests_total{*}.as_count()";
    let failed = "sum:requests_total{status:5*}.as_count()";
    assert_eq!(texts, [format!("{all}; {failed} over 60 s"), format!("{all}.fill(null)")]);
    for exchange in case.server.exchanges() {
        assert!(!exchange.request.to_string().contains(API_KEY));
    }
}

#[tokio::test]
async fn late_points_make_a_reading_smaller_and_then_stale_and_never_zero() {
    let case = Case::new(0);
    case.server.late(30_000);
    let sample = case.sample().await.remove(0).unwrap();
    assert_eq!((number(&sample), sample.events), (0.02, Some(300)), "half of the window is there");
    assert!(sample.age >= Some(Duration::from_secs(20)), "{:?}", sample.age);
    case.server.late(240_000);
    for sample in case.sample().await {
        assert_eq!(sample.unwrap().reading, Reading::Stale);
    }
    // The interval that the server enlarges makes nothing older than it is.
    let case = Case::new(0);
    case.server.least_interval(300_000);
    assert_eq!(number(&case.sample().await.remove(0).unwrap()), 0.02);
    // Nothing of an hour is absent, which is no zero either.
    case.server.clear();
    for sample in case.sample().await {
        assert_eq!(sample.unwrap().reading, Reading::Absent);
    }
}

#[tokio::test]
async fn limits_are_waited_for_within_the_deadline_and_refusals_are_told_apart() {
    let case = Case::new(0);
    case.server.next(Whim::RateLimit { reset: 1 });
    assert_eq!(number(&case.sample().await.remove(0).unwrap()), 0.02);
    assert!(case.server.exchanges().iter().any(|exchange| exchange.status == 429));
    for (whim, kind, word) in [
        (Whim::RateLimit { reset: 60 }, ErrorKind::Unreachable, "beyond the deadline"),
        (Whim::Status(400), ErrorKind::Refused, "400"),
        (Whim::Status(403), ErrorKind::Unauthorised, "application key"),
    ] {
        let case = Case::new(0);
        case.server.next(whim);
        for answer in case.sample().await {
            let error = answer.unwrap_err();
            assert!(error.kind() == kind && error.chain().contains(word), "{}", error.chain());
        }
    }
    // What is said beside the data is a warning: the watch holds by it.
    let case = Case::new(0);
    case.server.next(Whim::Partly("one shard did not answer".to_owned()));
    let sample = case.sample().await.remove(0).unwrap();
    assert_eq!(sample.warnings, ["one shard did not answer"]);
}

#[tokio::test]
async fn keys_are_needed_and_shown_nowhere() {
    let case = Case::new(0);
    let lacks = DatadogSlis::new(case.config(API_KEY, None)).unwrap_err();
    assert!(matches!(lacks, SlisError::NoAppKey), "{lacks}");
    let config = case.config(API_KEY, Some("not-the-application-key"));
    let source = format!("{:?}", DatadogSlis::new(config.clone()).unwrap());
    let errors: Vec<_> = case.sample_with(config).await.into_iter().map(|one| format!("{one:?}")).collect();
    let shown = source + &errors.join(" ");
    assert!(!shown.contains(API_KEY) && !shown.contains("not-the-application-key"), "{shown}");
}

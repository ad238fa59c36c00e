//! Tenants by metric queries: numbers, gaps, and a server in trouble.

use std::time::{Duration, SystemTime};

use canary_core::time::Timestamp;
use canary_datadog::{DatadogTenants, Keys, Site};
use canary_tenants::gap::{Found, GapCode, Measured};
use canary_tenants::policy::{Policy, read};
use canary_tenants::source::{SourceReply, TenantSource as _};
use canary_testkit::datadog::{API_KEY, APP_KEY, DatadogServer, Series, SeriesKind, Whim};

const POLICY: &str = include_str!("../recorded/sla.yaml");
const LIMIT: Duration = Duration::from_secs(20);
const STEP: u64 = 30_000;

/// The last whole minute: intervals begin there.
fn at() -> Timestamp {
    Timestamp::from_millis(Timestamp::from(SystemTime::now()).as_millis() / 60_000 * 60_000)
}

/// A point in each interval of `steps` before `at`, the nearest `skip` left out.
fn points(at: Timestamp, steps: u64, skip: u64, value: f64) -> Vec<(u64, f64)> {
    (skip..steps).map(|n| (at.as_millis() - (n + 1) * STEP + 1000, value)).collect()
}

struct Case {
    server: DatadogServer,
    policy: Policy,
    at: Timestamp,
}

impl Case {
    fn new() -> Self {
        let (server, at) = (DatadogServer::start(0).unwrap(), at());
        let text = POLICY.replace("SITE", &server.url());
        Self { server, policy: read(&text, "sla.yaml").unwrap().at(at), at }
    }

    /// A tenant with data of two hours, the nearest `skip` intervals left out.
    fn tenant(&self, name: &str, skip: u64, errors: bool) {
        let tags = [("tenant", name), ("env", "prod")];
        let count = |status: &str, value| {
            let tags = [tags[0], tags[1], ("status", status)];
            Series::new(SeriesKind::Count, "http.requests", &tags, points(self.at, 240, skip, value))
        };
        self.server.add([count("200", 300.0)]);
        if errors {
            self.server.add([count("503", 3.0)]);
        }
        let slow = points(self.at, 240, skip, 0.0)
            .into_iter()
            .flat_map(|(time, _)| (0..100_u32).map(move |n| (time + u64::from(n), f64::from(n + 1) * 0.004)));
        let pool = points(self.at, 240, skip, 0.5);
        self.server.add([
            Series::new(SeriesKind::Distribution, "http.request.duration", &tags, slow.collect()),
            Series::new(SeriesKind::Gauge, "db.pool.in_use", &tags, pool),
        ]);
    }

    fn source(&self, api: &str, app: &str) -> DatadogTenants {
        let source = &self.policy.file.sources[0];
        let site = Site::parse(&source.url).unwrap();
        DatadogTenants::new(&self.policy.file, source, site, Keys::new(api, Some(app)).unwrap()).unwrap()
    }

    async fn read_within(&self, limit: Duration) -> SourceReply {
        let ask = self.policy.ask(&self.policy.file.sources[0], self.at, None, limit);
        self.source(API_KEY, APP_KEY).read(&ask, &()).await
    }

    async fn read(&self) -> SourceReply {
        self.read_within(LIMIT).await
    }
}

fn one<'a>(reply: &'a SourceReply, tenant: &str, objective: &str) -> &'a Found {
    let of = reply.found.get(tenant).unwrap_or_else(|| panic!("no {tenant} in {reply:?}"));
    of.get(objective).unwrap_or_else(|| panic!("no {objective} of {tenant}"))
}

#[tokio::test]
async fn every_objective_of_every_tenant_by_two_requests_a_window() {
    let case = Case::new();
    for n in 0..50 {
        case.tenant(&format!("t{n}"), 0, true);
    }
    let reply = case.read().await;
    assert_eq!((&reply.trouble, &reply.refused), (&None, &None));
    assert_eq!(case.server.exchanges().len(), 4, "two windows, whatever the number of tenants");
    assert_eq!(reply.found.len(), 50);
    let rate = one(&reply, "t7", "error_rate");
    assert_eq!(rate.measured, Measured::Events { bad: Some(30), total: 3030 });
    let expected = (Some(10), 10, true, true, None);
    assert_eq!((rate.samples, rate.expected, rate.before, rate.lately, rate.trouble), expected);
    assert_eq!(rate.age, Some(0));
    assert_eq!(
        one(&reply, "t7", "availability").measured,
        Measured::Events { bad: Some(360), total: 36_360 }
    );
    assert_eq!(one(&reply, "t7", "availability@short").measured, rate.measured);
    assert_eq!(one(&reply, "t7", "pool").measured, Measured::Gauge(Some(500_000)));
    let Measured::Latencies { q, buckets } = &one(&reply, "t7", "latency_p95").measured else {
        panic!("no latencies")
    };
    assert_eq!(*q, 950_000);
    assert!(buckets.contains(&(380_000, 950)) && buckets.contains(&(400_000, 1000)), "{buckets:?}");
    // The first request as it was recorded, but for the times.
    let mut request = case.server.exchanges()[0].request.clone();
    let attributes = &mut request["data"]["attributes"];
    let (from, to) = (attributes["from"].as_u64().unwrap(), attributes["to"].as_u64().unwrap());
    assert_eq!((to, to - from), (case.at.as_millis(), 300_000));
    (attributes["from"], attributes["to"]) = (0.into(), 0.into());
    let recorded: serde_json::Value =
        serde_json::from_str(include_str!("../recorded/scalar-request.json")).unwrap();
    assert_eq!(request, recorded, "{request:#}");
    for asked in &reply.queries {
        assert!(
            !asked.text.contains(API_KEY) && !asked.reply.contains(API_KEY) && !asked.text.contains(APP_KEY)
        );
    }
}

#[tokio::test]
async fn gaps_are_told_apart_and_no_data_is_not_zero() {
    let case = Case::new();
    case.tenant("well", 0, true);
    case.tenant("never-failed", 0, false);
    case.tenant("ended", 6, true);
    case.tenant("gone", 40, true);
    let reply = case.read().await;
    assert_eq!(
        one(&reply, "never-failed", "error_rate").measured,
        Measured::Events { bad: None, total: 3000 }
    );
    let ended = one(&reply, "ended", "error_rate");
    assert_eq!((ended.samples, ended.age), (Some(4), Some(180_000_000)));
    let gone = one(&reply, "gone", "error_rate");
    assert_eq!((gone.samples, gone.age, gone.lately, &gone.measured), (None, None, true, &Measured::Nothing));
    assert!(!reply.found.contains_key("never-seen"));

    // Points that come late: those intervals are without data, and the newest is as old as the last that has some.
    case.server.late(90_000);
    let late = case.read().await;
    let rate = one(&late, "well", "error_rate");
    assert_eq!((rate.samples, rate.age), (Some(7), Some(90_000_000)));
    assert_eq!(rate.measured, Measured::Events { bad: Some(21), total: 2121 });
    case.server.late(0);

    // Intervals that the server enlarged are counted as they are.
    case.server.least_interval(60_000);
    let wide = case.read().await;
    let rate = one(&wide, "well", "error_rate");
    assert_eq!((rate.samples, rate.expected), (Some(5), 5));
}

#[tokio::test]
async fn a_tenant_that_is_there_twice_is_a_duplicate() {
    let case = Case::new();
    case.tenant("well", 0, true);
    // Two values of the tag are one tenant by the policy's label_map.
    case.tenant("old-name", 0, true);
    case.tenant("new-name", 0, true);
    let reply = case.read().await;
    assert_eq!(one(&reply, "renamed", "error_rate").trouble, Some(GapCode::Duplicate));
    assert_eq!(one(&reply, "well", "error_rate").trouble, None);
    // A row that the server gives twice.
    case.server.clear();
    case.tenant("well", 0, true);
    case.server.next(Whim::Twice);
    let reply = case.read().await;
    assert_eq!(one(&reply, "well", "error_rate").trouble, Some(GapCode::Duplicate));
}

#[tokio::test]
async fn a_limit_of_requests_is_waited_for_within_the_deadline_alone() {
    let case = Case::new();
    case.tenant("well", 0, true);
    case.server.next(Whim::RateLimit { reset: 1 });
    let reply = case.read().await;
    assert_eq!(reply.trouble, None);
    let statuses: Vec<_> = reply.queries.iter().map(|asked| asked.status).collect();
    assert_eq!(statuses, [429, 200, 200, 200, 200], "waited once, and long enough");
    case.server.next(Whim::RateLimit { reset: 30 });
    let reply = case.read_within(Duration::from_secs(2)).await;
    let (code, why) = reply.trouble.unwrap();
    assert_eq!((code, reply.queries.len()), (GapCode::SourceDown, 1));
    assert!(
        why.contains("canary_test of 100 requests in 60 s") && why.contains("beyond the deadline"),
        "{why}"
    );
}

#[tokio::test]
async fn trouble_has_its_own_words() {
    let case = Case::new();
    case.tenant("well", 0, true);
    case.server.next(Whim::Status(400));
    let reply = case.read().await;
    assert!(reply.refused.unwrap().contains("400") && reply.found.is_empty());
    for _ in 0..3 {
        case.server.next(Whim::Status(503));
    }
    let reply = case.read().await;
    assert_eq!(reply.trouble.as_ref().unwrap().0, GapCode::SourceDown);
    assert!(reply.trouble.unwrap().1.contains("503") && reply.queries.len() == 3);
    case.server.next(Whim::Status(502));
    assert_eq!(case.read().await.trouble, None, "asked again");
    case.server.next(Whim::Partly("one shard did not answer".to_owned()));
    let reply = case.read().await;
    assert_eq!(reply.trouble.as_ref().unwrap().0, GapCode::Partial);
    assert!(reply.trouble.unwrap().1.contains("one shard"));

    let ask = case.policy.ask(&case.policy.file.sources[0], case.at, None, LIMIT);
    for (api, app) in [("not-this-api-key", APP_KEY), (API_KEY, "not-this-app-key")] {
        let reply = case.source(api, app).read(&ask, &()).await;
        let (code, why) = reply.trouble.clone().unwrap();
        assert!(
            code == GapCode::SourceDown && why.contains("403") && why.contains("timeseries_query"),
            "{why}"
        );
        let shown = format!("{reply:?} {:?}", case.source(api, app));
        assert!(!shown.contains("not-this-") && !shown.contains(APP_KEY), "{shown}");
    }
    case.server.next(Whim::Silence);
    let reply = case.read_within(Duration::from_millis(300)).await;
    assert_eq!(reply.trouble.unwrap().0, GapCode::SourceDown);
}

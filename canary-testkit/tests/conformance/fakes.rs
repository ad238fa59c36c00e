//! Benches over the world and the fake gate.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use canary_core::analysis::Ratio;
use canary_core::fleet::{Artifact, Digest, HttpPath, NodeId};
use canary_core::spec::defaults::HEALTH_PATH;
use canary_core::traits::*;
use canary_testkit::conformance::*;
use canary_testkit::world::{Behaviour, LATENCY_METRIC, REQUESTS_METRIC, World, WorldConfig};
use canary_testkit::{FakeCheck, FakeGate, VirtualClock};

/// What can be done to a role, and a twist that makes it wrong.
pub(crate) type Twist<T> = Arc<dyn Fn(Arc<T>) -> Arc<T> + Send + Sync>;

pub(crate) fn straight<T: ?Sized + 'static>() -> Twist<T> {
    Arc::new(|it| it)
}

fn node(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

/// Two quiet servers; every call takes a while, so that checks go on.
fn world() -> World {
    let mut config = WorldConfig::new(&["n1", "n2"]);
    (config.call_ms, config.load.requests_per_s) = (20, 0);
    config.checks.interval_ms = 50;
    World::new(config, Arc::new(VirtualClock::new()), &program(1), Behaviour::good())
}

fn program(version: u32) -> Vec<u8> {
    format!("program, version {version}").into_bytes()
}

pub(crate) struct Balancer {
    world: World,
    balancer: Arc<dyn LoadBalancer>,
}

#[async_trait(?Send)]
impl BalancerBench for Balancer {
    fn balancer(&self) -> Arc<dyn LoadBalancer> {
        Arc::clone(&self.balancer)
    }

    fn path(&self) -> HttpPath {
        HttpPath::new("/").unwrap()
    }

    async fn request(&self) -> Option<NodeId> {
        self.world.request()
    }

    async fn hold(&self) {
        for name in ["n1", "n2"] {
            self.world.with_server(&node(name), |server| server.long_requests.push(u64::MAX));
        }
    }

    async fn release(&self) {
        for name in ["n1", "n2"] {
            self.world.with_server(&node(name), |server| server.long_requests.clear());
        }
    }

    async fn stop_server(&self, node: &NodeId) {
        self.world.stop_service(node);
    }

    async fn start_server(&self, node: &NodeId) {
        self.world.start_service(node);
    }

    async fn restart(&self) {
        self.world.restart_balancer();
    }
}

pub(crate) fn balancer_suite(twist: Twist<dyn LoadBalancer>) -> Suite {
    let skills = BalancerSkills { hold: true, stop_servers: true, restart: true };
    load_balancer(world().capabilities(), skills, move || {
        let world = world();
        let balancer = twist(Arc::new(world.clone()));
        async { Box::new(Balancer { world, balancer }) as Box<dyn BalancerBench> }
    })
}

pub(crate) struct Runtime {
    world: World,
    runtime: Arc<dyn NodeRuntime>,
    dir: tempfile::TempDir,
}

#[async_trait(?Send)]
impl RuntimeBench for Runtime {
    fn runtime(&self) -> Arc<dyn NodeRuntime> {
        Arc::clone(&self.runtime)
    }

    fn node(&self) -> NodeId {
        node("n1")
    }

    fn artifact(&self, version: u32) -> Artifact {
        let path = self.dir.path().join(format!("v{version}"));
        std::fs::write(&path, program(version)).unwrap();
        Artifact::read(path).unwrap()
    }

    fn check(&self) -> HealthCheck {
        let path = HttpPath::new(HEALTH_PATH).unwrap();
        HealthCheck { port: 8080, path, attempt_timeout: Duration::from_secs(1) }
    }

    async fn stop_service(&self) {
        self.world.stop_service(&self.node());
    }

    async fn fill_disk(&self) {
        self.world.with_node(&self.node(), |node| node.disk_free = 3);
    }

    fn scratch(&self) -> PathBuf {
        self.dir.path().to_owned()
    }
}

pub(crate) fn runtime_suite(twist: Twist<dyn NodeRuntime>) -> Suite {
    let skills = RuntimeSkills { health: true, stop_service: true, fill_disk: true };
    node_runtime(skills, move || {
        let world = world();
        // A strict world changes no node that takes requests.
        world.with_server(&node("n1"), |server| server.admin = AdminState::Drain);
        let runtime = twist(Arc::new(world.clone()));
        let dir = tempfile::tempdir().unwrap();
        async { Box::new(Runtime { world, runtime, dir }) as Box<dyn RuntimeBench> }
    })
}

pub(crate) struct Metrics {
    world: World,
    source: Arc<dyn SliSource>,
    away: Arc<Mutex<bool>>,
}

#[async_trait(?Send)]
impl SliBench for Metrics {
    fn source(&self) -> Arc<dyn SliSource> {
        Arc::new(Removable { inner: Arc::clone(&self.source), away: Arc::clone(&self.away) })
    }

    fn known(&self) -> Vec<Known> {
        let errors = |metric: &str| SliKind::ErrorRatio {
            metric: metric.parse().unwrap(),
            status_label: "status".parse().unwrap(),
        };
        let p95 = SliKind::Quantile {
            metric: LATENCY_METRIC.parse().unwrap(),
            quantile: Ratio::new(0.95).unwrap(),
        };
        let value = |value| Expected::Value { value, tolerance: 1e-9 };
        let nodes = |name: &str| Subject::Nodes(vec![node(name)]);
        let rows = [
            ("errors of the pool", errors(REQUESTS_METRIC), Subject::Pool, value(0.1)),
            ("errors of n2", errors(REQUESTS_METRIC), nodes("n2"), value(0.0)),
            ("latency", p95.clone(), nodes("n2"), value(0.02)),
            ("latency of n1", p95, nodes("n1"), Expected::AtLeast(10.0)),
            ("drained", errors(REQUESTS_METRIC), nodes("n3"), Expected::NoTraffic),
            ("nobody", errors(REQUESTS_METRIC), nodes("n9"), Expected::Absent),
            ("nothing", errors("no_such_metric"), Subject::Pool, Expected::Absent),
        ];
        let known = |(name, kind, subject, expected): (&str, _, _, _)| Known {
            query: SliQuery {
                name: name.to_owned(),
                kind,
                subject,
                window: Duration::from_secs(60),
                at: self.world.clock().now(),
            },
            expected,
        };
        rows.into_iter().map(known).collect()
    }

    async fn take_away(&self) {
        *self.away.lock().unwrap() = true;
    }

    fn counted(&self) -> Vec<CounterQuery> {
        let query = |name: &str, kind, nodes: &[&str]| CounterQuery {
            name: name.to_owned(),
            kind,
            nodes: nodes.iter().map(|name| node(name)).collect(),
            at: self.world.clock().now(),
        };
        let status = "status".parse().unwrap();
        let errors = SliKind::ErrorRatio { metric: REQUESTS_METRIC.parse().unwrap(), status_label: status };
        let quantile = Ratio::new(0.95).unwrap();
        let p95 = SliKind::Quantile { metric: LATENCY_METRIC.parse().unwrap(), quantile };
        vec![query("errors", errors, &["n2", "n1"]), query("latency", p95, &["n1", "n2"])]
    }

    /// 50 requests a second reach each of both, and a scrape is every five seconds; every fifth of n1 fails. All of n2
    /// are faster than a second, half of n1 are slower than 5 s.
    fn showed(&self, query: &str, node: &NodeId, sums: &[u64]) -> bool {
        let all = sums.last().copied().unwrap_or(0);
        let bad = node.as_str() == "n1";
        let good = match query {
            "errors" => sums[0] == if bad { all / 5 * 4 } else { all },
            _ if bad => sums[9] * 10 > all * 3 && sums[9] * 10 < all * 5,
            _ => sums[7] == all,
        };
        good && all > 0 && all % 250 == 0
    }

    fn step(&self) -> Duration {
        Duration::from_secs(15)
    }
}

/// A store that can be away.
#[derive(Debug)]
struct Removable {
    inner: Arc<dyn SliSource>,
    away: Arc<Mutex<bool>>,
}

impl std::fmt::Display for Removable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl SliSource for Removable {
    fn by_node(&self) -> bool {
        self.inner.by_node()
    }

    async fn sample(&self, queries: &[SliQuery]) -> Vec<Result<Sample, BackendError>> {
        if !*self.away.lock().unwrap() {
            return self.inner.sample(queries).await;
        }
        let away = |_| Err(BackendError::new(ErrorKind::Unreachable, "world", "query", "away"));
        queries.iter().map(away).collect()
    }

    async fn describe(&self, query: &SliQuery) -> Result<SliFacts, BackendError> {
        self.inner.describe(query).await
    }

    fn counts(&self) -> bool {
        self.inner.counts()
    }

    async fn counters(&self, queries: &[CounterQuery]) -> Vec<Result<Counters, BackendError>> {
        if !*self.away.lock().unwrap() {
            return self.inner.counters(queries).await;
        }
        let away = |_| Err(BackendError::new(ErrorKind::Unreachable, "world", "query", "away"));
        queries.iter().map(away).collect()
    }

    async fn history(
        &self,
        query: &CounterQuery,
        covers: Duration,
        step: Duration,
    ) -> Result<CounterHistory, BackendError> {
        self.inner.history(query, covers, step).await
    }
}

pub(crate) fn sli_suite(twist: Twist<dyn SliSource>) -> Suite {
    sli_source(SliSkills { take_away: true, counters: true, history: true }, move || {
        let bad = Behaviour { p95_s: 30.0, ..Behaviour::failing(0.2) };
        let clock = Arc::new(VirtualClock::new());
        let world = World::new(
            WorldConfig::new(&["n1", "n2", "n3"]),
            Arc::clone(&clock),
            &program(1),
            Behaviour::good(),
        );
        world.binary(&program(2), bad);
        world.with_server(&node("n3"), |server| server.admin = AdminState::Drain);
        world.with_node(&node("n1"), |node| node.installed = Some(Digest::of(&program(2))));
        world.start_service(&node("n1"));
        clock.advance(Duration::from_secs(300));
        let source = twist(Arc::new(world.clone()));
        async { Box::new(Metrics { world, source, away: Arc::default() }) as Box<dyn SliBench> }
    })
}

/// What is new, and whether that can be told.
pub(crate) struct Gate {
    state: Mutex<(Vec<u8>, bool, bool)>,
    twist: Twist<dyn MigrationGate>,
}

#[async_trait(?Send)]
impl GateBench for Gate {
    fn gate(&self) -> Arc<dyn MigrationGate> {
        let state = self.state.lock().unwrap();
        let gate = match &*state {
            (_, _, true) => FakeGate::undecided("the history is gone"),
            (content, true, _) => FakeGate::refusing(content),
            (content, false, _) if content.is_empty() => FakeGate::nothing_new(),
            (content, false, _) => FakeGate::passing(content),
        };
        (self.twist)(Arc::new(gate))
    }

    fn release(&self) -> Release {
        Release::new("app".parse().unwrap(), Digest::of(b"new"))
    }

    async fn add_compatible(&self, number: u32) {
        self.state.lock().unwrap().0.extend(number.to_le_bytes());
    }

    async fn add_breaking(&self) {
        let mut state = self.state.lock().unwrap();
        state.0.extend(b"ALTER TABLE a DROP COLUMN b;");
        state.1 = true;
    }

    async fn confuse(&self) {
        self.state.lock().unwrap().2 = true;
    }
}

pub(crate) fn gate_suite(twist: Twist<dyn MigrationGate>) -> Suite {
    migration_gate(GateSkills { confuse: true }, move || {
        let gate = Gate { state: Mutex::new((Vec::new(), false, false)), twist: Arc::clone(&twist) };
        async { Box::new(gate) as Box<dyn GateBench> }
    })
}

/// A made-up check behind a twist.
pub(crate) struct Made {
    fake: Arc<FakeCheck>,
    check: Arc<dyn ReleaseCheck>,
}

#[async_trait(?Send)]
impl CheckBench for Made {
    fn check(&self) -> Arc<dyn ReleaseCheck> {
        Arc::clone(&self.check)
    }

    async fn spoil(&self) {
        self.fake.find(Severity::Refuse, "shard-3", "users.created_at is bigint, 7 others timestamptz");
    }

    async fn mend(&self) {
        self.fake.forget();
    }

    async fn warn(&self) {
        self.fake.find(Severity::Warn, "shard-1", "index orders_note is there, 7 others without it");
    }

    async fn take_away(&self) {
        self.fake.go_away();
    }

    async fn silence(&self) {
        self.fake.fall_silent();
    }
}

pub(crate) fn check_suite(twist: Twist<dyn ReleaseCheck>) -> Suite {
    release_check(CheckSkills { warn: true, take_away: true, silence: true }, move || {
        let fake = Arc::new(FakeCheck::new("schema"));
        let check = twist(Arc::clone(&fake) as _);
        async { Box::new(Made { fake, check }) as Box<dyn CheckBench> }
    })
}

pub(crate) fn suites() -> Vec<(&'static str, Suite)> {
    vec![
        ("world", balancer_suite(straight())),
        ("world", runtime_suite(straight())),
        ("world", sli_suite(straight())),
        ("fake_gate", gate_suite(straight())),
        ("fake_check", check_suite(straight())),
    ]
}

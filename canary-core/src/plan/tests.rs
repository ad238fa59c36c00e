//! Whole plans, and everything that refuses one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::analysis::{Number, Ratio};
use crate::fleet::{MetricName, NodeSnapshot, PoolName, ServiceName, Snapshot};
use crate::spec::{Bound, Judging, OnInconclusive, Sli, SliJudging, WatchPolicy, WatchSubject};
use crate::time::Timestamp;
use crate::traits::*;

fn id(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

fn facts(bytes: &[u8]) -> FileFacts {
    FileFacts { sha256: Digest::of(bytes), size: bytes.len() as u64 }
}

fn server(name: &str) -> Server {
    Server {
        node: id(name),
        address: None,
        admin: AdminState::Ready,
        operational: Operational::Up,
        checked: true,
        weight: Weight::new(100).unwrap(),
        configured_weight: Weight::new(100).unwrap(),
        backup: false,
        sessions: 0,
        queued: 0,
        served: 0,
    }
}

fn snapshot(nodes: &[(&str, &[u8])]) -> Snapshot {
    let path = RemotePath::new("/opt/app/app").unwrap();
    let seen = |binary: &[u8]| NodeSnapshot {
        installed: Installed { path: path.clone(), current: Some(facts(binary)), previous: None },
        service: ServiceState {
            active: ActiveState::Active,
            detail: "running".to_owned(),
            pid: Some(1),
            restarts: 0,
            running: RunningBinary::InPlace,
        },
    };
    Snapshot {
        taken: Timestamp::from_millis(0),
        pool: PoolState {
            pool: PoolName::new("api_pool").unwrap(),
            epoch: "1".to_owned(),
            algorithm: None,
            sticky: None,
            servers: nodes.iter().map(|(name, _)| server(name)).collect(),
        },
        nodes: nodes.iter().map(|(name, binary)| (id(name), seen(binary))).collect::<BTreeMap<_, _>>(),
        capabilities: None,
        rate: None,
    }
}

fn spec() -> RolloutSpec {
    let (service, pool) = (ServiceName::new("app").unwrap(), PoolName::new("api_pool").unwrap());
    RolloutSpec::new(service, pool, id("a"), vec![id("b")])
}

fn release() -> Artifact {
    Artifact { path: PathBuf::from("/tmp/new"), facts: facts(b"new") }
}

fn back() -> Option<WayBack> {
    Some(WayBack { origin: Origin::Host { path: PathBuf::from("/tmp/old") }, facts: facts(b"old") })
}

fn roll(spec: RolloutSpec, snapshot: &Snapshot) -> Result<Plan, PlanError> {
    roll_out(spec, release(), back(), PathBuf::from("/var/lib/canary/artifacts"), snapshot)
}

fn shown(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(ToString::to_string).collect()
}

#[test]
fn a_plan_is_the_runbooks_recipe() {
    let mut spec = spec();
    spec.watch = Some(watch());
    let plan = roll(spec, &snapshot(&[("a", b"old"), ("b", b"old")])).unwrap();
    let node = |name: &str| {
        ["drain", "install", "restart", "check-health", "enable", "prove-traffic"]
            .map(|step| format!("{name}: {step}"))
    };
    let expected = [&["stage".to_owned()][..], &node("a"), &["a: watch".to_owned()], &node("b")].concat();
    assert_eq!(shown(&plan), expected);
    assert!(plan.warnings.is_empty());
}

#[test]
fn what_is_done_already_is_only_proven() {
    let plan = roll(spec(), &snapshot(&[("a", b"new"), ("b", b"old")])).unwrap();
    let canary = ["stage", "a: check-health", "a: enable", "a: prove-traffic"];
    let peer = ["b: drain", "b: install", "b: restart", "b: check-health", "b: enable", "b: prove-traffic"];
    assert_eq!(shown(&plan), [&canary[..], &peer[..]].concat());
    let mut drained = snapshot(&[("a", b"new"), ("b", b"new")]);
    drained.pool.servers[1].admin = AdminState::Drain;
    let plan = roll(spec(), &drained).unwrap();
    assert_eq!(shown(&plan)[4..], ["b: check-health", "b: enable", "b: prove-traffic"]);
    assert_eq!(plan.warnings, ["api_pool/b is drained already; the rollout will put it back"]);
    assert!(roll(spec(), &snapshot(&[("a", b"new"), ("b", b"new")])).unwrap().is_empty());
    let served = roll(spec(), &snapshot(&[("a", b"old"), ("b", b"new")])).unwrap();
    assert!(!shown(&served).iter().any(|step| step.starts_with("b:")), "a peer that serves it needs nothing");
    let mut unrestarted = snapshot(&[("a", b"new"), ("b", b"new")]);
    unrestarted.nodes.get_mut(&id("b")).unwrap().service.running = RunningBinary::Replaced;
    assert_eq!(shown(&roll(spec(), &unrestarted).unwrap())[4], "b: drain");
}

#[test]
fn everything_that_cannot_work_is_refused_with_its_reason() {
    type Change = fn(&mut RolloutSpec, &mut Snapshot);
    let table: [(Change, &str); 10] = [
        (|spec, _| spec.peers = vec![id("x")], "pool api_pool has no server x; it has a, b"),
        (|_, seen| seen.pool.servers.clear(), "pool api_pool has no server a; it has none"),
        (
            |spec, seen| {
                spec.peers.clear();
                seen.pool.servers.truncate(1);
            },
            "draining a would leave 0 other server(s) in pool api_pool, 1 must stay: add servers or lower min_available",
        ),
        (
            |_, seen| seen.pool.servers[1].operational = Operational::Down,
            "only 0 other server(s) of pool api_pool are ready and up besides a, 1 must stay: bring them back first",
        ),
        (
            |_, seen| seen.pool.servers[0].admin = AdminState::Maint,
            "api_pool/a is in maintenance; set it ready, or leave it out of the rollout",
        ),
        (
            |_, seen| seen.pool.servers[0].weight = Weight::new(0).unwrap(),
            "api_pool/a has weight 0: it can never be sent a request; set its weight",
        ),
        (
            |_, seen| seen.pool.servers[1].backup = true,
            "api_pool/b is a backup server: it gets no requests while others are up",
        ),
        (|spec, _| spec.peers.push(id("a")), "a is both the canary and a peer; name it once"),
        (|spec, _| spec.peers.push(id("b")), "peer b is named twice; name it once"),
        (
            |spec, _| {
                let mut short = watch();
                short.window = Duration::from_secs(59);
                spec.watch = Some(short);
            },
            "the watch window 59s is shorter than two probes (30s apart): lengthen it, probe more often, or set it to 0 \
             for no watch",
        ),
    ];
    for (change, reason) in table {
        let (mut spec, mut seen) = (spec(), snapshot(&[("a", b"old"), ("b", b"old")]));
        change(&mut spec, &mut seen);
        let error = roll(spec, &seen).unwrap_err();
        assert!(error.problems.iter().any(|p| p == reason), "{reason}\nnot in {:#?}", error.problems);
    }
}

#[test]
fn without_a_way_back_there_is_no_rollout() {
    let seen = snapshot(&[("a", b"old"), ("b", b"old")]);
    let store = PathBuf::from("/store");
    let error = roll_out(spec(), release(), None, store.clone(), &seen).unwrap_err();
    assert!(error.problems[0].starts_with("there is no last-known-good binary: set ROLLBACK_BINARY"));
    let own =
        Some(WayBack { origin: Origin::Host { path: PathBuf::from("/tmp/new") }, facts: facts(b"new") });
    let error = roll_out(spec(), release(), own, store, &seen).unwrap_err();
    assert!(error.problems[0].contains("is the release itself"), "{error}");
    let older = snapshot(&[("a", b"older"), ("b", b"old")]);
    let plan = roll(spec(), &older).unwrap();
    assert!(plan.warnings[0].starts_with("a runs "), "{:?}", plan.warnings);
}

#[test]
fn a_rollback_begins_with_the_nodes_that_serve_nobody() {
    let mut halted = snapshot(&[("a", b"new"), ("b", b"new")]);
    halted.pool.servers[1].admin = AdminState::Drain;
    let old = Artifact { path: PathBuf::from("/tmp/old"), facts: facts(b"old") };
    let plan = roll_back(spec(), old.clone(), PathBuf::from("/store"), &halted).unwrap();
    let order: Vec<_> = plan.nodes.iter().map(|planned| planned.node.as_str()).collect();
    assert_eq!(order, ["b", "a"]);
    assert_eq!(shown(&plan)[1], "b: drain");
    // Were it the only one that could serve, nothing would bring capacity back before it is drained.
    halted.pool.servers[1].admin = AdminState::Ready;
    halted.pool.servers[1].operational = Operational::Down;
    let mut alone = spec();
    alone.peers.clear();
    assert!(roll_back(alone, old, PathBuf::from("/store"), &halted).is_err());
}

fn watch() -> WatchPolicy {
    WatchPolicy {
        window: Duration::from_secs(60),
        interval: Duration::from_secs(30),
        rate_window: Duration::from_secs(60),
        subject: WatchSubject::Pool,
        slis: vec![p95(0.5)],
        hold_budget: Duration::from_secs(60),
        on_inconclusive: OnInconclusive::Keep,
        judging: Judging::default(),
    }
}

fn p95(bound: f64) -> Sli {
    let metric = MetricName::new("latency_seconds").unwrap();
    let kind = SliKind::Quantile { metric, quantile: Ratio::new(0.95).unwrap() };
    Sli {
        name: "p95".to_owned(),
        kind,
        bound: Bound::Below(Number::new(bound).unwrap()),
        min_requests: 1,
        judging: SliJudging::default(),
    }
}

#[test]
fn bounds_and_windows_that_can_never_trip_are_refused() {
    let sees = |largest: Option<f64>, scrape: u64, series: u64| SliFacts {
        series,
        largest_bound: largest.and_then(Number::new),
        scrape_interval: Some(Duration::from_secs(scrape)),
    };
    let table: [(f64, SliFacts, &[Lint]); 5] = [
        (0.5, sees(Some(0.5), 15, 1), &[]),
        (
            0.5,
            sees(Some(0.25), 15, 1),
            &[Lint::Refuse(
                "SLI \"p95\" is bounded by 0.5, but the histogram's largest bucket ends at 0.25: the bound can never trip"
                    .to_owned(),
            )],
        ),
        (
            0.5,
            sees(None, 60, 1),
            &[Lint::Refuse(
                "SLI \"p95\" looks back 1m over samples 1m apart: no rate can be computed; lengthen rate_window"
                    .to_owned(),
            )],
        ),
        (
            0.5,
            sees(None, 30, 1),
            &[Lint::Warn(
                "SLI \"p95\" looks back 1m over samples 30s apart: at least four are advisable".to_owned(),
            )],
        ),
        (
            0.5,
            sees(None, 20, 0),
            &[
                Lint::Warn("SLI \"p95\" has no data now; the watch will hold until it has".to_owned()),
                Lint::Warn("SLI \"p95\" looks back 1m over samples 20s apart: at least four are advisable".to_owned()),
            ],
        ),
    ];
    for (bound, facts, expected) in table {
        assert_eq!(Lint::sli(&p95(bound), &watch(), &facts), expected);
    }
    let mut spec = spec();
    let mut never = watch();
    never.slis = vec![p95(0.0)];
    spec.watch = Some(never);
    assert_eq!(spec.problems(), ["SLI \"p95\" can never be < 0: every release would be rolled back"]);
}

#[test]
fn servers_that_the_rollout_does_not_name_are_told_of() {
    let seen = snapshot(&[("a", b"old"), ("b", b"old"), ("x", b"old"), ("y", b"old")]);
    let plan = roll(spec(), &seen).unwrap();
    let warning = "pool api_pool also has x, y, which the rollout does not name: they keep what they run";
    assert_eq!(plan.warnings, [warning]);
}

#[test]
fn a_plan_knows_its_nodes_and_artifacts() {
    let plan = roll(spec(), &snapshot(&[("a", b"old"), ("b", b"new")])).unwrap();
    assert_eq!(plan.node(&id("b")).map(|planned| planned.work), Some(Work::Nothing));
    assert_eq!(plan.node(&id("x")), None);
    let (new, old) = (facts(b"new"), plan.way_back.as_ref().unwrap().facts);
    let expected = [(Direction::Forward, new), (Direction::Back, old)];
    for (direction, facts) in expected {
        assert_eq!(plan.digest(direction), Some(facts.sha256));
        let path = plan.store.join(facts.sha256.to_string());
        assert_eq!(plan.stored(direction), Some(Artifact { path, facts }));
    }
    let back = roll_back(spec(), release(), plan.store, &snapshot(&[("a", b"old"), ("b", b"old")])).unwrap();
    assert_eq!((back.digest(Direction::Back), back.stored(Direction::Back)), (None, None));
}

#[test]
fn the_baseline_is_every_peer_that_runs_another_release_until_its_turn() {
    let seen = |mut seen: Snapshot| {
        // One peer has the release but is out of rotation, one has none at all.
        seen.pool.servers[2].admin = AdminState::Drain;
        seen.nodes.get_mut(&id("d")).unwrap().installed.current = None;
        seen
    };
    let snapshot =
        seen(snapshot(&[("a", b"old"), ("b", b"old"), ("c", b"new"), ("d", b"old"), ("e", b"new")]));
    let mut spec = spec();
    spec.peers = ["b", "c", "d", "e"].map(id).to_vec();
    assert_eq!(roll(spec.clone(), &snapshot).unwrap().baseline(), [id("b")]);
    // A peer whose service lies dead has the release's file, and gives no numbers of another.
    let mut dead = snapshot;
    dead.nodes.get_mut(&id("e")).unwrap().service.active = ActiveState::Inactive;
    assert_eq!(roll(spec, &dead).unwrap().baseline(), [id("b")]);
}

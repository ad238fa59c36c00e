//! Whole plans, and everything that refuses one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::analysis::{Number, Ratio};
use crate::fleet::{MetricName, NodeSnapshot, PoolName, ServiceName, Snapshot};
use crate::spec::{
    Bound, Judging, OnInconclusive, ProgressiveWeights, Sli, SliJudging, WatchPolicy, WatchSubject,
};
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

/// The canary of weight 100 beside one of weight 100, in steps of a watch of a minute.
fn growing(steps: &[&str]) -> (RolloutSpec, Snapshot) {
    let mut spec = spec();
    spec.watch = Some(watch());
    let steps = steps.iter().map(|step| step.parse().unwrap()).collect();
    spec.weights = Some(ProgressiveWeights { steps, window: Some(Duration::from_secs(60)) });
    let mut seen = snapshot(&[("a", b"old"), ("b", b"old")]);
    (seen.rate, seen.pool.algorithm) = (Number::new(101.0), Some("roundrobin".to_owned()));
    (spec, seen)
}

#[test]
fn percentages_become_whole_weights_with_their_share_and_their_requests() {
    let (spec, seen) = growing(&["1%", "25%"]);
    let plan = roll(spec, &seen).unwrap();
    let expected = [
        "stage",
        "a: drain",
        "a: install",
        "a: restart",
        "a: check-health",
        "a: step 1: weigh",
        "a: enable",
        "a: prove-traffic",
        "a: step 1: watch",
        "a: step 2: weigh",
        "a: step 2: watch",
        "a: weigh",
        "a: watch",
    ];
    assert_eq!(shown(&plan)[..13], expected);
    assert_eq!((plan.watches(), plan.warnings.len()), (3, 0), "{:?}", plan.warnings);
    let weights = plan.weights.as_ref().unwrap();
    let stages: Vec<_> = weights.stages.iter().map(|s| (s.weight.value(), s.share, s.requests)).collect();
    // 101 a second for a minute, of which 1 of 101 and 25 of 125 come to the canary.
    assert_eq!(
        stages,
        [(1, Ratio::new(1.0 / 101.0).unwrap(), Some(60)), (25, Ratio::new(0.2).unwrap(), Some(1212))]
    );
    let journal = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&journal).unwrap(), plan);
    assert!(
        !serde_json::to_string(&Step::stage()).unwrap().contains("stage\":0"),
        "old records stay as they were"
    );
    // Without steps nothing of it is written, and what was written before there were any is read.
    let plain = roll(self::spec(), &snapshot(&[("a", b"old"), ("b", b"old")])).unwrap();
    assert!(!serde_json::to_string(&plain).unwrap().contains("weights"));
}

#[test]
fn weight_steps_that_cannot_be_given_are_refused_with_the_numbers() {
    type Change = fn(&mut RolloutSpec, &mut Snapshot);
    let table: [(&[&str], Change, &str); 9] = [
        (
            &["1%"],
            |_, seen| seen.pool.servers[0].configured_weight = Weight::new(10).unwrap(),
            "a step of 1% of api_pool/a's configured weight 10 would be less than 1, and weights are whole numbers: configure \
             a weight of 100 or more for it, and the others' in the same proportion, or ask for 10.00% or more",
        ),
        (
            &["0.25%"],
            |_, _| {},
            "a step of 0.25% of api_pool/a's configured weight 100 would be less than 1, and weights are whole numbers: the \
             balancer's weights end at 256, so ask for 0.39% or more",
        ),
        (
            &["5%", "5.5%"],
            |_, _| {},
            "the steps 5% and 5.5% of api_pool/a's configured weight 100 are both weight 5: leave one out, or configure a \
             greater weight",
        ),
        (
            &["5%"],
            |_, seen| seen.pool.algorithm = Some("static-rr".to_owned()),
            "balance static-rr cannot change weights at run time: use roundrobin, or leave the weight steps out",
        ),
        (
            &["5%"],
            |_, seen| seen.pool.algorithm = Some("first".to_owned()),
            "balance first takes no notice of weights: use roundrobin, or leave the weight steps out",
        ),
        (
            &["5%"],
            |_, seen| {
                seen.capabilities =
                    Some(LbCapabilities { weights: false, close_sessions: true, check_through: true });
            },
            "the balancer cannot change weights at run time: leave the weight steps out",
        ),
        (
            &["1%"],
            |_, seen| seen.rate = Number::new(1.0),
            "the step 1% would bring the canary about 0 request(s) in 1m, 1 are needed: the pool gets 1.000 a second; watch \
             each step longer, or begin with a greater one",
        ),
        (
            &["5%"],
            |spec, _| spec.watch = None,
            "the canary's weight grows in steps, but nothing is watched: set a watch window, or leave the steps out",
        ),
        (&["25%", "5%"], |_, _| {}, "the weight steps do not ascend: 5% comes after 25%; put them in order"),
    ];
    for (steps, change, reason) in table {
        let (mut spec, mut seen) = growing(steps);
        change(&mut spec, &mut seen);
        let error = roll(spec, &seen).unwrap_err();
        assert_eq!(error.problems, [reason]);
    }
}

#[test]
fn what_weakens_the_steps_is_said() {
    let (spec, mut seen) = growing(&["5.9%", "50%"]);
    seen.pool.servers[0].weight = Weight::new(37).unwrap();
    (seen.rate, seen.pool.sticky) = (None, Some("cookie \"SRV\"".to_owned()));
    for (algorithm, says) in
        [("source", "only with \"hash-type consistent\""), ("leastconn", "how long its requests take")]
    {
        seen.pool.algorithm = Some(algorithm.to_owned());
        let warnings = roll(spec.clone(), &seen).unwrap().warnings;
        assert_eq!(warnings.len(), 5, "{warnings:#?}");
        assert!(warnings[0].contains(says), "{}", warnings[0]);
        assert!(
            warnings[1].starts_with("pool api_pool binds clients to servers by a cookie \"SRV\""),
            "{}",
            warnings[1]
        );
        assert_eq!(
            warnings[2],
            "api_pool/a has weight 37 in force, 100 is configured: the rollout will leave it at 100"
        );
        assert_eq!(
            warnings[3],
            "a step of 5.9% of api_pool/a's configured weight 100 can only be weight 5, 5.000%"
        );
        assert!(warnings[4].starts_with("the pool's traffic is not known"), "{}", warnings[4]);
    }
}

#[test]
fn a_weight_that_was_left_behind_is_said_and_a_rollback_gives_it_back() {
    let mut seen = snapshot(&[("a", b"new"), ("b", b"old")]);
    seen.pool.servers[0].weight = Weight::new(5).unwrap();
    let plan = roll(spec(), &seen).unwrap();
    assert_eq!(plan.warnings, ["api_pool/a has weight 5 in force, 100 is configured, and keeps it"]);
    let old = Artifact { path: PathBuf::from("/tmp/old"), facts: facts(b"old") };
    let plan = roll_back(spec(), old.clone(), PathBuf::from("/store"), &seen).unwrap();
    assert_eq!(shown(&plan)[4..7], ["a: check-health", "a: weigh", "a: enable"]);
    assert_eq!(plan.warnings, ["api_pool/a has weight 5 in force, 100 is configured, and gets that back"]);
    // A node that needs nothing else is weighed alone.
    let mut light = snapshot(&[("a", b"old"), ("b", b"old")]);
    light.pool.servers[0].weight = Weight::new(5).unwrap();
    assert_eq!(
        shown(&roll_back(spec(), old, PathBuf::from("/store"), &light).unwrap()),
        ["stage", "a: weigh"]
    );
}

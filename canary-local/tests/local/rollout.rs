//! Whole rollouts by the engine, with load through the balancer all the time.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use canary_core::analysis::{Number, Ratio};
use canary_core::control::Control;
use canary_core::engine::{Backends, Order, Outcome, Report, WayBackSearch, roll_out};
use canary_core::fleet::{Artifact, Digest, NodeId};
use canary_core::journal::{Entry, MemoryJournal, RolloutId};
use canary_core::plan;
use canary_core::spec::{
    Bound, Judging, OnInconclusive, ProgressiveWeights, RolloutSpec, Sli, SliJudging, WatchPolicy,
    WatchSubject,
};
use canary_core::traits::{Clock as _, GateVerdict, PoolState, Review, Server, SliKind, SystemClock};
use canary_demo::load::{Load, LoadOptions, Summary};
use canary_demo::service::Fault;
use canary_local::{Sandbox, Totals};

use crate::support::{DEADLINE, release, sandbox};

/// Two SLIs of the canary over its own metrics page, for three seconds.
fn watch() -> WatchPolicy {
    let errors = SliKind::ErrorRatio {
        metric: "veza_gin_http_requests_total".parse().unwrap(),
        status_label: "status".parse().unwrap(),
    };
    let p95 = SliKind::Quantile {
        metric: "veza_gin_http_request_duration_seconds".parse().unwrap(),
        quantile: Ratio::new(0.95).unwrap(),
    };
    let sli = |name: &str, kind, bound| Sli {
        name: name.to_owned(),
        kind,
        bound: Bound::Below(Number::new(bound).unwrap()),
        min_requests: 10,
        judging: SliJudging::default(),
    };
    WatchPolicy {
        window: Duration::from_secs(3),
        interval: Duration::from_millis(500),
        rate_window: Duration::from_secs(2),
        subject: WatchSubject::Canary,
        slis: vec![sli("errors", errors, 0.005), sli("p95", p95, 0.5)],
        hold_budget: Duration::from_secs(30),
        on_inconclusive: OnInconclusive::RollBack,
        judging: Judging::default(),
    }
}

struct Run {
    report: Report,
    summary: Summary,
    totals: Totals,
    entries: Vec<Entry>,
    before: Digest,
    after: Digest,
    /// The canary's requests and everybody's at each weight that it had while all nodes served.
    shares: BTreeMap<u16, (u64, u64)>,
}

fn shares(readings: &[PoolState], canary: &NodeId) -> BTreeMap<u16, (u64, u64)> {
    let mut shares = BTreeMap::<u16, (u64, u64)>::new();
    for pair in readings.windows(2) {
        let weight = |pool: &PoolState| pool.server(canary).unwrap().weight;
        let all = |pool: &PoolState| pool.servers.iter().all(Server::serving);
        if !all(&pair[0]) || !all(&pair[1]) || weight(&pair[0]) != weight(&pair[1]) {
            continue;
        }
        let sum = |pool: &PoolState| pool.servers.iter().map(|server| server.served).sum::<u64>();
        let own = |pool: &PoolState| pool.server(canary).unwrap().served;
        let share = shares.entry(weight(&pair[0]).value()).or_default();
        *share = (share.0 + own(&pair[1]) - own(&pair[0]), share.1 + sum(&pair[1]) - sum(&pair[0]));
    }
    shares
}

impl Run {
    /// Every node has this digest, is ready and runs.
    fn all_have(&self, digest: Digest) {
        assert_eq!(self.report.nodes.len(), 3);
        for node in &self.report.nodes {
            assert_eq!(node.installed, Some(digest), "{node:?}");
            assert!(node.problems.is_empty(), "{node:?}");
            assert_eq!(format!("{:?}, {:?}", node.admin, node.operational), "Some(Ready), Some(Up)");
        }
    }

    /// No client saw a failure that the balancer or a good release made.
    fn only_v2_failed(&self) {
        let others: Vec<_> = self.summary.failed_not_by("v2").collect();
        assert!(others.is_empty(), "{others:?}");
        assert_eq!(self.totals.own_answers, 0, "{:?}", self.totals);
        assert!(self.summary.sent > 100, "{}", self.summary);
    }
}

async fn plan_of(backends: &Backends, spec: RolloutSpec, artifact: Artifact, fleet: &Sandbox) -> plan::Plan {
    let snapshot = backends.observe(spec.nodes()).await.unwrap();
    let search = WayBackSearch {
        named: None,
        on_host: None,
        release: Some(artifact.facts.sha256),
        nodes: spec.nodes().cloned().collect(),
    };
    let way_back = backends.find_way_back(&search, &snapshot).await.unwrap();
    plan::roll_out(spec, artifact, way_back, fleet.store(), &snapshot).unwrap()
}

/// Rolls `v2` with those faults over three nodes of `v1`, under load.
async fn run(dir: &Path, faults: &[Fault]) -> Run {
    run_with(dir, faults, &[]).await
}

/// The same, the canary's weight in steps.
async fn run_with(dir: &Path, faults: &[Fault], steps: &[&str]) -> Run {
    let fleet = sandbox(dir).await;
    let artifact = release(dir, "v2", faults);
    let clock = Arc::new(SystemClock::new());
    let journal = Arc::new(MemoryJournal::new(clock.clone()));
    let backends = fleet.backends(journal, Vec::new(), clock.clone());
    let mut spec = fleet.spec();
    spec.watch = Some(watch());
    let percents: Vec<_> = steps.iter().map(|step| step.parse().unwrap()).collect();
    spec.weights = (!steps.is_empty())
        .then(|| ProgressiveWeights { steps: percents, window: Some(Duration::from_secs(3)) });
    let options = LoadOptions { connections: 8, rate_per_second: Some(200), ..LoadOptions::default() };
    let load = Load::start(&fleet.url(), options).await.unwrap();
    load.wait_for(|summary| summary.ok > 20, DEADLINE).await.unwrap();

    let plan = plan_of(&backends, spec, artifact, &fleet).await;
    let (before, after) = (plan.nodes[1].before.unwrap(), plan.artifact.facts.sha256);
    let verdict = GateVerdict::NothingNew { why: "a service without a database".to_owned() };
    let digest = Digest::of(b"");
    let review = Review { verdict, findings: Vec::new(), evidence: Vec::new(), digest, baseline: None };
    let order = Order { rollout: RolloutId::new(clock.now(), 1), actor: "a test".to_owned(), reason: None };
    let permit = review.permit().unwrap();
    let canary = plan.spec.canary.clone();
    let readings = Mutex::new(Vec::new());
    let looking = async {
        loop {
            let pool = backends.lb.servers().await.unwrap();
            readings.lock().unwrap().push(pool);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let control = Control::default();
    let report = tokio::select! {
        report = roll_out(&backends, plan, permit, order, &control) => report.unwrap(),
        () = looking => unreachable!("it looks for ever"),
    };
    let shares = shares(&readings.into_inner().unwrap(), &canary);

    let seen = load.snapshot().ok;
    load.wait_for(|summary| summary.ok > seen + 50, DEADLINE).await.unwrap();
    let summary = load.stop().await;
    let totals = fleet.balancer().totals();
    let entries = backends.journal.records().await.unwrap().into_iter().map(|record| record.entry).collect();
    fleet.shutdown().await.unwrap();
    Run { report, summary, totals, entries, before, after, shares }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_release_goes_everywhere_and_nobody_notices() {
    let dir = tempfile::tempdir().unwrap();
    let run = run(dir.path(), &[]).await;
    assert_eq!(run.report.outcome, Outcome::Completed { changed: true }, "{}", run.summary);
    run.all_have(run.after);
    assert_eq!((run.summary.failed_total, run.totals.own_answers), (0, 0), "{}", run.summary);
    assert!(run.summary.answers_of_version("v1") > 0 && run.summary.answers_of_version("v2") > 0);
    let probes = run.entries.iter().filter(|entry| matches!(entry, Entry::Observed { .. })).count();
    assert!(probes >= 4, "{probes} probes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_gets_the_share_of_each_step_and_its_whole_weight_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let run = run_with(dir.path(), &[], &["10%", "50%"]).await;
    assert_eq!(run.report.outcome, Outcome::Completed { changed: true }, "{}", run.summary);
    run.all_have(run.after);
    assert_eq!((run.summary.failed_total, run.totals.own_answers), (0, 0), "{}", run.summary);
    assert_eq!(run.shares.keys().copied().collect::<Vec<_>>(), [10, 50, 100]);
    for (weight, (own, all)) in &run.shares {
        let (seen, planned) = (*own as f64 / *all as f64, f64::from(*weight) / f64::from(200 + weight));
        assert!(*all > 100 && (seen / planned - 1.0).abs() < 0.25, "weight {weight}: {own} of {all}");
    }
    println!("{:?}", run.shares);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_that_answers_errors_is_rolled_back_by_its_slis() {
    let dir = tempfile::tempdir().unwrap();
    let run = run(dir.path(), &[Fault::Errors { rate_ppm: 300_000 }]).await;
    let Outcome::RolledBack { reason } = &run.report.outcome else { panic!("{:?}", run.report) };
    assert!(reason.contains("errors"), "{reason}");
    run.all_have(run.before);
    run.only_v2_failed();
    assert!(run.summary.failed_total > 0, "{}", run.summary);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unhealthy_release_never_gets_a_request() {
    let dir = tempfile::tempdir().unwrap();
    let run = run(dir.path(), &[Fault::Health]).await;
    let Outcome::RolledBack { .. } = &run.report.outcome else { panic!("{:?}", run.report) };
    run.all_have(run.before);
    assert_eq!(run.summary.failed_total, 0, "{}", run.summary);
    assert_eq!(run.summary.answers_of_version("v2"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crashing_release_never_gets_a_request() {
    let dir = tempfile::tempdir().unwrap();
    let run = run(dir.path(), &[Fault::Crash]).await;
    let Outcome::RolledBack { reason } = &run.report.outcome else { panic!("{:?}", run.report) };
    assert!(reason.contains("crash") || reason.contains("failed"), "{reason}");
    run.all_have(run.before);
    assert_eq!(run.summary.failed_total, 0, "{}", run.summary);
    assert_eq!(run.summary.answers_of_version("v2"), 0);
}

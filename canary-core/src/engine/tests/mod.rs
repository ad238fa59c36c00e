//! Whole rollouts in a world in memory.

mod account;
mod answers;
mod checks;
mod control;
mod crash;
mod drain;
mod in_hand;
mod judges;
mod looks;
mod out;
mod preflight;
mod probes;
mod proof;
mod replay;
mod restart;
mod stage;
mod store;
mod weights;
mod whole;
mod world;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::analysis::Number;
use crate::fleet::{Artifact, MetricName, PoolName, ServiceName};
use crate::journal::{MemoryJournal, Wish};
use crate::plan::{self, Action, Origin, WayBack, Work};
use crate::spec::{Bound, Judging, OnInconclusive, RolloutSpec, Sli, SliJudging, WatchPolicy, WatchSubject};
use crate::time::Timestamp;
use crate::traits::{AdminState, BackendError, ErrorKind, GateVerdict, SliKind};
use world::{Behaviour, World, node, path};

const OLD: &[u8] = b"old binary";
const NEW: &[u8] = b"new binary";
const NODES: [&str; 3] = ["a", "b", "c"];

/// A rollout about to begin.
struct Scene {
    world: World,
    dir: tempfile::TempDir,
    backends: Backends,
    spec: RolloutSpec,
}

impl Scene {
    fn new(behaviour: Behaviour) -> Self {
        let world = World::new(&NODES, OLD);
        world.binary(NEW, behaviour);
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("new"), NEW).unwrap();
        let shared = Arc::new(world.clone());
        let backends = Backends {
            lb: shared.clone(),
            nodes: shared.clone(),
            sli: Some(shared.clone()),
            checks: Vec::new(),
            journal: Arc::new(MemoryJournal::new(shared.clone())),
            sinks: Vec::new(),
            clock: shared,
        };
        let mut spec = RolloutSpec::new(
            ServiceName::new("app").unwrap(),
            PoolName::new("api_pool").unwrap(),
            node("a"),
            vec![node("b"), node("c")],
        );
        spec.watch = Some(watch());
        Self { world, dir, backends, spec }
    }

    fn artifact(&self) -> Artifact {
        Artifact::read(self.dir.path().join("new")).unwrap()
    }

    fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    async fn plan(&self) -> Plan {
        let snapshot = self.backends.observe(self.spec.nodes()).await.unwrap();
        let artifact = self.artifact();
        let search = WayBackSearch {
            named: None,
            on_host: None,
            release: Some(artifact.facts.sha256),
            nodes: self.spec.nodes().cloned().collect(),
        };
        let back = self.backends.find_way_back(&search, &snapshot).await.unwrap();
        plan::roll_out(self.spec.clone(), artifact, back, self.store(), &snapshot).unwrap()
    }

    async fn run(&self) -> Report {
        let plan = self.plan().await;
        roll_out(&self.backends, plan, permit(), order(), &Control::default()).await.unwrap()
    }

    fn effects(&self) -> Vec<String> {
        self.world.state().effects.clone()
    }

    fn installed(&self, name: &str) -> Digest {
        self.world.state().nodes[&node(name)].installed
    }

    fn admin(&self, name: &str) -> AdminState {
        self.world.state().nodes[&node(name)].admin
    }

    async fn entries(&self) -> Vec<Entry> {
        self.backends.journal.records().await.unwrap().into_iter().map(|r| r.entry).collect()
    }
}

fn watch() -> WatchPolicy {
    let kind = SliKind::ErrorRatio {
        metric: MetricName::new("requests_total").unwrap(),
        status_label: MetricName::new("status").unwrap(),
    };
    let bound = Bound::Below(Number::new(0.005).unwrap());
    WatchPolicy {
        window: Duration::from_secs(300),
        interval: Duration::from_secs(30),
        rate_window: Duration::from_secs(60),
        subject: WatchSubject::Pool,
        slis: vec![Sli {
            name: "error_ratio".to_owned(),
            kind,
            bound,
            min_requests: 1,
            judging: SliJudging::default(),
        }],
        hold_budget: Duration::from_secs(600),
        on_inconclusive: OnInconclusive::Keep,
        judging: Judging::default(),
    }
}

fn permit() -> DeployPermit {
    let verdict = GateVerdict::NothingNew { why: "a test".to_owned() };
    let digest = Digest::of(b"");
    let review = Review { verdict, findings: Vec::new(), evidence: Vec::new(), digest, baseline: None };
    review.permit().unwrap()
}

fn order() -> Order {
    let rollout = RolloutId::new(Timestamp::from_millis(1_700_000_000_000), 1);
    Order { rollout, actor: "anna".to_owned(), reason: None }
}

fn refused() -> BackendError {
    BackendError::new(ErrorKind::Refused, "world", "a call", "no")
}

fn transient() -> BackendError {
    BackendError::new(ErrorKind::Unreachable, "world", "a call", "away").transient(Duration::ZERO)
}

fn rolled(name: &str, digest: Digest) -> [String; 4] {
    let install = format!("{name} install {}", digest.short());
    [format!("{name} drain"), install, format!("{name} restart"), format!("{name} ready")]
}

impl Scene {
    async fn run_until_peer_install_fails(&self) -> Report {
        let plan = self.plan().await;
        let control = Control::default();
        let world = self.world.clone();
        let sink = Arc::new(On(Mutex::new(Box::new(move |entry: &Entry| {
            if let Entry::StepFinished { step, .. } = entry
                && *step == Step::forward(&node("a"), Action::Watch)
            {
                world.fail("install", 1, refused);
            }
        }))));
        let mut backends = self.backends.clone();
        backends.sinks.push(sink);
        let report = roll_out(&backends, plan, permit(), order(), &control).await.unwrap();
        if !self.spec.roll_back_peers {
            assert!(matches!(report.outcome, Outcome::Halted { .. }), "{:?}", report.outcome);
            assert_eq!(report.outcome.exit_code(), 21);
        }
        report
    }
}

/// A listener made of a closure over entries.
struct On(Mutex<Hears>);

type Hears = Box<dyn FnMut(&Entry) + Send>;

/// A listener made of a closure that hears of waits.
struct OnWait(Box<dyn Fn() + Send + Sync>);

use std::sync::Mutex;

use crate::traits::Event;

macro_rules! names {
    ($($type:ident),*) => {$(
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("test") }
        }
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("test") }
        }
    )*};
}

names!(On, OnWait);

impl EventSink for On {
    fn emit(&self, event: &Event<'_>) {
        if let Event::Recorded(record) = event {
            (self.0.lock().unwrap())(&record.entry);
        }
    }
}

impl EventSink for OnWait {
    fn emit(&self, event: &Event<'_>) {
        if matches!(event, Event::Waiting(_)) {
            (self.0)();
        }
    }
}

impl Scene {
    async fn run_spawnable(&self) -> Report {
        let snapshot = self.backends.observe(self.spec.nodes()).await.unwrap();
        let origin = Origin::Instance { node: node("a"), path: path() };
        let facts = snapshot.nodes[&node("a")].installed.current.unwrap();
        let back = Some(WayBack { origin, facts });
        let plan = plan::roll_out(self.spec.clone(), self.artifact(), back, self.store(), &snapshot).unwrap();
        roll_out(&self.backends, plan, permit(), order(), &Control::default()).await.unwrap()
    }
}

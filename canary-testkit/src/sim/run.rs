//! One run: lives of the engine, one after the other, until the rollout has ended.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use canary_core::engine::{Backends, Order, Outcome, WayBackSearch, resume, roll_out};
use canary_core::fleet::Digest;
use canary_core::journal::{RolloutId, RolloutView};
use canary_core::plan::{self, Plan};
use canary_core::traits::{DeployPermit, GateVerdict, Review};

use super::journal::SimJournal;
use super::mutant::Mutant;
use super::scenario::name;
use super::strikes::{Counted, Life, MortalClock};
use super::{NEW, OLD, Run, Scenario, Simulator};
use crate::VirtualClock;
use crate::faults::{Faults, wrap};
use crate::world::{Behaviour, Gap, Happening, World, WorldConfig};

/// Time before the rollout: the metrics have a past.
const PAST_MS: u64 = 120_000;

/// How often an engine is started at most; more than any scenario has deaths and stops.
const LIVES: usize = 64;

fn world(scenario: &Scenario) -> World {
    let names: Vec<_> = (0..scenario.nodes + scenario.bystanders).map(name).collect();
    let names: Vec<&str> = names.iter().map(canary_core::fleet::NodeId::as_str).collect();
    let mut config = WorldConfig::new(&names);
    config.load.requests_per_s = scenario.requests_per_s;
    config.checks.interval_ms = scenario.check_interval_ms;
    config.call_ms = scenario.call_ms;
    config.admin_lag_ms = scenario.admin_lag_ms;
    let gap = |(node, from, to): &(Option<usize>, u64, u64)| Gap {
        node: node.map(name),
        from_ms: PAST_MS + from,
        to_ms: PAST_MS + to,
    };
    config.scrapes.gaps = scenario.scrape_gaps.iter().map(gap).collect();
    config.verify_artifacts = false;
    config.change_while_serving = true;
    let world = World::new(config, Arc::new(VirtualClock::new()), OLD, Behaviour::good());
    world.binary(NEW, scenario.release);
    world.clock().advance(Duration::from_millis(PAST_MS));
    let now = world.clock().passed_ms();
    for (node, from, to) in &scenario.ailing {
        world.with_node(&name(*node), |node| node.ailing_ms.push((now + from, now + to)));
    }
    for (node, from, to) in &scenario.away {
        world.with_server(&name(*node), |server| server.away_ms.push((now + from, now + to)));
    }
    for (node, until) in &scenario.long_requests {
        world.with_server(&name(*node), |server| server.long_requests.push(now + until));
    }
    if let Some(node) = scenario.full_disk {
        world.with_node(&name(node), |node| node.disk_free = 1);
    }
    world
}

async fn plan(simulator: &Simulator, backends: &Backends, scenario: &Scenario) -> Option<Plan> {
    let spec = scenario.spec.clone();
    let snapshot = backends.observe(spec.nodes()).await.ok()?;
    let artifact = simulator.artifact.clone();
    let search = WayBackSearch {
        named: None,
        on_host: None,
        release: Some(artifact.facts.sha256),
        nodes: spec.nodes().cloned().collect(),
    };
    let back = backends.find_way_back(&search, &snapshot).await.ok()?;
    plan::roll_out(spec, artifact, back, simulator.store(), &snapshot).ok()
}

fn permit() -> Option<DeployPermit> {
    let verdict = GateVerdict::NothingNew { why: "a simulation".to_owned() };
    Review { verdict, findings: Vec::new(), evidence: Vec::new(), digest: Digest::of(b""), baseline: None }
        .permit()
}

/// What a life begins with.
enum Begin {
    New(Box<Plan>, Order),
    Resume(Box<RolloutView>),
}

/// One life: its end, or nothing when it died.
async fn live(begin: Begin, backends: &Backends, life: &Arc<Life>) -> Option<Outcome> {
    let engine = async {
        let report = match begin {
            Begin::New(plan, order) => roll_out(backends, *plan, permit()?, order, &life.control).await,
            Begin::Resume(view) => resume(backends, *view, "again".to_owned(), &life.control).await,
        };
        report.ok().map(|report| report.outcome)
    };
    tokio::select! {
        biased;
        () = life.deaths.happened() => None,
        outcome = engine => outcome,
    }
}

pub(super) async fn run(simulator: &Simulator, scenario: &Scenario, mutant: Option<Mutant>) -> Option<Run> {
    let shared = Arc::new(scenario.clone());
    let world = world(scenario);
    let journal = SimJournal::new(world.clone(), simulator.artifact.facts.sha256);
    let straight = world.backends(Arc::clone(&journal) as _);
    let plan = plan(simulator, &straight, scenario).await?;
    let straight = match mutant {
        Some(mutant) => mutant.plant(&straight, &plan),
        None => straight,
    };
    let counted = Arc::<Counted>::default();
    let order = Order {
        rollout: RolloutId::new(VirtualClock::start(), 1),
        actor: "simulator".to_owned(),
        reason: None,
    };
    let carried = mutant.map_or_else(|| plan.clone(), |mutant| mutant.misread(plan.clone()));
    let afresh = || Begin::New(Box::new(carried.clone()), order.clone());
    let mut begin = afresh();
    let mut outcome = None;
    // Whether something may have been done that no record tells of.
    let mut unrecorded = false;
    for absence in scenario.absences.iter().cycle().take(LIVES) {
        let recorded = journal.len();
        world.happened(Happening::EngineBegan);
        let life = Life::new(&shared, &world, &counted, unrecorded);
        let faults: Arc<dyn Faults> = Arc::clone(&life) as _;
        let mut struck = wrap(&straight, &faults);
        struck.clock = Arc::new(MortalClock::new(&life, &straight.clock));
        outcome = live(begin, &struck, &life).await;
        life.deaths.bury();
        unrecorded = world.journal_failed() || unrecorded && journal.len() == recorded;
        if outcome.is_none() {
            world.happened(Happening::EngineDied);
            if absence.balancer_restarts {
                world.restart_balancer();
            }
        }
        // The operator comes back after a while; what nothing tells of has taken effect by then, and can be seen.
        let mut absent_ms = absence.ms;
        if unrecorded {
            let now = world.clock().passed_ms();
            let back = scenario.away.iter().map(|(_, _, to)| (PAST_MS + to).saturating_sub(now));
            absent_ms = back.fold(absent_ms.max(scenario.admin_lag_ms), u64::max);
        }
        world.clock().advance(Duration::from_millis(absent_ms));
        match journal.rollout() {
            Some(view) if view.unfinished() => begin = Begin::Resume(Box::new(view)),
            // Nothing was recorded: the person begins once more.
            None => begin = afresh(),
            // Who died right after the last record was written has told the end.
            view => {
                outcome = outcome.or_else(|| view?.history.finished().cloned());
                break;
            }
        }
    }
    let journal_failed = world.journal_failed();
    let trace = world.take_trace();
    let all: Vec<_> = (0..scenario.nodes + scenario.bystanders).map(name).collect();
    Some(Run {
        scenario: scenario.clone(),
        plan,
        outcome,
        records: journal.take(),
        journal_failed,
        trace,
        nodes: all.iter().filter_map(|node| world.node(node)).collect(),
        servers: all.iter().filter_map(|node| world.server(node)).collect(),
        calls: counted.calls.load(Ordering::Relaxed),
        sleeps: counted.sleeps.load(Ordering::Relaxed),
        struck: counted.struck.lock().unwrap_or_else(PoisonError::into_inner).clone(),
    })
}

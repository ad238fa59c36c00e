//! Every plan of up to four nodes, every way to end: the engine dies at every call, before its effect and after it, and in
//! every wait; resumed, it keeps the invariants and ends as if undisturbed, or with everything taken back.

use std::time::Duration;

use canary_core::engine::Outcome;
use canary_core::fleet::Digest;
use canary_core::spec::{OnDrainTimeout, OnInconclusive, ProgressiveWeights};
use canary_core::traits::AdminState;
use canary_testkit::faults::Fault;
use canary_testkit::invariants::broken;
use canary_testkit::sim::{Absence, Run, Scenario, Simulator};
use canary_testkit::world::Behaviour;

/// Longer than any run lasts.
const FOREVER: u64 = 1 << 40;

/// How many failures are shown.
const SHOWN: usize = 12;

/// A plan with everything that will happen to it but the death.
struct Case {
    name: String,
    scenario: Scenario,
    /// How it ends undisturbed.
    end: &'static str,
}

fn calm(nodes: usize) -> Scenario {
    let mut scenario = Scenario::calm(nodes);
    scenario.spec.roll_back_peers = false;
    scenario.spec.drain.on_timeout = OnDrainTimeout::GiveUp;
    scenario.spec.pause.after.clear();
    let watch = scenario.spec.watch.as_mut().expect("a calm rollout is watched");
    (watch.window, watch.interval) = (Duration::from_secs(20), Duration::from_secs(10));
    watch.hold_budget = Duration::from_secs(15);
    watch.on_inconclusive = OnInconclusive::Keep;
    scenario
}

fn cases(nodes: usize) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut case = |name: String, end, change: &dyn Fn(&mut Scenario)| {
        let mut scenario = calm(nodes);
        change(&mut scenario);
        cases.push(Case { name: format!("{nodes} node(s), {name}"), scenario, end });
    };
    case("good".into(), "completed", &|_| {});
    case("not watched".into(), "completed", &|s| s.spec.watch = None);
    case("red in the watch".into(), "rolled back", &|s| s.release = Behaviour::failing(1.0));
    case("never healthy".into(), "rolled back", &|s| {
        s.release = Behaviour::unhealthy();
        s.spec.health.timeout = Duration::from_secs(6);
    });
    case("crashes".into(), "rolled back", &|s| s.release = Behaviour::crashing());
    let grows = |s: &mut Scenario| {
        let steps = ["5%", "50%"].map(|step| step.parse().expect("a percentage")).to_vec();
        s.spec.weights = Some(ProgressiveWeights { steps, window: Some(Duration::from_secs(20)) });
    };
    case("in two steps of its weight".into(), "completed", &grows);
    case("red in the first of two steps".into(), "rolled back", &|s| {
        grows(s);
        s.release = Behaviour::failing(1.0);
    });
    case("no traffic, kept".into(), "inconclusive", &|s| s.requests_per_s = 0);
    case("no traffic, taken back".into(), "inconclusive", &|s| {
        s.requests_per_s = 0;
        let watch = s.spec.watch.as_mut().expect("watched");
        watch.on_inconclusive = OnInconclusive::RollBack;
    });
    case("the pool too small".into(), "rolled back", &|s| {
        s.spec.min_available = u32::try_from(s.nodes).expect("few");
        s.ailing.push((s.nodes, 0, FOREVER));
        s.check_interval_ms = 1;
        s.spec.drain.capacity_timeout = Duration::from_secs(5);
    });
    case("no way back either".into(), "stuck", &|s| {
        s.ailing.push((0, 0, FOREVER));
        s.spec.health.timeout = Duration::from_secs(6);
    });
    if nodes > 1 {
        case("nobody promotes it".into(), "inconclusive", &|s| {
            s.spec.pause.after = vec![s.spec.canary.clone()];
            s.spec.pause.limit = Duration::from_secs(5);
        });
    }
    for node in 0..nodes {
        let (halts, ends) = if node == 0 { ("rolled back", "stuck") } else { ("halted", "stuck") };
        case(format!("no space on n{node}"), if node == 0 { "rolled back" } else { "halted" }, &|s| {
            s.full_disk = Some(node);
        });
        case(format!("no space on n{node}, peers go back"), "rolled back", &|s| {
            s.full_disk = Some(node);
            s.spec.roll_back_peers = true;
        });
        case(format!("n{node} is never idle"), halts, &|s| {
            s.long_requests.push((node, FOREVER));
            s.spec.drain.timeout = Duration::from_secs(5);
        });
        if node > 0 {
            case(format!("n{node} is never healthy again"), "halted", &|s| {
                s.ailing.push((node, 0, FOREVER));
                s.spec.health.timeout = Duration::from_secs(6);
            });
            case(format!("n{node} is never healthy again, peers go back"), ends, &|s| {
                s.ailing.push((node, 0, FOREVER));
                s.spec.health.timeout = Duration::from_secs(6);
                s.spec.roll_back_peers = true;
            });
        }
    }
    cases
}

/// What is installed on a node, what runs, and whether it is in rotation.
type Node = (Option<Digest>, Option<Digest>, AdminState);

/// What is where, and how it was called.
#[derive(Debug, PartialEq, Eq)]
struct End {
    outcome: &'static str,
    nodes: Vec<Node>,
}

fn end(run: &Run) -> End {
    End {
        outcome: run.outcome.as_ref().map_or("none", Outcome::as_str),
        nodes: run.planned().map(|(node, server)| (node.installed, node.running, server.admin)).collect(),
    }
}

/// Whether two runs ended alike; a balancer that restarts may have put back a node that the end leaves out of rotation.
fn same(one: &End, undisturbed: &End, balancer_restarts: bool) -> bool {
    let alike = |(a, b): (&Node, &Node)| {
        (a.0, a.1) == (b.0, b.1) && (a.2 == b.2 || balancer_restarts && a.2 == AdminState::Ready)
    };
    one.outcome == undisturbed.outcome && one.nodes.iter().zip(&undisturbed.nodes).all(alike)
}

/// Everything as it was, and said so.
fn taken_back(run: &Run) -> bool {
    let old = Some(run.old_digest());
    matches!(run.outcome, Some(Outcome::RolledBack { .. }))
        && end(run).nodes.iter().all(|node| *node == (old, old, AdminState::Ready))
}

/// All scenarios that differ from `scenario` by one death.
fn deaths<'a>(
    scenario: &'a Scenario,
    undisturbed: &Run,
) -> impl Iterator<Item = (String, Scenario)> + use<'a> {
    let (calls, sleeps) = (undisturbed.calls, undisturbed.sleeps);
    let at_call = (0..calls).flat_map(|n| [Fault::DieBefore, Fault::DieAfter].map(|death| (n, death)));
    let at_call = at_call.map(|(n, death)| {
        let mut dying = scenario.clone();
        let name = format!("{death:?} at call {n}");
        dying.faults.insert(n, death);
        (name, dying)
    });
    let asleep = (0..sleeps).map(|n| {
        let mut dying = scenario.clone();
        dying.deaths_asleep.insert(n);
        (format!("asleep at wait {n}"), dying)
    });
    at_call.chain(asleep)
}

/// Runs every case of plans with that many nodes; how many deaths there were.
fn every_death(nodes: usize, balancer_restarts: bool) -> u64 {
    let simulator = Simulator::new().unwrap();
    let (mut count, mut bad) = (0, Vec::new());
    // A balancer that restarts ends the requests that never end.
    let comparable = |case: &Case| !balancer_restarts || case.scenario.long_requests.is_empty();
    for mut case in cases(nodes).into_iter().filter(comparable) {
        case.scenario.absences = vec![Absence { ms: 3_000, balancer_restarts }];
        let undisturbed = simulator.run(&case.scenario).expect("a plan");
        let wanted = end(&undisturbed);
        if wanted.outcome != case.end || !broken(&undisturbed).is_empty() {
            bad.push(format!("{}: {:?}, {:?}", case.name, undisturbed.outcome, broken(&undisturbed)));
            continue;
        }
        for (death, scenario) in deaths(&case.scenario, &undisturbed) {
            let run = simulator.run(&scenario).expect("a plan");
            let (breaks, ends_well) =
                (broken(&run), same(&end(&run), &wanted, balancer_restarts) || taken_back(&run));
            if !breaks.is_empty() || !ends_well {
                let (name, end) = (&case.name, end(&run));
                bad.push(format!(
                    "{name}, {death}: {:?} {breaks:?}\n  {end:?}, undisturbed {wanted:?}",
                    run.outcome
                ));
            }
            count += 1;
        }
    }
    assert!(bad.is_empty(), "{} of {count}:\n{}", bad.len(), bad[..bad.len().min(SHOWN)].join("\n"));
    count
}

#[test]
fn plans_of_one_node() {
    assert!(every_death(1, false) > 1000);
}

#[test]
fn plans_of_two_nodes() {
    assert!(every_death(2, false) > 1000);
}

#[test]
fn plans_of_three_nodes() {
    assert!(every_death(3, false) > 1000);
}

#[test]
fn plans_of_four_nodes() {
    assert!(every_death(4, false) > 1000);
}

#[test]
fn the_balancer_restarts_while_nobody_looks() {
    assert!(every_death(2, true) > 1000);
}

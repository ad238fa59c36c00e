//! A rollout's records as each format shows them.

use std::collections::BTreeMap;
use std::time::Duration;

use canary_core::analysis::{HoldReason, JudgedSli, Number, Observation, Ratio, SliVerdict, Verdict};
use canary_core::engine::{FailureClass, Outcome};
use canary_core::fleet::{Artifact, Digest, FileFacts, NodeId};
use canary_core::journal::{Chain, Entry, NodeReport, Record, Request, RolloutId, StepResult, Wish};
use canary_core::plan::{
    Action, Origin, Plan, PlannedNode, PlannedStage, PlannedWeights, Purpose, Step, WayBack, Work,
};
use canary_core::spec::{
    Bound, Judging, OnInconclusive, ProgressiveWeights, RolloutSpec, Sli, SliJudging, WatchPolicy,
    WatchSubject,
};
use canary_core::time::Timestamp;
use canary_core::traits::{
    ActiveState, AdminState, Event, EventSink as _, Finding, GateVerdict, Operational, Progress, Review,
    Severity, SliKind, Weight,
};

use super::paint::Paint;
use super::plan::{plan_lines, step_lines};
use super::screen::{Format, Screen};
use super::sink::ScreenSink;
use super::terminal::{Size, Terminal};
use super::words;
use crate::testing::Captured;

pub(super) fn node(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

fn facts(bytes: &[u8]) -> FileFacts {
    FileFacts { sha256: Digest::of(bytes), size: 4_000_000 }
}

pub(super) fn plan() -> Plan {
    let (canary, peer) = (node("backend-api-2"), node("backend-api-1"));
    let pool = "api_pool".parse().unwrap();
    let spec = RolloutSpec::new("api".parse().unwrap(), pool, canary.clone(), vec![peer.clone()]);
    let nodes = [&canary, &peer].map(|node| PlannedNode {
        node: node.clone(),
        before: Some(Digest::of(b"old")),
        work: Work::Replace,
    });
    let mut steps = vec![Step::stage()];
    let actions = [
        Action::Drain,
        Action::Install,
        Action::Restart,
        Action::CheckHealth,
        Action::Enable,
        Action::ProveTraffic,
    ];
    for node in [&canary, &peer] {
        steps.extend(actions.map(|action| Step::forward(node, action)));
    }
    Plan {
        purpose: Purpose::RollOut,
        spec,
        artifact: Artifact { path: "/tmp/veza-api-v2".into(), facts: facts(b"new") },
        way_back: Some(WayBack { origin: Origin::Host { path: "/srv/old".into() }, facts: facts(b"old") }),
        store: "/var/lib/canary/api/artifacts".into(),
        nodes: nodes.into(),
        steps,
        weights: None,
        warnings: vec!["pool api_pool also has backend-api-3, which the rollout does not name".to_owned()],
    }
}

pub(super) fn judged(sli: &str, value: f64, bound: f64, verdict: SliVerdict) -> JudgedSli {
    let held = matches!(verdict, SliVerdict::Hold { .. });
    let value = Number::new(value).filter(|_| !held);
    let bound = Bound::Below(Number::new(bound).unwrap());
    JudgedSli {
        sli: sli.to_owned(),
        value,
        bound,
        events: None,
        verdict,
        beside: BTreeMap::new(),
        queries: Vec::new(),
    }
}

/// A canary that is red in its watch and cannot be brought back at the first try.
fn story() -> Vec<Entry> {
    let id = RolloutId::new(Timestamp::from_millis(0), 7);
    let canary = node("backend-api-2");
    let forward = |action| Step::forward(&canary, action);
    let done = |step: Step, changed, facts: &[(&str, &str)]| Entry::StepFinished {
        rollout: id.clone(),
        step,
        result: StepResult::Done { changed },
        facts: facts.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        logs: Vec::new(),
    };
    let started = |step: Step| Entry::StepStarted { rollout: id.clone(), step };
    let observed = |verdict, slis| Entry::Observed {
        rollout: id.clone(),
        step: forward(Action::Watch),
        observation: Observation {
            verdict,
            ..Observation::plain(Timestamp::from_millis(0), Duration::from_secs(60), slis)
        },
    };
    let hold =
        || SliVerdict::Hold { why: HoldReason::SourceDown { error: "prometheus: unreachable".to_owned() } };
    let held = || {
        observed(
            Verdict::Hold,
            vec![judged("p95", 0.0, 0.5, hold()), judged("error_ratio", 0.0, 0.005, hold())],
        )
    };
    let digest = Digest::of(b"new").to_string();
    let back = Step::back(&canary, Action::CheckHealth);
    vec![
        Entry::Opened {
            pid: 7,
            host: "deploy".to_owned(),
            actor: "ada".to_owned(),
            engine: "0.1.0".to_owned(),
            token: 3,
        },
        Entry::GateReviewed { rollout: id.clone(), actor: "ada".to_owned(), review: review() },
        Entry::Started {
            rollout: id.clone(),
            actor: "ada".to_owned(),
            reason: None,
            permit: None,
            plan: Box::new(plan()),
        },
        started(Step::stage()),
        done(Step::stage(), true, &[]),
        started(forward(Action::Drain)),
        Entry::Retried {
            rollout: id.clone(),
            step: forward(Action::Drain),
            error: "haproxy: set server state: unreachable".to_owned(),
            attempt: 1,
            delay: Duration::from_millis(200),
        },
        done(forward(Action::Drain), true, &[("others_serving", "1"), ("sessions_closed", "waited 1m")]),
        started(forward(Action::Install)),
        done(forward(Action::Install), true, &[("digest", &digest), ("bytes", "4000000")]),
        started(forward(Action::Watch)),
        observed(Verdict::Green, vec![judged("p95", 0.012_345_6, 0.5, SliVerdict::Green)]),
        held(),
        held(),
        observed(
            Verdict::Red,
            vec![
                judged("p95", 0.02, 0.5, SliVerdict::Green),
                judged("error_ratio", 0.05, 0.005, SliVerdict::Red),
            ],
        ),
        Entry::StepFinished {
            rollout: id.clone(),
            step: forward(Action::Watch),
            result: StepResult::Failed {
                class: FailureClass::Red,
                message: "error_ratio 0.05 (bound < 0.005)".to_owned(),
            },
            facts: BTreeMap::new(),
            logs: Vec::new(),
        },
        Entry::Asked { rollout: id.clone(), request: Request::new(Wish::Abort, "ada"), refused: None },
        started(back.clone()),
        Entry::StepFinished {
            rollout: id.clone(),
            step: back,
            result: StepResult::Failed {
                class: FailureClass::Unhealthy,
                message: "waited 1m for 200".to_owned(),
            },
            facts: BTreeMap::new(),
            logs: vec!["panic: no database".to_owned()],
        },
        Entry::Finished {
            rollout: id,
            outcome: Outcome::Stuck { reason: "back: check-health: waited 1m for 200".to_owned() },
            nodes: vec![
                report("backend-api-2", b"old", AdminState::Drain, Operational::Up, ActiveState::Failed),
                report("backend-api-1", b"new", AdminState::Ready, Operational::Up, ActiveState::Active),
                NodeReport {
                    node: node("b-3"),
                    installed: None,
                    service: None,
                    admin: None,
                    operational: None,
                    problems: vec!["incus: read what is installed: unreachable".to_owned()],
                },
            ],
        },
    ]
}

fn report(
    name: &str,
    bytes: &[u8],
    admin: AdminState,
    operational: Operational,
    service: ActiveState,
) -> NodeReport {
    NodeReport {
        node: node(name),
        installed: Some(Digest::of(bytes)),
        service: Some(service),
        admin: Some(admin),
        operational: Some(operational),
        problems: Vec::new(),
    }
}

fn review() -> Review {
    Review {
        verdict: GateVerdict::Refused,
        findings: vec![Finding {
            rule: "drop-column".to_owned(),
            severity: Severity::Refuse,
            file: "migrations/0042_x.sql".to_owned(),
            line: 3,
            column: 5,
            statement: "ALTER TABLE users\n    DROP COLUMN name".to_owned(),
            reason: "the old binary still reads it".to_owned(),
            remedy: "drop it one release later".to_owned(),
            ..Finding::default()
        }],
        evidence: Vec::new(),
        digest: Digest::of(b""),
        baseline: None,
    }
}

/// Each entry a second after the one before.
pub(super) fn records() -> Vec<Record> {
    let mut chain = Chain::new([7; 16]);
    let mut at = Timestamp::from_millis(1_705_329_130_000);
    let record = |entry| {
        let (record, _) = chain.record(at, entry).unwrap();
        chain = Chain::after(&record);
        at = at.plus(Duration::from_millis(1250));
        record
    };
    story().into_iter().map(record).collect()
}

/// A terminal with no room for a view below the lines.
const LOW: Terminal = Terminal { size: || Size { width: 80, height: 2 }, unicode: true };

fn shown(format: Format, terminal: bool) -> String {
    let out = Captured::default();
    let sink = ScreenSink::new(Screen::new(out.clone(), format, terminal.then_some(LOW), true));
    for (i, record) in records().iter().enumerate() {
        sink.emit(&Event::Recorded(record));
        if i == 5 {
            for seconds in [0, 1, 2, 16, 17] {
                sink.emit(&Event::Waiting(&Progress {
                    step: "backend-api-2: drain".to_owned(),
                    node: Some(node("backend-api-2")),
                    waiting_for: "no request in progress".to_owned(),
                    seen: "drain, 3 in progress, 0 queued".to_owned(),
                    elapsed: Duration::from_secs(seconds),
                    limit: Duration::from_secs(60),
                }));
            }
        }
    }
    let entry = &records()[3].entry;
    sink.emit(&Event::Unrecorded { entry, why: "no space left on device" });
    let bytes = out.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn plain_lines_for_logs() {
    let text = shown(Format::Human, false);
    assert!(!text.contains('\u{1b}'), "no colours without a terminal");
    assert_eq!(text, shown(Format::Plain, true));
    insta::assert_snapshot!(text);
}

#[test]
fn colours_are_all_that_a_terminal_adds_to_the_lines() {
    let coloured = shown(Format::Human, true);
    assert!(coloured.contains("\u{1b}[31mfailed"));
    let mut plain = String::new();
    for part in coloured.split('\u{1b}') {
        plain.push_str(part.split_once('m').filter(|_| part.starts_with('[')).map_or(part, |(_, rest)| rest));
    }
    let waits = |line: &&str| !line.contains("; waiting for");
    let expected = shown(Format::Plain, false);
    assert_eq!(
        plain.lines().filter(waits).collect::<Vec<_>>(),
        expected.lines().filter(waits).collect::<Vec<_>>()
    );
}

#[test]
fn one_object_a_line_for_programs() {
    let text = shown(Format::Json, true);
    for line in text.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["v"], 1);
        assert!(value["event"].is_string());
    }
    insta::assert_snapshot!(text);
}

#[test]
fn every_step_of_a_plan_is_listed() {
    insta::assert_snapshot!(step_lines(&plan()).join("\n"));
}

fn watch() -> WatchPolicy {
    WatchPolicy {
        window: Duration::from_secs(3600),
        interval: Duration::from_secs(30),
        rate_window: Duration::from_secs(60),
        subject: WatchSubject::Canary,
        slis: vec![Sli {
            name: "p95".to_owned(),
            kind: SliKind::Expression { promql: "1".to_owned() },
            bound: Bound::Below(Number::new(0.5).unwrap()),
            min_requests: 1,
            judging: SliJudging::default(),
        }],
        hold_budget: Duration::from_secs(1800),
        on_inconclusive: OnInconclusive::Keep,
        judging: Judging::default(),
    }
}

#[test]
fn the_steps_of_a_weight_are_listed_with_what_they_come_to() {
    let mut plan = plan();
    let canary = plan.spec.canary.clone();
    plan.spec.watch = Some(watch());
    let percents = ["1%", "25%"].map(|text| text.parse().unwrap());
    plan.spec.weights =
        Some(ProgressiveWeights { steps: percents.to_vec(), window: Some(Duration::from_secs(300)) });
    let stage = |(percent, weight, share, requests)| PlannedStage {
        percent,
        weight: Weight::new(weight).unwrap(),
        share: Ratio::new(share).unwrap(),
        requests,
    };
    let stages = [(percents[0], 1, 1.0 / 101.0, Some(29)), (percents[1], 25, 0.2, None)].map(stage).to_vec();
    plan.weights =
        Some(PlannedWeights { configured: Weight::new(100).unwrap(), stages, rate: Number::new(9.9) });
    let on = |action, stage| Step::forward(&canary, action).at_stage(stage);
    plan.steps = vec![
        on(Action::Weigh, 1),
        on(Action::Enable, 0),
        on(Action::Watch, 1),
        on(Action::Weigh, 2),
        on(Action::Watch, 2),
        on(Action::Weigh, 0),
        on(Action::Watch, 0),
    ];
    let lines = [plan_lines(&plan, Paint { on: false }), step_lines(&plan)].concat();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn times_and_sizes_are_short() {
    let times = [0, 420, 9_999, 12_340, 65_000, 3_725_000].map(|ms| words::time(Duration::from_millis(ms)));
    assert_eq!(times, ["0.00s", "0.42s", "10.00s", "12.3s", "1m 05s", "1h 02m"]);
    assert_eq!([0, 1023, 1024, 4_000_000].map(words::bytes), ["0 B", "1023 B", "1.0 KiB", "3.8 MiB"]);
    assert_eq!([words::count(1, "node"), words::count(0, "node")], ["1 node", "0 nodes"]);
}

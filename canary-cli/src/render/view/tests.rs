//! Whole views at every size, by what the records say.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use canary_core::analysis::odds::{OddsPolicy, OddsSli, Table};
use canary_core::analysis::{
    Compared, Comparison, HoldReason, Number, Observation, SliVerdict, Verdict, Whose,
};
use canary_core::engine::FailureClass;
use canary_core::plan::{PlannedNode, Work};
use canary_core::spec::{Judging, OnInconclusive, Sli, SliJudging, WatchPolicy, WatchSubject};
use canary_core::traits::{Server, SliKind, Weight};

use super::*;
use crate::render::paint::Paint;
use crate::render::row::columns;
use crate::render::terminal::Size;
use crate::render::tests::{judged, node, plan};

const PLAIN: Paint = Paint { on: false };

fn second(at: u64) -> Timestamp {
    Timestamp::from_millis(1_705_329_130_000 + at * 1000)
}

/// The plan of the other tests, with a watch of an hour.
fn watched() -> Plan {
    let mut plan = plan();
    let sli = |name: &str, bound: &str| Sli {
        name: name.to_owned(),
        kind: SliKind::Expression { promql: "1".to_owned() },
        bound: canary_core::spec::Bound::Below(bound.parse().unwrap()),
        min_requests: 1,
        judging: SliJudging::default(),
    };
    plan.spec.watch = Some(WatchPolicy {
        window: Duration::from_secs(3600),
        interval: Duration::from_secs(30),
        rate_window: Duration::from_secs(60),
        subject: WatchSubject::Pool,
        slis: vec![sli("p95", "0.5"), sli("error_ratio", "0.005")],
        hold_budget: Duration::from_secs(1800),
        on_inconclusive: OnInconclusive::Keep,
        judging: Judging::default(),
    });
    let canary = plan.spec.canary.clone();
    let at = plan.steps.iter().position(|step| step.action == Action::ProveTraffic).unwrap();
    plan.steps.insert(at + 1, Step::forward(&canary, Action::Watch));
    plan
}

/// Tells a rollout's story second by second.
struct Teller {
    view: Option<View>,
    rollout: RolloutId,
    at: u64,
}

impl Teller {
    fn new(plan: Plan) -> Self {
        let rollout = RolloutId::new(second(0), 7);
        let mut teller = Self { view: None, rollout: rollout.clone(), at: 0 };
        let (actor, plan) = ("ada".to_owned(), Box::new(plan));
        teller.tell(Entry::Started { rollout, actor, reason: None, permit: None, plan });
        teller
    }

    fn tell(&mut self, entry: Entry) {
        View::fold(&mut self.view, second(self.at), &entry);
    }

    fn begin(&mut self, step: Step) {
        self.at += 1;
        self.tell(Entry::StepStarted { rollout: self.rollout.clone(), step });
    }

    fn finish(&mut self, step: Step, result: StepResult) {
        self.at += 1;
        let (facts, logs) = (BTreeMap::new(), Vec::new());
        self.tell(Entry::StepFinished { rollout: self.rollout.clone(), step, result, facts, logs });
    }

    fn done(&mut self, step: Step) {
        self.begin(step.clone());
        self.finish(step, StepResult::Done { changed: true });
    }

    /// All steps of the plan up to this one, which is begun.
    fn until(&mut self, last: &Step) {
        for step in self.view().plan.steps.clone() {
            if step == *last {
                return self.begin(step);
            }
            self.done(step);
        }
        panic!("the plan has no step {last}");
    }

    fn probe(&mut self, values: Option<(f64, f64)>) {
        self.at += 30;
        let hold = || SliVerdict::Hold { why: HoldReason::NoTraffic };
        let verdict =
            |value: f64, bound: f64| if value < bound { SliVerdict::Green } else { SliVerdict::Red };
        let slis = match values {
            None => vec![judged("p95", 0.0, 0.5, hold()), judged("error_ratio", 0.0, 0.005, hold())],
            Some((p95, errors)) => vec![
                judged("p95", p95, 0.5, verdict(p95, 0.5)),
                judged("error_ratio", errors, 0.005, verdict(errors, 0.005)),
            ],
        };
        let verdict = canary_core::analysis::overall(&slis);
        assert!(values.is_some() || verdict == Verdict::Hold);
        let at = second(self.at);
        let observation = Observation { verdict, ..Observation::plain(at, Duration::from_secs(60), slis) };
        let step = Step::forward(&node("backend-api-2"), Action::Watch);
        self.tell(Entry::Observed { rollout: self.rollout.clone(), step, observation });
    }

    fn view(&self) -> &View {
        self.view.as_ref().unwrap()
    }

    fn look(&mut self, admin: AdminState, operational: Operational) {
        let weight = Weight::new(100).unwrap();
        let server = |name: &str, admin, operational| Server {
            node: node(name),
            address: None,
            admin,
            operational,
            checked: true,
            weight,
            configured_weight: weight,
            backup: false,
            sessions: 3,
            queued: 0,
            served: 9,
        };
        let pool = PoolState {
            pool: "api_pool".parse().unwrap(),
            epoch: "1".to_owned(),
            algorithm: None,
            sticky: None,
            servers: vec![
                server("backend-api-2", admin, operational),
                server("backend-api-1", AdminState::Ready, Operational::Up),
            ],
        };
        self.view.as_mut().unwrap().look(Some(&pool));
    }

    /// The view five seconds later, at several widths.
    fn shown(&self, glyphs: &Glyphs) -> String {
        let mut text = String::new();
        for width in [200, 80, 40, 20] {
            let rows = self.rows(Size { width, height: 24 }, glyphs);
            writeln!(text, "--- {width} columns\n{}", rows.join("\n")).unwrap();
        }
        text
    }

    fn rows(&self, size: Size, glyphs: &Glyphs) -> Vec<String> {
        self.view().rows(second(self.at + 5), size, glyphs, PLAIN)
    }
}

fn forward(action: Action) -> Step {
    Step::forward(&node("backend-api-2"), action)
}

fn drain() -> Teller {
    let mut teller = Teller::new(watched());
    teller.until(&forward(Action::Drain));
    teller.look(AdminState::Drain, Operational::Up);
    teller.view.as_mut().unwrap().waiting(&Progress {
        step: "backend-api-2: drain".to_owned(),
        node: Some(node("backend-api-2")),
        waiting_for: "no request in progress".to_owned(),
        seen: "drain, 3 in progress, 0 queued".to_owned(),
        elapsed: Duration::from_secs(4),
        limit: Duration::from_secs(60),
    });
    teller
}

fn watch() -> Teller {
    let mut teller = Teller::new(watched());
    teller.until(&forward(Action::Watch));
    teller.look(AdminState::Ready, Operational::Up);
    for probe in 0..100_u32 {
        let p95 = 0.05 + 0.004 * f64::from(probe);
        teller.probe((!(40..44).contains(&probe)).then_some((p95, 0.0)));
    }
    teller
}

fn back() -> Teller {
    let mut teller = watch();
    teller.probe(Some((0.4, 0.02)));
    let failed = StepResult::Failed { class: FailureClass::Red, message: "error_ratio 0.02".to_owned() };
    teller.finish(forward(Action::Watch), failed);
    teller.done(Step::back(&node("backend-api-2"), Action::Drain));
    teller.begin(Step::back(&node("backend-api-2"), Action::Install));
    teller
}

#[test]
fn a_step_that_waits() {
    insta::assert_snapshot!(drain().shown(&Glyphs::UNICODE));
}

#[test]
fn a_watch() {
    insta::assert_snapshot!(watch().shown(&Glyphs::UNICODE));
}

/// A watch that compares: a canary somewhat worse than its peer.
#[test]
fn a_watch_with_a_comparison() {
    let mut teller = watch();
    let step = forward(Action::Watch);
    let fixed = Comparison {
        policy: OddsPolicy::default(),
        slis: vec![OddsSli::errors("error_ratio", None, None)],
        baseline: vec![node("backend-api-1")],
        remarks: Vec::new(),
    };
    let mut odds = fixed.begin();
    let (rollout, comparison) = (teller.rollout.clone(), Box::new(fixed));
    teller.tell(Entry::Calibrated {
        rollout: rollout.clone(),
        step: step.clone(),
        comparison,
        queries: Vec::new(),
    });
    for _ in 0..4 {
        teller.at += 30;
        let tables = vec![vec![Table::new((1000, 12), (1000, 3))]];
        let compared = Compared::poll(&mut odds, tables, Duration::from_secs(30));
        let mut slis = vec![
            judged("p95", 0.21, 0.5, SliVerdict::Green),
            judged("error_ratio", 0.004, 0.005, SliVerdict::Green),
        ];
        slis[0].beside.insert(Whose::Baseline, Number::new(0.19).unwrap());
        slis[1].beside.insert(Whose::Baseline, Number::new(0.003).unwrap());
        let plain = Observation::plain(second(teller.at), Duration::from_secs(60), slis);
        let observation = Observation { compared: Some(Box::new(compared)), ..plain };
        teller.tell(Entry::Observed { rollout: rollout.clone(), step: step.clone(), observation });
    }
    insta::assert_snapshot!(teller.shown(&Glyphs::UNICODE));
}

#[test]
fn a_watch_without_unicode() {
    insta::assert_snapshot!(watch().shown(&Glyphs::ASCII));
}

#[test]
fn a_watch_on_hold() {
    let mut teller = watch();
    teller.probe(None);
    teller.look(AdminState::Ready, Operational::Down);
    insta::assert_snapshot!(teller.shown(&Glyphs::UNICODE));
}

#[test]
fn the_way_back() {
    insta::assert_snapshot!(back().shown(&Glyphs::UNICODE));
}

#[test]
fn a_pause_that_goes_on_watching() {
    let mut plan = watched();
    let canary = plan.spec.canary.clone();
    let at = plan.steps.iter().position(|step| step.action == Action::Watch).unwrap();
    plan.steps.insert(at + 1, Step::forward(&canary, Action::Pause));
    let mut teller = Teller::new(plan);
    teller.until(&forward(Action::Pause));
    let before = teller.shown(&Glyphs::UNICODE);
    teller.probe(Some((0.4, 0.001)));
    insta::assert_snapshot!(format!("{before}\n=== after a probe\n{}", teller.shown(&Glyphs::UNICODE)));
}

/// The drain of the fifth node of forty-two.
fn many() -> Teller {
    let mut plan = watched();
    for number in 3..43 {
        let name = node(&format!("backend-api-{number}"));
        plan.nodes.push(PlannedNode { node: name.clone(), before: None, work: Work::Replace });
        let steps = [Action::Drain, Action::Install, Action::ProveTraffic];
        plan.steps.extend(steps.map(|action| Step::forward(&name, action)));
    }
    let mut teller = Teller::new(plan);
    teller.until(&Step::forward(&node("backend-api-5"), Action::Drain));
    teller
}

#[test]
fn what_does_not_fit_is_counted() {
    let mut text = String::new();
    for (name, teller) in [("many nodes", many()), ("a watch", watch())] {
        for height in [24, 12, 8, 6, 5, 4, 3, 0] {
            let rows = teller.rows(Size { width: 80, height }, &Glyphs::UNICODE);
            writeln!(text, "--- {name}, {height} rows\n{}", rows.join("\n")).unwrap();
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn no_view_is_larger_than_its_terminal() {
    for teller in [drain(), watch(), back(), many()] {
        for glyphs in [&Glyphs::UNICODE, &Glyphs::ASCII] {
            for (width, height) in (0..130)
                .step_by(7)
                .chain([1, 20, 99, 100, 101])
                .flat_map(|width| (0..30).map(move |height| (width, height)))
            {
                let rows = teller.rows(Size { width, height }, glyphs);
                assert!(rows.len() <= height.saturating_sub(2), "{width} x {height}: {rows:?}");
                assert!(rows.iter().all(|row| columns(row) < width.max(1)), "{width} x {height}: {rows:?}");
                let ascii = rows.iter().all(|row| row.is_ascii());
                assert!(ascii || glyphs.alarm.is_none(), "{rows:?}");
            }
        }
    }
}

#[test]
fn colours_say_what_is_red() {
    let mut teller = watch();
    teller.probe(Some((0.4, 0.02)));
    let size = Size { width: 80, height: 24 };
    let rows = teller.view().rows(second(teller.at), size, &Glyphs::UNICODE, Paint { on: true });
    let row = rows.iter().find(|row| row.contains("error_ratio")).unwrap();
    assert!(row.contains("\u{1b}[31m0.02") && row.ends_with("\u{1b}[31m█\u{1b}[0m"), "{row:?}");
}

#[test]
fn an_end_takes_the_view_away_and_an_interruption_can_go_on() {
    let mut teller = watch();
    let outcome = Outcome::Interrupted { at: "watch".to_owned() };
    let rollout = teller.rollout.clone();
    teller.tell(Entry::Finished { rollout: rollout.clone(), outcome, nodes: Vec::new() });
    assert_eq!(teller.rows(Size { width: 80, height: 24 }, &Glyphs::UNICODE), [""; 0]);
    teller.tell(Entry::Resumed { rollout: rollout.clone(), actor: "ada".to_owned(), nodes: Vec::new() });
    teller.begin(forward(Action::Watch));
    let rows = teller.rows(Size { width: 80, height: 24 }, &Glyphs::UNICODE);
    assert!(rows.iter().any(|row| row.contains("watched 48m")), "{rows:?}");
    let outcome = Outcome::Completed { changed: true };
    teller.tell(Entry::Finished { rollout, outcome, nodes: Vec::new() });
    assert!(teller.view.is_none());
}

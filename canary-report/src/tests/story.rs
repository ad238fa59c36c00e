//! Journals of rollouts that never were.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use canary_core::analysis::odds::{Calibration, OddsPolicy, OddsSli, Table};
use canary_core::analysis::{
    Compared, Comparison, HoldReason, JudgedSli, Number, Observation, SliVerdict, Whose,
};
use canary_core::engine::{FailureClass, Outcome};
use canary_core::fleet::{Artifact, Digest, FileFacts, MetricName, NodeId};
use canary_core::journal::{Chain, Entry, NodeReport, Record, Request, RolloutId, StepResult, Wish};
use canary_core::plan::{Action, Origin, Plan, PlannedNode, Purpose, Step, WayBack, Work};
use canary_core::spec::{
    Bound, Judging, OnInconclusive, RolloutSpec, Sli, SliJudging, WatchPolicy, WatchSubject,
};
use canary_core::time::Timestamp;
use canary_core::traits::{
    ActiveState, AdminState, ExecutedQuery, Finding, GateVerdict, Operational, Review, Severity, SliKind,
};

use crate::Report;

/// Records, one after the other. Every foreign text in them is `said` followed by what it is.
pub(super) struct Story {
    chain: Chain,
    now: u64,
    pub(super) id: RolloutId,
    pub(super) records: Vec<Record>,
    said: String,
}

pub(super) fn number(value: f64) -> Number {
    Number::new(value).unwrap()
}

pub(super) fn node(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

pub(super) fn step(action: Action) -> Step {
    Step::forward(&node("api-2"), action)
}

impl Story {
    pub(super) fn new(said: &str) -> Self {
        let now = 1_705_329_130_123;
        let id = RolloutId::new(Timestamp::from_millis(now), 7);
        let mut story =
            Self { chain: Chain::new([7; 16]), now, id, records: Vec::new(), said: said.to_owned() };
        story.push(0, Entry::Genesis { engine: "0.1.0".to_owned() });
        story
    }

    pub(super) fn say(&self, what: &str) -> String {
        format!("{}{what}", self.said)
    }

    pub(super) fn push(&mut self, after: u64, entry: Entry) {
        self.now += after;
        let (record, _) = self.chain.record(Timestamp::from_millis(self.now), entry).unwrap();
        self.chain = Chain::after(&record);
        self.records.push(record);
    }

    pub(super) fn page(&self) -> String {
        Report::of(&self.records, &self.id).unwrap().html()
    }

    pub(super) fn message(&self) -> String {
        Report::of(&self.records, &self.id).unwrap().markdown()
    }

    pub(super) fn gate(&mut self) {
        let finding = Finding {
            rule: self.say("rule"),
            severity: Severity::Warn,
            file: self.say("file.sql"),
            line: 3,
            column: 1,
            statement: self.say("drop table"),
            reason: self.say("the old binary reads it"),
            remedy: self.say("drop it later"),
            ..Finding::default()
        };
        let review = Review {
            verdict: GateVerdict::NothingNew { why: self.say("no new migration") },
            findings: vec![finding],
            evidence: vec![self.say("base v1")],
            digest: Digest::of(b"review"),
            baseline: None,
        };
        self.push(5, Entry::GateReviewed { rollout: self.id.clone(), actor: self.say("ada"), review });
    }

    pub(super) fn begin(&mut self) {
        self.gate();
        let (actor, reason) = (self.say("ada"), Some(self.say("ticket 12")));
        let plan = Box::new(self.plan());
        self.push(10, Entry::Started { rollout: self.id.clone(), actor, reason, permit: None, plan });
    }

    pub(super) fn plan(&self) -> Plan {
        let facts = |text: &str| FileFacts { sha256: Digest::of(text.as_bytes()), size: 4_000_000 };
        let text = |name: &str| name.parse().unwrap();
        let mut spec =
            RolloutSpec::new(text("api"), "api_pool".parse().unwrap(), node("api-2"), vec![node("api-1")]);
        let kind = SliKind::Quantile {
            metric: MetricName::new("latency").unwrap(),
            quantile: "0.95".parse().unwrap(),
        };
        let expression = SliKind::Expression { promql: self.say("queue_length") };
        let sli = |name: String, kind, bound| Sli {
            name,
            kind,
            bound,
            min_requests: 0,
            judging: SliJudging::default(),
        };
        spec.watch = Some(WatchPolicy {
            window: Duration::from_secs(60),
            interval: Duration::from_secs(10),
            rate_window: Duration::from_secs(60),
            subject: WatchSubject::Pool,
            slis: vec![
                sli("p95".to_owned(), kind, Bound::Below(number(0.5))),
                sli(self.say("queue"), expression, Bound::Above(number(-3.0))),
            ],
            hold_budget: Duration::from_secs(600),
            on_inconclusive: OnInconclusive::Keep,
            judging: Judging::default(),
        });
        let planned = |name: &str| PlannedNode {
            node: node(name),
            before: Some(Digest::of(b"v1")),
            work: Work::Replace,
        };
        Plan {
            purpose: Purpose::RollOut,
            spec,
            artifact: Artifact { path: PathBuf::from(self.say("/srv/v2")), facts: facts("v2") },
            way_back: Some(WayBack {
                origin: Origin::Host { path: PathBuf::from(self.say("/srv/v1")) },
                facts: facts("v1"),
            }),
            store: PathBuf::from("/srv/store"),
            nodes: vec![planned("api-2"), planned("api-1")],
            steps: [Action::Drain, Action::CheckHealth, Action::Watch].map(step).into(),
            weights: None,
            warnings: vec![self.say("no peer is checked")],
        }
    }

    pub(super) fn started(&mut self, after: u64, step: &Step) {
        self.push(after, Entry::StepStarted { rollout: self.id.clone(), step: step.clone() });
    }

    pub(super) fn ended(&mut self, after: u64, step: &Step, result: StepResult, facts: &[(&str, &str)]) {
        let facts: BTreeMap<_, _> = facts.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let logs = match &result {
            StepResult::Failed { .. } => vec![self.say("panicked"), self.say("at main.rs")],
            StepResult::Done { .. } => Vec::new(),
        };
        self.push(
            after,
            Entry::StepFinished { rollout: self.id.clone(), step: step.clone(), result, facts, logs },
        );
    }

    pub(super) fn did(&mut self, step: &Step, facts: &[(&str, &str)]) {
        self.started(3, step);
        self.ended(1200, step, StepResult::Done { changed: true }, facts);
    }

    pub(super) fn failed(&mut self, step: &Step, class: FailureClass) {
        let message = self.say("p95 0.81 (bound < 0.5)");
        self.ended(1, step, StepResult::Failed { class, message }, &[]);
    }

    pub(super) fn retried(&mut self, step: &Step) {
        let (rollout, error) = (self.id.clone(), self.say("connection refused"));
        let delay = Duration::from_millis(200);
        self.push(40, Entry::Retried { rollout, step: step.clone(), error, attempt: 1, delay });
    }

    pub(super) fn asked(&mut self, wish: Wish, refused: bool) {
        let mut request = Request::new(wish, self.say("grace"));
        request.reason = Some(self.say("the queue grows"));
        let refused = refused.then(|| self.say("nothing to promote"));
        self.push(100, Entry::Asked { rollout: self.id.clone(), request, refused });
    }

    /// A probe; `None` holds.
    pub(super) fn probe(&mut self, p95: Option<f64>, queue: Option<f64>) {
        let judged = |sli: String, value: Option<f64>, bound: Bound| {
            let value = value.map(number);
            let verdict = match value {
                None => SliVerdict::Hold { why: HoldReason::SourceDown { error: self.say("503") } },
                Some(value) if bound.holds(value.value()) => SliVerdict::Green,
                Some(_) => SliVerdict::Red,
            };
            let queries = vec![ExecutedQuery { query: self.say("rate(x[60s])"), reply: self.say("{} 1") }];
            JudgedSli { sli, value, bound, events: Some(120), verdict, beside: BTreeMap::new(), queries }
        };
        let slis = vec![
            judged("p95".to_owned(), p95, Bound::Below(number(0.5))),
            judged(self.say("queue"), queue, Bound::Above(number(-3.0))),
        ];
        let at = Timestamp::from_millis(self.now + 10_000);
        let observation = Observation::plain(at, Duration::from_secs(60), slis);
        self.push(
            10_000,
            Entry::Observed { rollout: self.id.clone(), step: step(Action::Watch), observation },
        );
    }

    pub(super) fn finished(&mut self, outcome: Outcome, installed: &str) {
        let report = |name: &str| NodeReport {
            node: node(name),
            installed: Some(Digest::of(installed.as_bytes())),
            service: Some(ActiveState::Active),
            admin: Some(AdminState::Ready),
            operational: Some(Operational::Up),
            problems: Vec::new(),
        };
        let mut unread = report("api-1");
        (unread.installed, unread.admin, unread.operational) = (None, None, None);
        unread.problems = vec![self.say("exec failed")];
        let nodes = vec![report("api-2"), unread];
        self.push(20, Entry::Finished { rollout: self.id.clone(), outcome, nodes });
    }

    /// Everything that can happen, up to a red probe and the way back.
    pub(super) fn rolled_back(said: &str) -> Self {
        let mut story = Self::new(said);
        story.begin();
        story.did(&Step::stage(), &[]);
        let drain = step(Action::Drain);
        story.started(2, &drain);
        story.retried(&drain);
        story.ended(
            300,
            &drain,
            StepResult::Done { changed: true },
            &[("sessions_closed", &story.say("2 left"))],
        );
        let via = story.say("curl");
        story.did(&step(Action::CheckHealth), &[("via", &via)]);
        let watch = step(Action::Watch);
        story.started(2, &watch);
        story.probe(None, Some(4.0));
        story.probe(None, Some(4.0));
        story.probe(Some(0.2), Some(3.0));
        story.asked(Wish::Promote, true);
        story.probe(Some(0.3), Some(1.0));
        story.asked(Wish::Pause, false);
        story.push(
            60_000,
            Entry::Resumed { rollout: story.id.clone(), actor: story.say("bob"), nodes: Vec::new() },
        );
        story.started(2, &watch);
        story.probe(Some(0.81), Some(-1.5));
        story.failed(&watch, FailureClass::Red);
        story.did(&Step::back(&node("api-2"), Action::Drain), &[("others_serving", "1")]);
        let reason = story.say("api-2: watch: p95 0.81 (bound < 0.5)");
        story.finished(Outcome::RolledBack { reason }, "v1");
        story
    }
}

impl Story {
    /// A canary that fails more often than its peer and is rolled back below every bound.
    pub(super) fn compared(said: &str) -> Self {
        let poll = Duration::from_secs(30);
        let past: Vec<_> = (0..720).map(|_| [Table::new((3000, 3), (3000, 3))]).collect();
        let mut errors = OddsSli::errors(said, Calibration::from_history(&past, poll), Some(0.5));
        errors.name.push_str("errors");
        let latency = OddsSli::latency("p95", &[(0.25, 0.1), (0.5, 0.02)], Some((0.5, 0.05)), |_| None);
        let mut story = Self::new(said);
        let comparison = Comparison {
            policy: OddsPolicy::default(),
            slis: vec![errors, latency],
            baseline: vec![node("api-1")],
            remarks: vec![story.say("p95: 5m of history, 30m are needed")],
        };
        story.begin();
        let watch = step(Action::Watch);
        story.started(2, &watch);
        let fixed = Entry::Calibrated {
            rollout: story.id.clone(),
            step: watch.clone(),
            comparison: Box::new(comparison.clone()),
            queries: Vec::new(),
        };
        story.push(5, fixed);
        let mut odds = comparison.begin();
        for (failed, slow) in [(3, 40), (9, 42), (60, 38), (60, 41)] {
            let latency =
                vec![Table::new((1000, 3 * slow), (1000, 120)), Table::new((1000, slow), (1000, 40))];
            let tables = vec![vec![Table::new((1000, failed), (1000, 3))], latency];
            let compared = Compared::poll(&mut odds, tables, poll);
            story.probe(Some(0.2), Some(3.0));
            // The probe's own record is written once it is whole.
            let last = story.records.pop().unwrap();
            let Entry::Observed { mut observation, .. } = last.entry else { unreachable!() };
            observation.slis[0].beside.insert(Whose::Baseline, number(0.18));
            observation.verdict = compared.judgement.verdict.probe();
            observation.compared = Some(Box::new(compared));
            story.chain = story.records.last().map(Chain::after).unwrap();
            story.push(0, Entry::Observed { rollout: story.id.clone(), step: watch.clone(), observation });
        }
        story.failed(&watch, FailureClass::Red);
        let reason = story.say("api-2: watch: worse than the baseline");
        story.finished(Outcome::RolledBack { reason }, "v1");
        story
    }
}

//! What is counted: a fold over the whole journal, so that counters outlive every process.

use std::collections::BTreeMap;
use std::time::Duration;

use canary_core::analysis::{HoldReason, Observation, SliVerdict, Verdict};
use canary_core::engine::Outcome;
use canary_core::fleet::Digest;
use canary_core::journal::{Entry, NodeReport, Record, StepResult};
use canary_core::plan::{Action, Direction, Purpose, Step};
use canary_core::time::Timestamp;

use super::encode::{Dialect, Page, Type};
use crate::delivery::Report;

/// The upper bounds of a step's duration, in seconds.
const BUCKETS: [f64; 10] = [0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0];
/// Every outcome's word, so that each has a series.
const OUTCOMES: [&str; 7] =
    ["completed", "refused", "rolled_back", "halted", "inconclusive", "stuck", "interrupted"];
/// What the engine may be at.
const PHASES: [&str; 5] = ["idle", "rolling", "watching", "holding", "going_back"];

#[derive(Debug, Clone, Default)]
struct Histogram {
    counts: [u64; BUCKETS.len()],
    sum: f64,
    count: u64,
}

impl Histogram {
    fn observe(&mut self, value: f64) {
        for (count, bound) in self.counts.iter_mut().zip(BUCKETS) {
            *count += u64::from(value <= bound);
        }
        self.sum += value;
        self.count += 1;
    }
}

/// The last rollout.
#[derive(Debug, Clone)]
struct Last {
    id: String,
    purpose: &'static str,
    artifact: Option<Digest>,
    started: Timestamp,
    ended: Option<Timestamp>,
    outcome: Option<String>,
    phase: &'static str,
    nodes: Vec<NodeReport>,
}

/// Everything that is counted of one service.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    service: String,
    rollouts: BTreeMap<(&'static str, String), u64>,
    steps: BTreeMap<(&'static str, &'static str, &'static str), Histogram>,
    begun: BTreeMap<Step, Timestamp>,
    retries: BTreeMap<&'static str, u64>,
    probes: BTreeMap<&'static str, u64>,
    held: BTreeMap<&'static str, f64>,
    /// The last probe of the watch at hand.
    probed: Option<Timestamp>,
    last: Option<Last>,
    records: u64,
    recorded: Option<Timestamp>,
    unrecorded: u64,
}

impl Tally {
    /// Counts nothing yet.
    #[must_use]
    pub fn new(service: impl Into<String>) -> Self {
        Self { service: service.into(), ..Self::default() }
    }

    /// A record was written.
    pub fn recorded(&mut self, record: &Record) {
        self.records += 1;
        self.recorded = Some(record.time);
        self.take(record.time, &record.entry);
    }

    /// A record could not be written; what it says is counted all the same.
    pub fn unrecorded(&mut self, now: Timestamp, entry: &Entry) {
        self.unrecorded += 1;
        self.take(now, entry);
    }

    fn take(&mut self, time: Timestamp, entry: &Entry) {
        match entry {
            Entry::Refused { rollout, .. } => {
                let outcome = Outcome::Refused { reasons: Vec::new() };
                self.begin(time, rollout.to_string(), "roll_out", None);
                self.end(time, &outcome, &[]);
            }
            Entry::Started { rollout, plan, .. } => {
                let purpose = match plan.purpose {
                    Purpose::RollOut => "roll_out",
                    Purpose::RollBack => "roll_back",
                };
                self.begin(time, rollout.to_string(), purpose, Some(plan.artifact.facts.sha256));
            }
            Entry::Resumed { .. } => {
                self.begun.clear();
                self.probed = None;
                if let Some(last) = &mut self.last {
                    last.ended = None;
                    last.outcome = None;
                    last.phase = "rolling";
                }
            }
            Entry::StepStarted { step, .. } => {
                self.begun.insert(step.clone(), time);
                if step.action == Action::Watch {
                    self.probed.get_or_insert(time);
                }
                self.phase(match (step.direction, step.action) {
                    (Direction::Back, _) => "going_back",
                    (_, Action::Watch) => "watching",
                    _ => "rolling",
                });
            }
            Entry::Retried { step, .. } => *self.retries.entry(step.action.as_str()).or_default() += 1,
            Entry::Observed { observation, .. } => self.probe(time, observation),
            Entry::StepFinished { step, result, .. } => self.step(time, step, result),
            Entry::Finished { outcome, nodes, .. } => self.end(time, outcome, nodes),
            _ => {}
        }
    }

    fn begin(&mut self, started: Timestamp, id: String, purpose: &'static str, artifact: Option<Digest>) {
        self.begun.clear();
        self.probed = None;
        let nodes = self.last.take().map(|last| last.nodes).unwrap_or_default();
        self.last = Some(Last {
            id,
            purpose,
            artifact,
            started,
            ended: None,
            outcome: None,
            phase: "rolling",
            nodes,
        });
    }

    fn end(&mut self, time: Timestamp, outcome: &Outcome, nodes: &[NodeReport]) {
        let word = outcome.as_str().replace(' ', "_");
        let Some(last) = &mut self.last else { return };
        *self.rollouts.entry((last.purpose, word.clone())).or_default() += 1;
        last.ended = Some(time);
        last.outcome = Some(word);
        last.phase = "idle";
        if !nodes.is_empty() {
            last.nodes = nodes.to_vec();
        }
    }

    fn phase(&mut self, phase: &'static str) {
        if let Some(last) = &mut self.last {
            last.phase = phase;
        }
    }

    /// A probe that holds adds the time since the one before, as the watch's own budget does.
    fn probe(&mut self, time: Timestamp, observation: &Observation) {
        let word = match observation.verdict {
            Verdict::Green => "green",
            Verdict::Red => "red",
            Verdict::Hold => "hold",
        };
        *self.probes.entry(word).or_default() += 1;
        let passed = self.probed.replace(time).map_or(Duration::ZERO, |before| time.since(before));
        self.phase(if observation.verdict == Verdict::Hold { "holding" } else { "watching" });
        if observation.verdict == Verdict::Hold {
            let reason = observation.slis.iter().find_map(|sli| match &sli.verdict {
                SliVerdict::Hold { why } => Some(reason(why)),
                _ => None,
            });
            *self.held.entry(reason.unwrap_or("unknown")).or_default() += passed.as_secs_f64();
        }
    }

    fn step(&mut self, time: Timestamp, step: &Step, result: &StepResult) {
        let Some(begun) = self.begun.remove(step) else { return };
        let direction = match step.direction {
            Direction::Forward => "forward",
            Direction::Back => "back",
        };
        let result = match result {
            StepResult::Done { .. } => "done",
            StepResult::Failed { .. } => "failed",
        };
        let key = (step.action.as_str(), direction, result);
        self.steps.entry(key).or_default().observe(time.since(begun).as_secs_f64());
    }

    /// All of it as a page; `reports` are the notifications of this process.
    #[must_use]
    pub fn page(&self, dialect: Dialect, reports: &[Report]) -> String {
        let mut page = Page::new(dialect);
        page.family("canary_build_info", Type::Gauge, "The version of the engine; always 1.");
        page.sample("canary_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
        self.counters(&mut page);
        self.durations(&mut page);
        self.last_rollout(&mut page);
        self.nodes(&mut page);
        self.notifications(&mut page, reports);
        page.end()
    }

    fn counters(&self, page: &mut Page) {
        let service = self.service.as_str();
        let name = "canary_rollouts_total";
        page.family(
            name,
            Type::Counter,
            "Rollouts that ended, refused ones included, by purpose and outcome.",
        );
        for ((purpose, outcome), count) in &self.rollouts {
            let labels = [("service", service), ("purpose", purpose), ("outcome", outcome.as_str())];
            page.sample(name, &labels, *count as f64);
        }
        let mut counter = |name: &str, help: &str, label: &str, values: Vec<(&str, f64)>| {
            page.family(name, Type::Counter, help);
            for (value, count) in values {
                page.sample(name, &[("service", service), (label, value)], count);
            }
        };
        let counts = |map: &BTreeMap<&'static str, u64>| map.iter().map(|(k, n)| (*k, *n as f64)).collect();
        counter(
            "canary_retries_total",
            "Calls that failed and were tried again, by step.",
            "action",
            counts(&self.retries),
        );
        counter("canary_probes_total", "Probes of the watch, by verdict.", "verdict", counts(&self.probes));
        let held = self.held.iter().map(|(k, n)| (*k, *n)).collect();
        counter(
            "canary_hold_seconds_total",
            "Time the watch was without a verdict, by reason.",
            "reason",
            held,
        );
        for (name, help, count) in [
            ("canary_journal_records_total", "Records in the journal.", self.records),
            (
                "canary_journal_append_failures_total",
                "Records that this process could not write.",
                self.unrecorded,
            ),
        ] {
            page.family(name, Type::Counter, help);
            page.sample(name, &[("service", service)], count as f64);
        }
    }

    fn durations(&self, page: &mut Page) {
        let name = "canary_step_duration_seconds";
        page.family(name, Type::Histogram, "How long steps took.");
        for ((action, direction, result), histogram) in &self.steps {
            let base = [
                ("service", self.service.as_str()),
                ("action", action),
                ("direction", direction),
                ("result", result),
            ];
            let bounds = BUCKETS.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
            let counts = histogram.counts.iter().chain([&histogram.count]);
            for (bound, count) in bounds.zip(counts) {
                let mut labels = base.to_vec();
                labels.push(("le", &bound));
                page.sample(&format!("{name}_bucket"), &labels, *count as f64);
            }
            page.sample(&format!("{name}_sum"), &base, histogram.sum);
            page.sample(&format!("{name}_count"), &base, histogram.count as f64);
        }
    }

    fn last_rollout(&self, page: &mut Page) {
        let service = [("service", self.service.as_str())];
        let last = self.last.as_ref();
        let mut gauge = |name: &str, help: &str, value: Option<f64>| {
            page.family(name, Type::Gauge, help);
            if let Some(value) = value {
                page.sample(name, &service, value);
            }
        };
        let seconds = |time: Timestamp| time.as_millis() as f64 / 1000.0;
        gauge(
            "canary_rollout_in_progress",
            "1 while a rollout began and did not end; a killed process leaves it at 1.",
            Some(f64::from(u8::from(last.is_some_and(|last| last.ended.is_none())))),
        );
        gauge(
            "canary_last_record_timestamp_seconds",
            "When the journal's last record was written.",
            self.recorded.map(seconds),
        );
        gauge(
            "canary_last_rollout_start_timestamp_seconds",
            "When the last rollout began.",
            last.map(|l| seconds(l.started)),
        );
        gauge(
            "canary_last_rollout_end_timestamp_seconds",
            "When it ended.",
            last.and_then(|l| l.ended).map(seconds),
        );
        let mut states = |name: &str, help: &str, label: &str, all: &[&str], now: Option<&str>| {
            page.family(name, Type::Gauge, help);
            for state in all {
                let value = f64::from(u8::from(now == Some(*state)));
                page.sample(name, &[service[0], (label, state)], value);
            }
        };
        let outcome = last.and_then(|last| last.outcome.as_deref());
        states(
            "canary_last_rollout_outcome",
            "1 at how the last rollout ended.",
            "outcome",
            &OUTCOMES,
            outcome,
        );
        let phase = Some(last.map_or("idle", |last| last.phase));
        states("canary_rollout_phase", "1 at what the engine is at.", "phase", &PHASES, phase);
        let name = "canary_last_rollout_info";
        page.family(name, Type::Gauge, "The last rollout; always 1.");
        if let Some(last) = last {
            let artifact = last.artifact.map(|digest| digest.to_string()).unwrap_or_default();
            let labels =
                [service[0], ("rollout", &last.id), ("purpose", last.purpose), ("artifact", &artifact)];
            page.sample(name, &labels, 1.0);
        }
    }

    /// What is where, as the last rollout left it.
    fn nodes(&self, page: &mut Page) {
        let nodes: &[NodeReport] = self.last.as_ref().map_or(&[], |last| &last.nodes);
        let name = "canary_node_info";
        page.family(
            name,
            Type::Gauge,
            "What each node has installed, as the last rollout left it; always 1.",
        );
        for node in nodes {
            let installed = node.installed.map(|digest| digest.to_string()).unwrap_or_default();
            let admin = node.admin.map(|state| state.to_string()).unwrap_or_default();
            let labels = [
                ("service", self.service.as_str()),
                ("node", node.node.as_str()),
                ("installed", &installed),
                ("admin", &admin),
            ];
            page.sample(name, &labels, 1.0);
        }
        let name = "canary_node_in_rotation";
        page.family(name, Type::Gauge, "1 when the last rollout left the node ready in the balancer.");
        for node in nodes {
            let ready = node.admin == Some(canary_core::traits::AdminState::Ready);
            let labels = [("service", self.service.as_str()), ("node", node.node.as_str())];
            page.sample(name, &labels, f64::from(u8::from(ready)));
        }
    }

    fn notifications(&self, page: &mut Page, reports: &[Report]) {
        let name = "canary_notifications_total";
        page.family(name, Type::Counter, "Notifications of this process, by receiver and result.");
        for report in reports {
            for (result, count) in
                [("delivered", report.delivered), ("failed", report.failed), ("dropped", report.dropped)]
            {
                let labels =
                    [("service", self.service.as_str()), ("target", report.name), ("result", result)];
                page.sample(name, &labels, count as f64);
            }
        }
    }
}

/// A hold's reason as one word.
const fn reason(why: &HoldReason) -> &'static str {
    match why {
        HoldReason::Infinite => "infinite",
        other => other.kind().as_str(),
    }
}

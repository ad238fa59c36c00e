//! The account of one rollout: what was decided, when, by whom or what, and on which evidence. From its records alone.

mod compared;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Entry, NodeReport, Record, Request, RolloutId, StepResult};
use crate::analysis::{HoldReason, JudgedSli, Number, Observation, SliVerdict, Verdict, WatchState};
use crate::engine::{FailureClass, Outcome};
use crate::fleet::Digest;
use crate::plan::{Action, Direction, Plan, Step};
use crate::spec::Bound;
use crate::time::{Timestamp, millis};
use crate::traits::{CheckReport, Review, SliKind};

use compared::ComparedFold;
pub use compared::{ComparedAccount, EvidenceAt};

/// A step that failed on the way forward: what turned the rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedStep {
    /// The step.
    pub step: Step,
    /// What kind of failure.
    pub class: FailureClass,
    /// What was being done, what came back.
    pub message: String,
    /// When.
    pub at: Timestamp,
    /// The service's last log lines, when it failed on the service's account.
    pub logs: Vec<String>,
}

/// A person's request, and why it was not granted; `None` when it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedFor {
    /// When.
    pub at: Timestamp,
    /// Who, what and why.
    pub request: Request,
    /// Why not.
    pub refused: Option<String>,
}

/// One SLI over a watch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SliAccount {
    /// Its name.
    pub sli: String,
    /// What it was held against.
    pub bound: Bound,
    /// The last value.
    pub last: Option<Number>,
    /// The value nearest to the bound, or farthest beyond it.
    pub worst: Option<Number>,
    /// Probes within the bound.
    pub green: u64,
    /// Probes outside it.
    pub red: u64,
    /// Probes that decided nothing.
    pub held: u64,
    /// Requests that the values rest on, every moment counted once; `None` where the source does not tell.
    pub requests: Option<u64>,
    /// How many of them failed, about; for ratios of errors alone.
    pub failed: Option<u64>,
}

/// How often and how long a reason kept the watch from deciding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldAccount {
    /// The SLI, if it is about one, and the reason.
    pub why: String,
    /// Probes.
    pub probes: u64,
    /// Time since the probe before each.
    #[serde(rename = "lasted_ms", with = "millis")]
    pub lasted: Duration,
}

/// A watch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WatchAccount {
    /// When it began.
    pub started: Timestamp,
    /// Probes.
    pub probes: u64,
    /// Time with data.
    #[serde(rename = "watched_ms", with = "millis")]
    pub watched: Duration,
    /// Time without.
    #[serde(rename = "held_ms", with = "millis")]
    pub held: Duration,
    /// Its SLIs, in the order of the spec.
    pub slis: Vec<SliAccount>,
    /// Why it held, the longest first.
    pub holds: Vec<HoldAccount>,
    /// The probe that decided: the red one, else the last.
    pub decisive: Option<Observation>,
    /// The comparison with the baseline, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared: Option<ComparedAccount>,
}

/// Why a rollout went as it did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// Which.
    pub rollout: RolloutId,
    /// Who started it.
    pub actor: String,
    /// Why, in their words.
    pub reason: Option<String>,
    /// Its first record's time.
    pub started: Timestamp,
    /// Its last record's time.
    pub last: Timestamp,
    /// Its plan; `None` when it was refused before there was one.
    pub plan: Option<Box<Plan>>,
    /// The gate's answer.
    pub gate: Option<Review>,
    /// What checks of one's own answered before it began.
    pub checks: Vec<CheckReport>,
    /// How it ended; `None` when it has not.
    pub outcome: Option<Outcome>,
    /// The step that turned it.
    pub failed: Option<FailedStep>,
    /// The watch, if it got there.
    pub watch: Option<WatchAccount>,
    /// What people asked for.
    pub asked: Vec<AskedFor>,
    /// Who resumed it, when it was interrupted.
    pub resumed: Vec<String>,
    /// Calls that were tried again.
    pub retried: u64,
    /// What is where at its end.
    pub nodes: Vec<NodeReport>,
    /// The sequence numbers of its first and last record.
    pub records: (u64, u64),
    /// The last record's hash: who has it can prove that nothing before it was changed.
    pub hash: Digest,
}

impl Account {
    /// The account of a rollout; `None` when no record is about it.
    #[must_use]
    pub fn of(records: &[Record], rollout: &RolloutId) -> Option<Self> {
        let mut own = records.iter().filter(|record| record.entry.rollout() == Some(rollout));
        let first = own.next()?;
        let mut account = Self::begun(rollout, first);
        let mut watch = WatchFold::default();
        for record in std::iter::once(first).chain(own) {
            account.take(record);
            watch.take(record);
        }
        account.watch = watch.account(account.plan.as_deref());
        Some(account)
    }

    fn begun(rollout: &RolloutId, first: &Record) -> Self {
        Self {
            rollout: rollout.clone(),
            actor: String::new(),
            reason: None,
            started: first.time,
            last: first.time,
            plan: None,
            gate: None,
            checks: Vec::new(),
            outcome: None,
            failed: None,
            watch: None,
            asked: Vec::new(),
            resumed: Vec::new(),
            retried: 0,
            nodes: Vec::new(),
            records: (first.seq, first.seq),
            hash: first.hash,
        }
    }

    fn take(&mut self, record: &Record) {
        (self.last, self.records.1, self.hash) = (record.time, record.seq, record.hash);
        match &record.entry {
            Entry::GateReviewed { actor, review, .. } => {
                self.actor.clone_from(actor);
                self.gate = Some(review.clone());
            }
            Entry::Checked { reports, .. } => self.checks.clone_from(reports),
            Entry::Refused { actor, reasons, .. } => {
                self.actor.clone_from(actor);
                self.outcome = Some(Outcome::Refused { reasons: reasons.clone() });
            }
            Entry::Started { actor, reason, plan, .. } => {
                self.actor.clone_from(actor);
                self.reason.clone_from(reason);
                self.plan = Some(plan.clone());
                self.started = record.time;
            }
            Entry::Resumed { actor, .. } => {
                self.outcome = None;
                self.resumed.push(actor.clone());
            }
            Entry::Retried { .. } => self.retried += 1,
            Entry::StepFinished { step, result: StepResult::Failed { class, message }, logs, .. }
                if step.direction == Direction::Forward =>
            {
                self.failed = Some(FailedStep {
                    step: step.clone(),
                    class: *class,
                    message: message.clone(),
                    at: record.time,
                    logs: logs.clone(),
                });
            }
            Entry::Asked { request, refused, .. } => self.asked.push(AskedFor {
                at: record.time,
                request: request.clone(),
                refused: refused.clone(),
            }),
            Entry::Finished { outcome, nodes, .. } => {
                self.outcome = Some(outcome.clone());
                self.nodes.clone_from(nodes);
            }
            _ => {}
        }
    }
}

/// A watch while its records are gone through.
#[derive(Debug, Default)]
struct WatchFold {
    state: Option<WatchState>,
    slis: Vec<SliFold>,
    holds: BTreeMap<String, (u64, Duration)>,
    decisive: Option<Observation>,
    compared: ComparedFold,
}

#[derive(Debug)]
struct SliFold {
    account: SliAccount,
    /// Up to when its requests are counted.
    counted: Timestamp,
    requests: Option<f64>,
    failed: f64,
}

impl WatchFold {
    fn take(&mut self, record: &Record) {
        self.compared.take(record);
        match &record.entry {
            Entry::StepStarted { step, .. } if step.action == Action::Watch => {
                self.state.get_or_insert_with(|| WatchState::new(record.time));
            }
            Entry::Observed { step, observation, .. } if step.action == Action::Watch => {
                self.observe(observation);
            }
            // A pause is watched too; it counts for no window, but may decide.
            Entry::Observed { observation, .. } => self.decide(observation),
            _ => {}
        }
    }

    fn observe(&mut self, seen: &Observation) {
        let state = self.state.get_or_insert_with(|| WatchState::new(seen.at));
        let passed = seen.at.since(state.last);
        state.observe(seen);
        let started = state.started;
        for (index, judged) in seen.slis.iter().enumerate() {
            if let SliVerdict::Hold { why } = &judged.verdict {
                let hold = self.holds.entry(format!("{}: {}", judged.sli, kind_of(why))).or_default();
                *hold = (hold.0 + 1, hold.1 + passed);
            }
            if self.slis.len() <= index {
                self.slis.push(SliFold::new(&judged.sli, judged.bound, started));
            }
            self.slis[index].observe(judged, seen);
        }
        for why in &seen.holds {
            let hold = self.holds.entry(kind_of(why)).or_default();
            *hold = (hold.0 + 1, hold.1 + passed);
        }
        self.decide(seen);
    }

    fn decide(&mut self, seen: &Observation) {
        if self.decisive.as_ref().is_none_or(|decisive| decisive.verdict != Verdict::Red) {
            self.decisive = Some(seen.clone());
        }
    }

    fn account(self, plan: Option<&Plan>) -> Option<WatchAccount> {
        let state = self.state?;
        let kinds: BTreeMap<&str, &SliKind> = plan
            .and_then(|plan| plan.spec.watch.as_ref())
            .map(|watch| watch.slis.iter().map(|sli| (sli.name.as_str(), &sli.kind)).collect())
            .unwrap_or_default();
        let mut holds: Vec<_> = self
            .holds
            .into_iter()
            .map(|(why, (probes, lasted))| HoldAccount { why, probes, lasted })
            .collect();
        holds.sort_by_key(|hold| std::cmp::Reverse(hold.lasted));
        let slis = self.slis.into_iter().map(|sli| {
            let ratio = matches!(kinds.get(sli.account.sli.as_str()), Some(SliKind::ErrorRatio { .. }));
            sli.account(ratio)
        });
        Some(WatchAccount {
            started: state.started,
            probes: state.probes,
            watched: state.covered,
            held: state.held,
            slis: slis.collect(),
            holds,
            decisive: self.decisive,
            compared: self.compared.account(),
        })
    }
}

impl SliFold {
    fn new(name: &str, bound: Bound, started: Timestamp) -> Self {
        let account = SliAccount {
            sli: name.to_owned(),
            bound,
            last: None,
            worst: None,
            green: 0,
            red: 0,
            held: 0,
            requests: None,
            failed: None,
        };
        Self { account, counted: started, requests: None, failed: 0.0 }
    }

    fn observe(&mut self, judged: &JudgedSli, seen: &Observation) {
        let account = &mut self.account;
        match judged.verdict {
            SliVerdict::Green => account.green += 1,
            SliVerdict::Red => account.red += 1,
            SliVerdict::Hold { .. } => account.held += 1,
        }
        let Some(value) = judged.value else { return };
        account.last = Some(value);
        account.worst = Some(account.worst.map_or(value, |worst| match judged.bound {
            Bound::Below(_) if value > worst => value,
            Bound::Above(_) if value < worst => value,
            Bound::Below(_) | Bound::Above(_) => worst,
        }));
        if let Some(events) = judged.events {
            // Windows overlap: of what this one holds, only what came since the last value is new.
            let fresh = seen.at.since(self.counted).min(seen.window).as_secs_f64();
            let requests = events as f64 * fresh / seen.window.as_secs_f64().max(0.001);
            self.counted = seen.at;
            self.requests = Some(self.requests.unwrap_or(0.0) + requests);
            self.failed += value.value().max(0.0) * requests;
        }
    }

    fn account(self, ratio: bool) -> SliAccount {
        let requests = self.requests.map(|requests| requests.round() as u64);
        let failed = requests.filter(|_| ratio).map(|_| self.failed.round() as u64);
        SliAccount { requests, failed, ..self.account }
    }
}

/// A hold's reason without what differs from probe to probe.
fn kind_of(why: &HoldReason) -> String {
    match why {
        HoldReason::TooFewRequests { needed, .. } => format!("fewer than {needed} requests"),
        HoldReason::Share { .. } => "the canary's share is not as planned".to_owned(),
        other => other.to_string(),
    }
}

//! What a round did, step by step, for programs and for people.

use std::time::Instant;

use canary_core::time::Timestamp;
use canary_tenants::decide::{Decision, Reason};
use canary_tenants::evidence::Evidence;
use canary_tenants::gap::{Breach, Judged};
use canary_tenants::policy::{ObjectiveKind, Policy, Unit};
use canary_tenants::probe::Tally;
use canary_tenants::round::{Anomaly, Round, Severity};
use serde_json::{Value, json};

use super::show::amount;
use crate::commands::decided::observed;

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Success,
    Warning,
    Failure,
}

impl Status {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Warning => "warning",
            Self::Failure => "failure",
        }
    }
}

/// One step.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) action: String,
    pub(super) status: Status,
    pub(super) detail: String,
    pub(super) duration_ms: u64,
    /// What only some steps have.
    pub(super) more: Vec<(&'static str, Value)>,
}

/// A round's steps so far.
#[derive(Debug)]
pub(super) struct Execution {
    pub(super) id: String,
    pub(super) at: Timestamp,
    pub(super) steps: Vec<Step>,
    /// The hash of the record, once there is one.
    pub(super) hash: Option<String>,
    began: Instant,
    last: Instant,
}

impl Execution {
    pub(super) fn begin(id: String, at: Timestamp) -> Self {
        let now = Instant::now();
        Self { id, at, steps: Vec::new(), hash: None, began: now, last: now }
    }

    /// How long it has taken, in milliseconds.
    pub(super) fn took(&self) -> u64 {
        millis(self.began, self.last)
    }

    /// Adds a step that ends now and began where the one before ended.
    pub(super) fn step(
        &mut self,
        action: impl Into<String>,
        status: Status,
        detail: impl Into<String>,
    ) -> &mut Step {
        let now = Instant::now();
        let duration_ms = millis(self.last, now);
        self.last = now;
        self.steps.push(Step {
            action: action.into(),
            status,
            detail: detail.into(),
            duration_ms,
            more: Vec::new(),
        });
        // proof: one was pushed.
        let last = self.steps.len() - 1;
        &mut self.steps[last]
    }

    /// The sources have answered, or have not.
    pub(super) fn connected(&mut self, policy: &Policy, evidence: &Evidence) {
        let queries: usize = evidence.sources.iter().map(|(_, reply)| reply.queries.len()).sum();
        let down: Vec<String> = evidence
            .sources
            .iter()
            .filter_map(|(name, reply)| {
                // Why is among the anomalies.
                reply.trouble.as_ref().map(|(code, _)| format!("{name} {code}"))
            })
            .collect();
        let all = policy.file.sources.len();
        let mut detail = format!("{} of {all} source(s) answered {queries} queries", all - down.len());
        let status = if down.is_empty() { Status::Success } else { Status::Failure };
        if !down.is_empty() {
            detail.push_str("; ");
            detail.push_str(&down.join("; "));
        }
        // Sources and probes are asked side by side: each step has its own time.
        let took = evidence.sources.iter().map(|(_, reply)| reply.ms).max().unwrap_or(0);
        self.step("validate_metrics_connectivity", status, detail).duration_ms = took;
    }

    /// The tenants' own endpoints have answered, or have not.
    pub(super) fn probed(&mut self, evidence: &Evidence) {
        let Some(by) = &evidence.probes_by else { return };
        let Tally { count, healthy, unhealthy, unknown } = Tally::of(&evidence.probes);
        let status = match (unhealthy, unknown) {
            (0, 0) => Status::Success,
            (0, _) => Status::Warning,
            _ => Status::Failure,
        };
        let detail =
            format!("{count} probe(s) by {by}: {healthy} healthy, {unhealthy} unhealthy, {unknown} unknown");
        let tries = || evidence.probes.iter().flat_map(|result| &result.tries);
        let first = tries().map(|once| once.at_ms).min().unwrap_or(0);
        let last = tries().map(|once| once.at_ms + once.took_us / 1000).max().unwrap_or(0);
        self.step("batch_health_probes", status, detail).duration_ms = last.saturating_sub(first);
    }

    /// The round is decided: a step for each objective, and the score.
    pub(super) fn decided(&mut self, policy: &Policy, round: &Round, evidence: &Evidence, began: Instant) {
        let decided_in = millis(began, Instant::now());
        self.last = Instant::now();
        for name in policy.file.objectives.keys() {
            self.analysed(policy, round, name);
        }
        let score =
            round.record.score_ppm.map_or_else(|| "unknown".to_owned(), |score| Unit::Ppm.show(score));
        let version = evidence.version.as_deref().unwrap_or("the release");
        let (decision, needed) = (round.decided.decision, Unit::Ppm.show(round.rule.threshold));
        let told: Vec<String> = told_briefly(round);
        let detail =
            format!("health score of {version}: {score} (needed: {needed}); {decision}: {}", told.join("; "));
        let status = match decision {
            Decision::Approve => Status::Success,
            Decision::Halt => Status::Warning,
            Decision::Rollback => Status::Failure,
        };
        let step = self.step("calculate_rollout_health_score", status, detail);
        step.duration_ms += decided_in;
        step.more.push(("decision", json!(decision)));
        step.more.push(("confidence", ppm(round.record.score_ppm)));
    }

    fn analysed(&mut self, policy: &Policy, round: &Round, objective: &str) {
        let kind = policy.file.objectives.get(objective).map(|objective| &objective.kind);
        let unit = kind.map_or(Unit::Ppm, ObjectiveKind::unit);
        let of = |tenant: &canary_tenants::decide::TenantResult| {
            let all = tenant.results.iter().filter(|result| result.objective == objective);
            all.map(|result| result.judged.clone()).collect::<Vec<Judged>>()
        };
        let (mut known, mut breached) = (0_usize, 0_usize);
        let mut worst: Option<(u64, &str, Judged)> = None;
        for tenant in &round.tenants {
            let results = of(tenant);
            known += usize::from(!results.is_empty() && results.iter().all(|judged| judged.code.known()));
            breached += usize::from(results.iter().any(|judged| judged.breach == Breach::Proven));
            for judged in results {
                if judged.observed.is_some()
                    && worst.as_ref().is_none_or(|(score, ..)| judged.score.1 < *score)
                {
                    worst = Some((judged.score.1, &tenant.name, judged));
                }
            }
        }
        let all = round.tenants.len();
        let mut detail = format!("{known} of {all} tenant(s) known, {breached} in breach");
        if let Some((score, tenant, judged)) =
            worst.filter(|(score, ..)| *score < canary_tenants::policy::ONE)
        {
            let seen = observed(kind, judged.observed, judged.limit_adj, |seen| amount(unit, seen));
            let limit = unit.show(judged.limit_adj);
            detail.push_str(&format!(
                "; worst {tenant}: {seen} (limit: {limit}, score {})",
                Unit::Ppm.show(score)
            ));
        }
        let about = |anomaly: &&Anomaly| {
            anomaly.objective.as_deref().is_some_and(|named| named.split(", ").any(|one| one == objective))
        };
        let gravest = round.anomalies.iter().filter(about).map(|anomaly| anomaly.severity).min();
        let status = match gravest {
            Some(Severity::Critical | Severity::Warning) => Status::Warning,
            _ if known < all => Status::Warning,
            _ => Status::Success,
        };
        let step = self.step(format!("analyze_{objective}"), status, detail);
        if let Some(severity) = gravest {
            step.more.push(("anomaly_detected", true.into()));
            step.more.push(("anomaly_severity", severity.as_str().into()));
        }
    }

    /// All of it as one object.
    pub(super) fn log(&self, round: &Round) -> Value {
        let steps = self.steps.iter().enumerate().map(|(i, step)| {
            let mut one = json!({
                "step": i + 1, "action": step.action, "status": step.status.as_str(), "detail": step.detail,
                "duration_ms": step.duration_ms,
            });
            for (key, value) in &step.more {
                one[*key] = value.clone();
            }
            one
        });
        let reasons = round.decided.reasons.iter().map(|reason| {
            json!({
                "code": reason.code(), "text": reason.told(&round.decided, round.rule), "way_out": reason.way_out(),
            })
        });
        json!({
            "execution_id": self.id,
            "task": "orchestrate_canary_health_checks",
            "timestamp": self.at.to_string(),
            "steps": steps.collect::<Vec<_>>(),
            "reasons": reasons.collect::<Vec<_>>(),
            "worst": round.record.worst,
            "anomalies": round.anomalies,
            "summary": {
                "total_duration_ms": self.took(),
                "tenants_checked": round.record.tenants,
                "tenants_breached": round.record.breached,
                "tenants_unknown": round.record.unknown,
                "gaps": round.record.gaps,
                "health_score": ppm(round.record.score_ppm),
                "health_score_at_least": ppm(Some(round.record.lo_ppm)),
                "health_score_at_most": ppm(Some(round.record.hi_ppm)),
                "rollout_decision": round.decided.decision,
                "may_end_by_itself": round.waits,
                "anomalies_detected": round.anomalies.len(),
                "policy_sha256": round.record.policy_sha256,
                "audit_hash": self.hash,
            },
        })
    }
}

/// The reasons, of many the first three.
fn told_briefly(round: &Round) -> Vec<String> {
    let reasons = &round.decided.reasons;
    // Why a source does not answer was said already.
    let told = |reason: &Reason| match reason {
        Reason::Source(trouble) => format!("{} {}", trouble.source, trouble.code.as_str()),
        reason => reason.told(&round.decided, round.rule),
    };
    let mut words: Vec<String> = reasons.iter().take(3).map(told).collect();
    if reasons.len() > words.len() {
        words.push(format!("{} more", reasons.len() - words.len()));
    }
    words
}

/// Parts per million as a number between 0 and 1; the record has the integer.
fn ppm(ppm: Option<u64>) -> Value {
    ppm.map_or(Value::Null, |ppm| json!(ppm as f64 / 1e6))
}

fn millis(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.duration_since(from).as_millis()).unwrap_or(u64::MAX)
}

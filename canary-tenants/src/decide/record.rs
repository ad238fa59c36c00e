//! What a decision leaves in the journal: integers and text alone, as the journal's form demands.

use std::collections::BTreeMap;

use canary_core::fleet::Digest;
use canary_core::journal::{AskedSource, Decision, Ruling, WorstResult};
use serde::Serialize;

use super::rule::{Decided, Reason, Rule};
use super::tenant::TenantResult;
use crate::evidence::Evidence;
use crate::gap::{GapCode, OPEN};
use crate::source::SourceReply;

/// How many of the worst are named in the record; all are in the evidence.
const WORST: usize = 10;

/// The body of a decision's record, beside what the journal itself adds (sequence, time, hashes).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DecisionRecord {
    /// The instant that was asked about, in milliseconds.
    pub at_ms: u64,
    /// The release, as it was named.
    pub version: Option<String>,
    /// How much of the traffic it has, in percent.
    pub percentage: Option<u64>,
    /// The digest of the policy as it held.
    pub policy_sha256: Digest,
    /// What was decided.
    pub decision: Decision,
    /// The published score: of tenants of which all is known, in ppm; `None` without one.
    pub score_ppm: Option<u64>,
    /// The least score with everything unknown at its worst.
    pub lo_ppm: u64,
    /// The most, with everything unknown perfect.
    pub hi_ppm: u64,
    /// The score that was needed.
    pub threshold_ppm: u64,
    /// Tenants that were decided by.
    pub tenants: u64,
    /// Tenants in proven breach.
    pub breached: u64,
    /// Other tenants of which not all is known.
    pub unknown: u64,
    /// Results by gap code; tenants that the policy does not list, and its exceptions that have ended, among them.
    pub gaps: BTreeMap<GapCode, u64>,
    /// The worst results, the worst first.
    pub worst: Vec<Worst>,
    /// The codes of the reasons.
    pub reasons: Vec<&'static str>,
    /// The sources, in the policy's order.
    pub sources: Vec<SourceUse>,
}

/// What was asked of one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceUse {
    /// The source.
    pub name: String,
    /// How many questions.
    pub queries: u64,
    /// How long the answers took, in milliseconds.
    pub ms: u64,
    /// What it said beside them, each once.
    pub warnings: Vec<String>,
}

/// One of the worst results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Worst {
    /// The tenant.
    pub tenant: String,
    /// The objective.
    pub objective: String,
    /// The source.
    pub source: String,
    /// What was the matter with its samples.
    pub code: GapCode,
    /// What was observed, in the objective's unit.
    pub observed: Option<u64>,
    /// The limit as promised.
    pub limit: u64,
    /// The limit that was judged by.
    pub limit_adj: u64,
    /// The events it rests on.
    pub n: u64,
    /// The share of the expected samples that was there, in ppm.
    pub coverage_ppm: u64,
    /// What it may be at least, in the same unit.
    pub low: Option<u64>,
    /// What it may be at most; absent when anything is possible.
    pub high: Option<u64>,
}

impl DecisionRecord {
    /// The record of a decision by these tenants; `gaps` are those that no tenant's result has.
    #[must_use]
    pub fn new(
        decided: &Decided,
        rule: Rule,
        tenants: &[TenantResult],
        evidence: &Evidence,
        mut gaps: BTreeMap<GapCode, u64>,
    ) -> Self {
        let (mut sum, mut weights) = (0_u128, 0_u128);
        for tenant in tenants {
            for result in &tenant.results {
                *gaps.entry(result.judged.code).or_insert(0) += 1;
            }
            if !tenant.unknown() {
                let weight = u128::from(tenant.weight);
                sum += weight * u128::from(tenant.score().0);
                weights += weight;
            }
        }
        Self {
            at_ms: evidence.at.as_millis(),
            version: evidence.version.clone(),
            percentage: evidence.percentage,
            policy_sha256: evidence.policy,
            decision: decided.decision,
            score_ppm: sum.checked_div(weights).and_then(|score| u64::try_from(score).ok()),
            lo_ppm: decided.low,
            hi_ppm: decided.high,
            threshold_ppm: rule.threshold,
            tenants: tenants.len() as u64,
            breached: decided.breached,
            unknown: decided.unknown,
            gaps,
            worst: worst(tenants),
            reasons: decided.reasons.iter().map(Reason::code).collect(),
            sources: evidence.sources.iter().map(|(name, reply)| used(name, reply)).collect(),
        }
    }
}

/// As the journal has it: the same keys and values, whose words the core does not know.
impl From<DecisionRecord> for Ruling {
    fn from(record: DecisionRecord) -> Self {
        let gaps = record.gaps.into_iter().map(|(code, count)| (code.to_string(), count));
        Self {
            at_ms: record.at_ms,
            version: record.version,
            percentage: record.percentage,
            policy_sha256: record.policy_sha256,
            decision: record.decision,
            score_ppm: record.score_ppm,
            lo_ppm: record.lo_ppm,
            hi_ppm: record.hi_ppm,
            threshold_ppm: record.threshold_ppm,
            tenants: record.tenants,
            breached: record.breached,
            unknown: record.unknown,
            gaps: gaps.collect(),
            worst: record.worst.into_iter().map(WorstResult::from).collect(),
            reasons: record.reasons.into_iter().map(str::to_owned).collect(),
            sources: record.sources.into_iter().map(AskedSource::from).collect(),
        }
    }
}

impl From<Worst> for WorstResult {
    fn from(worst: Worst) -> Self {
        Self {
            tenant: worst.tenant,
            objective: worst.objective,
            source: worst.source,
            code: worst.code.to_string(),
            observed: worst.observed,
            limit: worst.limit,
            limit_adj: worst.limit_adj,
            n: worst.n,
            coverage_ppm: worst.coverage_ppm,
            low: worst.low,
            high: worst.high,
        }
    }
}

impl From<SourceUse> for AskedSource {
    fn from(used: SourceUse) -> Self {
        Self { name: used.name, queries: used.queries, ms: used.ms, warnings: used.warnings }
    }
}

fn used(name: &str, reply: &SourceReply) -> SourceUse {
    let mut warnings: Vec<_> =
        reply.queries.iter().flat_map(|asked| asked.warnings.iter().cloned()).collect();
    warnings.sort();
    warnings.dedup();
    SourceUse { name: name.to_owned(), queries: reply.queries.len() as u64, ms: reply.ms, warnings }
}

/// The results below 1, by their least score, then by name.
fn worst(tenants: &[TenantResult]) -> Vec<Worst> {
    let mut all: Vec<_> = tenants
        .iter()
        .flat_map(|tenant| tenant.results.iter().map(move |result| (tenant, result)))
        .filter(|(_, result)| result.judged.score.0 < crate::policy::ONE)
        .collect();
    // The upper end first: what is proven to be bad is worse than what is unknown.
    let key = |(tenant, result): &(&TenantResult, &super::ObjectiveResult)| {
        let (low, high) = result.judged.score;
        (high, low, tenant.name.clone(), result.objective.clone(), result.source.clone())
    };
    all.sort_by_cached_key(key);
    let named = all.into_iter().take(WORST).map(|(tenant, result)| Worst {
        tenant: tenant.name.clone(),
        objective: result.objective.clone(),
        source: result.source.clone(),
        code: result.judged.code,
        observed: result.judged.observed,
        limit: result.judged.limit,
        limit_adj: result.judged.limit_adj,
        n: result.judged.events,
        coverage_ppm: result.judged.coverage,
        low: result.judged.bounds.map(|bounds| bounds.0),
        high: result.judged.bounds.map(|bounds| bounds.1).filter(|high| *high < OPEN),
    });
    named.collect()
}

//! What a decision leaves in the journal: integers and text alone, as the journal's form demands.

use std::collections::BTreeMap;

use canary_core::journal::{AskedSource, Ruling, WorstResult};

use super::rule::{Decided, Rule};
use super::tenant::TenantResult;
use crate::evidence::Evidence;
use crate::gap::{GapCode, OPEN};
use crate::source::SourceReply;

/// How many of the worst are named in the record; all are in the evidence.
const WORST: usize = 10;

/// What is recorded of a decision by these tenants; `gaps` are those that no tenant's result has: tenants that the policy does not list, and its exceptions
/// that have ended.
#[must_use]
pub fn ruling(
    decided: &Decided,
    rule: Rule,
    tenants: &[TenantResult],
    evidence: &Evidence,
    mut gaps: BTreeMap<GapCode, u64>,
) -> Ruling {
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
    Ruling {
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
        gaps: gaps.into_iter().map(|(code, count)| (code.to_string(), count)).collect(),
        worst: worst(tenants),
        reasons: decided.reasons.iter().map(|reason| reason.code().to_owned()).collect(),
        sources: evidence.sources.iter().map(|(name, reply)| used(name, reply)).collect(),
    }
}

fn used(name: &str, reply: &SourceReply) -> AskedSource {
    let mut warnings: Vec<_> =
        reply.queries.iter().flat_map(|asked| asked.warnings.iter().cloned()).collect();
    warnings.sort();
    warnings.dedup();
    AskedSource { name: name.to_owned(), queries: reply.queries.len() as u64, ms: reply.ms, warnings }
}

/// The results below 1, by their least score, then by name.
fn worst(tenants: &[TenantResult]) -> Vec<WorstResult> {
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
    let named = all.into_iter().take(WORST).map(|(tenant, result)| WorstResult {
        tenant: tenant.name.clone(),
        objective: result.objective.clone(),
        source: result.source.clone(),
        code: result.judged.code.to_string(),
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

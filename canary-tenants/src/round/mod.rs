//! One whole round: a policy and the evidence to a decision, its record, and what there is to tell; no clock, no I/O.

mod anomaly;
mod before;
mod ground;
mod probes;
mod results;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use anomaly::{Anomaly, Severity};

use canary_core::journal::Ruling;

use crate::decide::{Decided, Decision, Rule, SourceTrouble, TenantResult, decide, ruling};
use crate::evidence::{Before, Evidence};
use crate::gap::GapCode;
use crate::policy::Policy;
use ground::Ground;

/// What a round comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// The decision, with its reasons.
    pub decided: Decided,
    /// What it was decided by.
    pub rule: Rule,
    /// What the journal gets.
    pub record: Ruling,
    /// Every tenant that counts, by name.
    pub tenants: Vec<TenantResult>,
    /// Tenants that the policy does not list, judged by its defaults; they count for nothing.
    pub unlisted: Vec<TenantResult>,
    /// Sources that did not answer, or not whole.
    pub troubles: Vec<SourceTrouble>,
    /// What there is to look at, the gravest first.
    pub anomalies: Vec<Anomaly>,
    /// Whether a halt may end by itself: tenants that are new, or stale for fewer rounds than they are waited for, are what stands
    /// between it and another decision.
    pub waits: bool,
    /// What this round leaves to the next.
    pub next: Before,
}

/// Decides by a policy as it holds at the evidence's instant; the same two give the same round on every machine.
#[must_use]
pub fn decide_round(policy: &Policy, evidence: &Evidence) -> Round {
    let ground = Ground::new(policy, evidence);
    let rule = Rule {
        threshold: policy.file.decision.rollback_threshold,
        max_breached: policy.file.decision.max_breached_tenants,
    };
    let troubles = ground.troubles();
    let tenants = results::of_policy(&ground);
    let unlisted = results::unlisted(&ground);
    let decided = decide(&tenants, &troubles, rule);
    let record = ruling(&decided, rule, &tenants, evidence, beside(policy, &unlisted));
    Round {
        waits: waits(&ground, &decided, &tenants, &troubles, rule),
        anomalies: anomaly::all(&ground, &tenants, &unlisted, &troubles),
        next: before::next(&ground, &tenants),
        decided,
        rule,
        record,
        tenants,
        unlisted,
        troubles,
    }
}

/// The counts of codes that no result has.
fn beside(policy: &Policy, unlisted: &[TenantResult]) -> BTreeMap<GapCode, u64> {
    let counts =
        [(GapCode::Unlisted, unlisted.len() as u64), (GapCode::ExpiredOverride, policy.lapsed.len() as u64)];
    counts.into_iter().filter(|(_, count)| *count > 0).collect()
}

/// Whether the decision would be another one if the tenants that are waited for turned out well.
fn waits(
    ground: &Ground<'_>,
    decided: &Decided,
    tenants: &[TenantResult],
    troubles: &[SourceTrouble],
    rule: Rule,
) -> bool {
    if decided.decision != Decision::Halt {
        return false;
    }
    let mut hoped = tenants.to_vec();
    let mut any = false;
    for tenant in hoped.iter_mut().filter(|tenant| before::waited_for(ground, tenant)) {
        any = true;
        // Without what is not known of it: the rest of it counts as it is.
        tenant.results.retain(|result| result.judged.code.known());
        if tenant.results.is_empty() {
            tenant.weight = 0;
        }
    }
    hoped.retain(|tenant| tenant.weight > 0);
    any && !hoped.is_empty() && decide(&hoped, troubles, rule).decision != Decision::Halt
}

impl Before {
    /// What a round at `at` has before it, when `evidence` is that of the last one with the same release.
    ///
    /// A round within one interval of scraping saw the same samples: it is the same round once more. One that is further back than
    /// the long window is none before this.
    #[must_use]
    pub fn of(policy: &Policy, evidence: &Evidence, at: canary_core::time::Timestamp) -> Self {
        before::of(policy, evidence, at)
    }
}

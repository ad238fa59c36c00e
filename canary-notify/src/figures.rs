//! What payloads have in common: texts that are cut, and a decision with its numbers.

use canary_core::journal::Decided;
use serde_json::{Value, json};

/// How many of the worst results are named: more fit into no event.
const WORST: usize = 10;

/// The decision with the numbers it was made by, for programs; names of at most `longest` characters.
#[must_use]
pub fn figures(decided: &Decided, longest: usize) -> Value {
    let ruling = &decided.ruling;
    let name = |text: &str| cut(text, longest);
    let worst = ruling.worst.iter().take(WORST).map(|one| {
        json!({
            "tenant": name(&one.tenant), "objective": name(&one.objective), "source": name(&one.source), "code": one.code,
            "observed": one.observed, "limit": one.limit, "limit_adj": one.limit_adj, "n": one.n,
        })
    });
    json!({
        "decision": ruling.decision,
        "execution": name(&decided.execution),
        "version": ruling.version.as_deref().map(name),
        "percentage": ruling.percentage,
        "score_ppm": ruling.score_ppm,
        "lo_ppm": ruling.lo_ppm,
        "hi_ppm": ruling.hi_ppm,
        "threshold_ppm": ruling.threshold_ppm,
        "tenants": ruling.tenants,
        "breached": ruling.breached,
        "unknown": ruling.unknown,
        "reasons": ruling.reasons,
        "worst": worst.collect::<Vec<_>>(),
        "policy_sha256": ruling.policy_sha256,
        "evidence_sha256": decided.evidence_sha256,
    })
}

/// The start of a text, at most `most` characters of it, with a sign that there was more.
#[must_use]
pub fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

//! What a probe says about a promise.

use super::wire::{ProbeResult, Verdict};
use crate::gap::{Breach, GapCode, Judged};
use crate::policy::ONE;

/// Judges: healthy keeps the promise, unhealthy certainly breaks it, unknown leaves it open. `limit` is the longest good answer, in microseconds.
#[must_use]
pub fn judged(result: &ProbeResult, limit: u64) -> Judged {
    let (code, score, breach) = match result.verdict {
        Verdict::Healthy => (GapCode::Ok, (ONE, ONE), Breach::No),
        Verdict::Unhealthy { .. } => (GapCode::Ok, (0, 0), Breach::Proven),
        Verdict::Unknown { .. } => (GapCode::SourceDown, (0, ONE), Breach::Open),
    };
    let observed = result.tries.last().filter(|_| code.known()).map(|last| last.took_us);
    Judged {
        code,
        coverage: if code.known() { ONE } else { 0 },
        limit,
        limit_adj: limit,
        observed,
        bounds: observed.map(|took| (took, took)),
        events: result.tries.len() as u64,
        score,
        breach,
        // No chance is in an answer.
        certain: breach == Breach::Proven,
    }
}

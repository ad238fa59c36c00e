//! What tenants' own answers say in a round, and who passes by them without traffic.

use std::sync::Arc;

use super::ground::Ground;
use crate::decide::ObjectiveResult;
use crate::gap::{Breach, Found, GapCode, Judged, Promise, judge};
use crate::policy::{EffectiveBounds, GapKey, ONE, TenantPolicy};
use crate::probe::{ProbeResult, judged};

/// What stands for the source of a probe's result.
pub(super) const SOURCE: &str = "probe";

const MISSING: &str = "the evidence has no probe of it";

/// What was wrong with a tenant's probe, in words.
pub(super) fn why(ground: &Ground<'_>, name: &str, objective: &str) -> String {
    let found = ground.probes.get(&(objective, name));
    found.map_or(MISSING, |result| result.verdict.why().unwrap_or_default()).to_owned()
}

/// The result of a tenant's probe; one that is not in the evidence is unknown.
pub(super) fn result(
    ground: &Ground<'_>,
    name: &str,
    objective: &Arc<str>,
    bounds: &EffectiveBounds,
) -> ObjectiveResult {
    let limit = bounds.limit.value;
    let found = ground.probes.get(&(objective.as_ref(), name));
    let judged = found.map_or_else(
        || judged(&ProbeResult::unknown(objective, name, MISSING), limit),
        |result| judged(result, limit),
    );
    ObjectiveResult { objective: objective.to_string(), source: SOURCE.to_owned(), judged }
}

/// Whether a tenant without traffic passes: its tier says so, and every probe of it is green.
pub(super) fn passes(tenant: &TenantPolicy, results: &[ObjectiveResult]) -> bool {
    let mut probes = results.iter().filter(|result| result.source == SOURCE).peekable();
    tenant.gap(GapKey::NoTraffic).value > 0
        && probes.peek().is_some()
        && probes.all(|result| result.judged.breach == Breach::No)
}

/// Makes a result without traffic a good one, unless the few events that there are prove the opposite.
pub(super) fn pass(judged: &mut Judged, found: &Found, promise: &Promise) {
    if judged.code != GapCode::NoTraffic {
        return;
    }
    let mut few = *promise;
    few.gap[GapKey::MinEvents as usize] = 0;
    if judge(found, &few).breach != Breach::Proven {
        (judged.score, judged.breach) = ((ONE, ONE), Breach::No);
    }
}

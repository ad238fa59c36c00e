//! From one round to the next: who was in breach, who is waited for, how many rows there were.

use canary_core::time::Timestamp;

use super::decide_round;
use super::ground::Ground;
use crate::decide::TenantResult;
use crate::evidence::{Before, Evidence};
use crate::gap::{Breach, GapCode};
use crate::policy::{GapKey, Policy};

pub(super) fn next(ground: &Ground<'_>, tenants: &[TenantResult]) -> Before {
    let breached = tenants.iter().filter(|tenant| tenant.veto && tenant.certain());
    let stale = tenants.iter().filter(|tenant| is(tenant, GapCode::Stale));
    // A source in trouble says nothing about how many rows are right.
    let whole = ground.sources.iter().map(|seen| match seen.trouble {
        None => (seen.source.name.clone(), seen.rows),
        Some(_) => (seen.source.name.clone(), rows_before(ground, &seen.source.name).unwrap_or(0)),
    });
    Before {
        breached: breached.map(|tenant| tenant.name.clone()).collect(),
        rows: whole.filter(|(_, rows)| *rows > 0).collect(),
        stale: stale.map(|tenant| (tenant.name.clone(), rounds(ground, &tenant.name) + 1)).collect(),
    }
}

pub(super) fn of(policy: &Policy, evidence: &Evidence, at: Timestamp) -> Before {
    let micros = u64::try_from(at.since(evidence.at).as_micros()).unwrap_or(u64::MAX);
    let scrape = policy.file.sources.iter().map(|source| source.scrape).max().unwrap_or(0);
    if at < evidence.at || micros > policy.file.windows.long {
        return Before::default();
    }
    if micros < scrape { evidence.before.clone() } else { decide_round(policy, evidence).next }
}

/// Whether all that is missing of a tenant may still come: it is new, or stale and has patience left.
pub(super) fn waited_for(ground: &Ground<'_>, tenant: &TenantResult) -> bool {
    let patience =
        ground.policy.tenants.get(&tenant.name).map_or(0, |policy| policy.gap(GapKey::Patience).value);
    let left = rounds(ground, &tenant.name) < patience;
    let mut missing = tenant
        .results
        .iter()
        .filter(|result| !result.judged.code.known() && result.judged.breach == Breach::Open)
        .peekable();
    missing.peek().is_some()
        && missing.all(|result| match result.judged.code {
            GapCode::New => true,
            GapCode::Stale => left,
            _ => false,
        })
}

fn is(tenant: &TenantResult, code: GapCode) -> bool {
    tenant.results.iter().any(|result| result.judged.code == code)
}

/// For how many rounds before this one a tenant was stale.
fn rounds(ground: &Ground<'_>, tenant: &str) -> u64 {
    let stale = &ground.evidence.before.stale;
    stale.binary_search_by(|(name, _)| name.as_str().cmp(tenant)).map_or(0, |i| stale[i].1)
}

fn rows_before(ground: &Ground<'_>, source: &str) -> Option<u64> {
    ground.evidence.before.rows.iter().find(|(name, _)| name == source).map(|(_, rows)| *rows)
}

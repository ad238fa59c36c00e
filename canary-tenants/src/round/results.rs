//! From what was found to what is known of each tenant.

use std::collections::BTreeSet;

use super::ground::{Ground, Seen};
use super::probes;
use crate::decide::{ObjectiveResult, TenantResult};
use crate::gap::{Found, Judged, judge};
use crate::policy::{EffectiveBounds, ONE, ObjectiveKind, TenantPolicy};
use crate::source::second_window;

/// What stands for the source of a tenant that none has.
const NOWHERE: &str = "*";

/// Every tenant of the policy that counts, by name.
pub(super) fn of_policy(ground: &Ground<'_>) -> Vec<TenantResult> {
    let counted = ground.policy.tenants.iter().filter(|(_, tenant)| tenant.exempt.is_none());
    counted.map(|(name, tenant)| tenant_result(ground, name, tenant)).collect()
}

/// Tenants that metrics have and the policy does not, by name.
pub(super) fn unlisted(ground: &Ground<'_>) -> Vec<TenantResult> {
    let mut names = BTreeSet::new();
    for reply in ground.sources.iter().filter_map(|seen| seen.reply) {
        names.extend(reply.found.keys().filter(|name| !ground.policy.tenants.contains_key(*name)));
    }
    names.into_iter().map(|name| tenant_result(ground, name, &ground.policy.unlisted)).collect()
}

fn tenant_result(ground: &Ground<'_>, name: &str, tenant: &TenantPolicy) -> TenantResult {
    let sources = sources_of(ground, name, tenant);
    let mut results = Vec::with_capacity(tenant.objectives.len() * sources.len().max(1));
    let mut burning = false;
    for (objective, bounds) in tenant.objectives.iter().filter(|(name, _)| is_probe(ground, name)) {
        // Who is not in the policy is not asked either.
        if ground.policy.tenants.contains_key(name) {
            results.push(probes::result(ground, name, objective, bounds));
        }
    }
    let passes = probes::passes(tenant, &results);
    for (objective, bounds) in &tenant.objectives {
        let Some(kind) = ground.policy.file.objectives.get(objective.as_ref()).map(|o| &o.kind) else {
            continue;
        };
        if matches!(kind, ObjectiveKind::Probe(_)) {
            continue;
        }
        for seen in &sources {
            let found = ground.found(seen, name, objective);
            let mut judged = judged(ground, seen, tenant, (kind, bounds), &found);
            if passes {
                probes::pass(&mut judged, &found, &ground.promise(tenant, kind, bounds, seen.source));
            }
            if let ObjectiveKind::Budget { window, .. } = kind
                && judged.certain
            {
                let other = ground.found(seen, name, &second_window(objective, *window));
                burning |= self::judged(ground, seen, tenant, (kind, bounds), &other).certain;
            }
            let source = seen.source.name.clone();
            results.push(ObjectiveResult { objective: objective.to_string(), source, judged });
        }
        if let (true, Some(first)) = (sources.is_empty(), ground.sources.first()) {
            let promise = ground.promise(tenant, kind, bounds, first.source);
            let judged = in_units(judge(&Found::nothing(1), &promise), bounds);
            results.push(ObjectiveResult {
                objective: objective.to_string(),
                source: NOWHERE.to_owned(),
                judged,
            });
        }
    }
    TenantResult {
        name: name.to_owned(),
        weight: tenant.weight.value,
        veto: tenant.veto,
        breached_before: ground.evidence.before.breached.contains(name),
        burning,
        results,
    }
}

fn is_probe(ground: &Ground<'_>, objective: &str) -> bool {
    let kind = ground.policy.file.objectives.get(objective).map(|objective| &objective.kind);
    matches!(kind, Some(ObjectiveKind::Probe(_)))
}

/// The sources that a tenant is judged by: those it names, or those that have anything of it. One in trouble may have it.
fn sources_of<'g, 'a>(ground: &'g Ground<'a>, name: &str, tenant: &TenantPolicy) -> Vec<&'g Seen<'a>> {
    let has = |seen: &Seen<'_>| {
        let found = seen.reply.and_then(|reply| reply.found.get(name));
        found.is_some_and(|found| found.values().any(Found::present))
    };
    let judged_by = |seen: &&Seen<'_>| {
        if tenant.sources.is_empty() {
            seen.trouble.is_some() || has(seen)
        } else {
            tenant.sources.contains(&seen.source.name)
        }
    };
    ground.sources.iter().filter(judged_by).collect()
}

fn judged(
    ground: &Ground<'_>,
    seen: &Seen<'_>,
    tenant: &TenantPolicy,
    (kind, bounds): (&ObjectiveKind, &EffectiveBounds),
    found: &Found,
) -> Judged {
    in_units(judge(found, &ground.promise(tenant, kind, bounds, seen.source)), bounds)
}

/// A budget's rates as burn rates, which is what its limit counts.
fn in_units(mut judged: Judged, bounds: &EffectiveBounds) -> Judged {
    let Some(target) = &bounds.target else { return judged };
    let left = u128::from(ONE.saturating_sub(target.value).max(1));
    let burn = |rate: u64| u64::try_from(u128::from(rate) * u128::from(ONE) / left).unwrap_or(u64::MAX);
    judged.observed = judged.observed.map(burn);
    judged.bounds = judged.bounds.map(|(low, high)| (burn(low), burn(high)));
    (judged.limit, judged.limit_adj) = (bounds.limit.value, bounds.limit.value);
    judged
}

//! What results are computed from: the policy and the evidence, with what follows from both at once.

use std::collections::BTreeMap;

use crate::decide::SourceTrouble;
use crate::evidence::Evidence;
use crate::gap::{Found, GapCode};
use crate::policy::{EffectiveBounds, GapKey, ONE, ObjectiveKind, Policy, Source, TenantPolicy};
use crate::probe::ProbeResult;
use crate::source::{Measure, SourceReply};

use crate::gap::Promise;

/// Fewer rows than this say nothing about a whole source.
const FEW_ROWS: u64 = 10;

pub(super) struct Ground<'a> {
    pub(super) policy: &'a Policy,
    pub(super) evidence: &'a Evidence,
    /// The policy's sources, in its order.
    pub(super) sources: Vec<Seen<'a>>,
    pub(super) measures: BTreeMap<std::sync::Arc<str>, Measure>,
    /// Results of probes, by objective and tenant.
    pub(super) probes: BTreeMap<(&'a str, &'a str), &'a ProbeResult>,
    /// How many promises have a veto: from the policy alone, so that what is missing changes nobody's bounds.
    pub(super) family: u64,
}

/// One source and what is known of its answer.
pub(super) struct Seen<'a> {
    pub(super) source: &'a Source,
    pub(super) reply: Option<&'a SourceReply>,
    pub(super) trouble: Option<(GapCode, String)>,
    /// How many expected tenants it has samples of.
    pub(super) rows: u64,
}

impl<'a> Ground<'a> {
    pub(super) fn new(policy: &'a Policy, evidence: &'a Evidence) -> Self {
        let sources = policy.file.sources.iter().map(|source| seen(policy, evidence, source)).collect();
        let probes = evidence
            .probes
            .iter()
            .map(|result| ((result.objective.as_str(), result.tenant.as_str()), result));
        let probes = probes.collect();
        let measures = policy.measures().into_iter().map(|measure| (measure.name.clone(), measure)).collect();
        Self { policy, evidence, sources, measures, probes, family: family(policy) }
    }

    pub(super) fn troubles(&self) -> Vec<SourceTrouble> {
        let told = self.sources.iter().filter_map(|seen| {
            let (code, why) = seen.trouble.clone()?;
            Some(SourceTrouble { source: seen.source.name.clone(), code, why })
        });
        told.collect()
    }

    /// What a source has of a tenant in one measure.
    pub(super) fn found(&self, seen: &Seen<'_>, tenant: &str, measure: &str) -> Found {
        let window = self.measures.get(measure).map_or(0, |measure| measure.window);
        let expected = (window / seen.source.scrape.max(1)).max(1);
        let found = seen.reply.and_then(|reply| reply.found.get(tenant)?.get(measure)).cloned();
        let mut found = found.unwrap_or_else(|| Found::nothing(expected));
        if let Some((code, _)) = &seen.trouble {
            found.trouble = Some(*code);
        }
        found
    }

    /// What one tenant is promised of one objective at one source.
    pub(super) fn promise(
        &self,
        tenant: &TenantPolicy,
        kind: &ObjectiveKind,
        bounds: &EffectiveBounds,
        source: &Source,
    ) -> Promise {
        let limit = bounds.limit.value;
        Promise {
            limit: bounds.target.as_ref().map_or(limit, |target| rate(limit, target.value)),
            hard_limit: bounds.hard_limit.as_ref().filter(|_| bounds.target.is_none()).map(|hard| hard.value),
            widens: matches!(kind, ObjectiveKind::Quantile { .. } | ObjectiveKind::Ratio { .. }),
            scrape: source.scrape,
            gap: GapKey::ALL.map(|key| tenant.gap(key).value),
            family: if tenant.veto { self.family } else { 1 },
        }
    }
}

/// The rate of bad events at which a budget is spent `burn` times as fast as it may be: burn × (1 − target), in ppm, at least 1.
pub(super) fn rate(burn: u64, target: u64) -> u64 {
    let rate = u128::from(burn) * u128::from(ONE - target.min(ONE)) / u128::from(ONE);
    u64::try_from(rate.max(1)).unwrap_or(u64::MAX)
}

fn family(policy: &Policy) -> u64 {
    let objectives = policy.file.objectives.len() as u64;
    let veto = policy.tenants.values().filter(|tenant| tenant.veto && tenant.exempt.is_none());
    let sources = |tenant: &TenantPolicy| match tenant.sources.len() {
        0 => policy.file.sources.len() as u64,
        named => named as u64,
    };
    veto.map(|tenant| sources(tenant) * objectives).sum::<u64>().max(1)
}

fn seen<'a>(policy: &'a Policy, evidence: &'a Evidence, source: &'a Source) -> Seen<'a> {
    let reply = evidence.sources.iter().find(|(name, _)| *name == source.name).map(|(_, reply)| reply);
    let there = |reply: &SourceReply, name: &str| {
        reply.found.get(name).is_some_and(|found| found.values().any(|found| found.samples.is_some()))
    };
    let (mut rows, mut naming, mut named) = (0, 0, 0);
    for (name, tenant) in policy.tenants.iter().filter(|(_, tenant)| tenant.exempt.is_none()) {
        let has = reply.is_some_and(|reply| there(reply, name));
        let names = tenant.sources.contains(&source.name);
        rows += u64::from(has);
        naming += u64::from(names);
        named += u64::from(names && has);
    }
    let own = reply.and_then(|reply| match (&reply.trouble, &reply.refused) {
        (Some(trouble), _) => Some(trouble.clone()),
        (None, Some(why)) => Some((GapCode::SourceDown, why.clone())),
        (None, None) => None,
    });
    let trouble = match reply {
        None => Some((GapCode::SourceDown, "the evidence has no answer of it".to_owned())),
        // Where all is probed, a source has no rows to be missed.
        Some(_) if own.is_none() && policy.measures().is_empty() => None,
        Some(_) => own.or_else(|| {
            let before = evidence.before.rows.iter().find(|(name, _)| *name == source.name);
            gone(rows, before.map(|(_, rows)| *rows), named, naming).map(|why| (GapCode::Partial, why))
        }),
    };
    Seen { source, reply, trouble, rows }
}

/// Says so when fewer than half of the tenants are there.
fn gone(rows: u64, before: Option<u64>, named: u64, naming: u64) -> Option<String> {
    let fewer = |now: u64, then: u64| then >= FEW_ROWS && now < then.div_ceil(2);
    match before {
        Some(before) if fewer(rows, before) => {
            Some(format!("it has {rows} of the expected tenants, and had {before} the round before"))
        }
        _ if fewer(named, naming) => Some(format!("it has {named} of the {naming} tenants that name it")),
        _ => None,
    }
}

//! The effective policy as bytes that are the same everywhere, and their digest.

use canary_core::fleet::Digest;
use canary_core::journal::canonical;
use serde_json::{Map, Value, json};

use super::effective::{Policy, TenantPolicy};
use super::file::{GapKey, Objective, ObjectiveKind, Part, Source, SourceKind};

impl Policy {
    /// The policy in the journal's form: sorted keys, integers only, no places and no reasons, so that what decides the
    /// same is the same.
    #[must_use]
    pub fn canonical(&self) -> String {
        let mut text = String::new();
        // proof: amounts are at most 2^53 by their parser, and every key is ASCII: tenants and labels are values.
        if let Err(why) = canonical(&self.value(), &mut text) {
            debug_assert!(false, "{why}");
        }
        text
    }

    /// The SHA-256 of [`Policy::canonical`].
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.canonical().as_bytes())
    }

    fn value(&self) -> Value {
        let file = &self.file;
        let tenants: Vec<Value> =
            self.tenants.iter().map(|(name, policy)| json!([name, self.tenant(policy)])).collect();
        json!({
            "schema": "sla/v1",
            "tenant_label": file.tenant_label,
            "sources": file.sources.iter().map(source).collect::<Vec<_>>(),
            "windows": { "short_us": file.windows.short, "long_us": file.windows.long },
            "objectives": file.objectives.iter().map(|(name, o)| (name.clone(), objective(o))).collect::<Map<_, _>>(),
            "decision": {
                "rollback_threshold_ppm": file.decision.rollback_threshold,
                "veto_tiers": file.decision.veto_tiers,
                "max_breached_tenants": file.decision.max_breached_tenants,
            },
            "unlisted": self.tenant(&self.unlisted),
            // A list: names of tenants may be other than ASCII, which keys of the journal's form are not.
            "tenants": tenants,
        })
    }

    fn tenant(&self, policy: &TenantPolicy) -> Value {
        let mut objectives = Map::new();
        for (name, bounds) in &policy.objectives {
            let mut one = Map::new();
            one.insert("limit".to_owned(), bounds.limit.value.into());
            if let Some(target) = &bounds.target {
                one.insert("target".to_owned(), target.value.into());
            }
            if let Some(hard) = &bounds.hard_limit {
                one.insert("hard_limit".to_owned(), hard.value.into());
            }
            objectives.insert(name.to_string(), one.into());
        }
        let gap = GapKey::ALL.map(|key| (key.as_str().to_owned(), policy.gap(key).value.into()));
        json!({
            "tier": policy.tier.as_ref().map(|tier| &tier.value),
            "weight": policy.weight.value,
            "veto": policy.veto,
            "exempt": policy.exempt.is_some(),
            "sources": policy.sources,
            "gap": gap.into_iter().collect::<Map<_, _>>(),
            "objectives": objectives,
        })
    }
}

fn source(source: &Source) -> Value {
    let org_id = match &source.kind {
        SourceKind::Mimir { org_id } => Some(org_id),
        SourceKind::Prometheus | SourceKind::Thanos => None,
    };
    json!({
        "name": source.name,
        "kind": source.kind.as_str(),
        "url": source.url,
        "org_id": org_id,
        "scrape_us": source.scrape,
        "timeout_us": source.timeout,
        "tenant_label": source.tenant_label,
        "label_map": source.label_map.iter().map(|(seen, name)| json!([seen, name])).collect::<Vec<_>>(),
    })
}

fn objective(objective: &Objective) -> Value {
    let kind = objective.kind.as_str();
    match &objective.kind {
        ObjectiveKind::Quantile { q, histogram } => {
            json!({ "kind": kind, "q_ppm": q, "histogram": histogram.to_string() })
        }
        ObjectiveKind::Ratio { part: Part::Bad(bad), total } => {
            json!({ "kind": kind, "bad": bad.to_string(), "total": total.to_string() })
        }
        ObjectiveKind::Ratio { part: Part::Good(good), total } => {
            json!({ "kind": kind, "good": good.to_string(), "total": total.to_string() })
        }
        ObjectiveKind::Budget { of, window } => {
            json!({ "kind": kind, "of": of, "window": window.as_str() })
        }
        ObjectiveKind::Value { metric } => json!({ "kind": kind, "metric": metric.to_string() }),
    }
}

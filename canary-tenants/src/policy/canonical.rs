//! The effective policy as bytes that are the same everywhere, and their digest.

use canary_core::fleet::Digest;
use canary_core::journal::canonical;
use serde_json::{Map, Value, json};

use super::datadog::DatadogForm;
use super::effective::{Policy, TenantPolicy};
use super::file::{GapKey, Objective, ObjectiveKind, Part, PolicyFile, Source, SourceKind};

impl Policy {
    /// The policy in the journal's form: sorted keys, integers only, no places and no reasons, so that what decides the
    /// same is the same.
    #[must_use]
    pub fn canonical(&self) -> String {
        let mut text = String::new();
        // proof: amounts are at most 2^53 by their parser, and every key is ASCII: tenants and labels are values.
        if let Err(why) = self.push(&mut text) {
            debug_assert!(false, "{why}");
        }
        text
    }

    /// Writes tenants one by one: all of them as one value would take twenty times the room of their text.
    fn push(&self, text: &mut String) -> Result<(), String> {
        let file = &self.file;
        canonical(
            &json!({
                "schema": "sla/v1",
                "tenant_label": file.tenant_label,
                "sources": file.sources.iter().map(source).collect::<Vec<_>>(),
                "objectives": file.objectives.iter().map(|(name, o)| (name.clone(), objective(o))).collect::<Map<_, _>>(),
                "decision": decision(file),
            }),
            text,
        )?;
        text.truncate(text.len() - 1);
        // A list: names of tenants may be other than ASCII, which keys of the journal's form are not.
        text.push_str(",\"tenants\":[");
        for (i, (name, policy)) in self.tenants.iter().enumerate() {
            text.push_str(if i == 0 { "" } else { "," });
            canonical(&json!([name, self.tenant(policy)]), text)?;
        }
        text.push_str("],\"unlisted\":");
        canonical(&self.tenant(&self.unlisted), text)?;
        text.push_str(",\"windows\":");
        canonical(&json!({ "short_us": file.windows.short, "long_us": file.windows.long }), text)?;
        text.push('}');
        Ok(())
    }

    /// The SHA-256 of [`Policy::canonical`].
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.canonical().as_bytes())
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
        // What holds is not said: a policy without probes has the form it had before there were any.
        let said = |key: &GapKey| *key != GapKey::NoTraffic || policy.gap(*key).value > 0;
        let gap = GapKey::ALL.into_iter().filter(said);
        let gap = gap.map(|key| (key.as_str().to_owned(), policy.gap(key).value.into()));
        json!({
            "tier": policy.tier.as_ref().map(|tier| &tier.value),
            "weight": policy.weight.value,
            "veto": policy.veto,
            "exempt": policy.exempt.is_some(),
            "sources": policy.sources,
            "gap": gap.collect::<Map<_, _>>(),
            "objectives": objectives,
        })
    }
}

fn decision(file: &PolicyFile) -> Value {
    let decision = &file.decision;
    let mut form = json!({
        "rollback_threshold_ppm": decision.rollback_threshold,
        "veto_tiers": decision.veto_tiers,
        "max_breached_tenants": decision.max_breached_tenants,
    });
    // How tenants are probed is said where they are.
    if let (true, Value::Object(form)) = (file.probes(), &mut form) {
        form.insert("max_in_flight".to_owned(), decision.probing.max_in_flight.into());
        form.insert("tenant_batch_size".to_owned(), decision.probing.batch_size.into());
        form.insert("timeout_per_tenant_check_us".to_owned(), decision.probing.budget.into());
    }
    form
}

fn source(source: &Source) -> Value {
    let org_id = match &source.kind {
        SourceKind::Mimir { org_id } => Some(org_id),
        // Where keys are decides nothing.
        SourceKind::Prometheus | SourceKind::Thanos | SourceKind::Datadog { .. } => None,
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
    let mut form = measured(objective);
    // Absent where there is none, so that policies without a Datadog keep their digests.
    if let (Some(datadog), Value::Object(form)) = (&objective.datadog, &mut form) {
        form.insert("datadog".to_owned(), datadog_form(datadog));
    }
    form
}

fn datadog_form(form: &DatadogForm) -> Value {
    match form {
        DatadogForm::Distribution { metric, unit } => {
            json!({ "distribution": metric.to_string(), "unit_ns": unit })
        }
        DatadogForm::Counts { part, good, total } => {
            json!({ if *good { "good" } else { "bad" }: part.to_string(), "total": total.to_string() })
        }
        DatadogForm::Gauge { metric } => json!({ "metric": metric.to_string() }),
    }
}

fn measured(objective: &Objective) -> Value {
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
        ObjectiveKind::Probe(probe) => json!({
            "kind": kind,
            "url": probe.url.to_string(),
            "expect": probe.expect,
            "body": probe.body.iter().map(|m| json!([m.pointer, m.value])).collect::<Vec<_>>(),
            "timeout_us": probe.timeout,
            "tries": probe.tries,
            "ca_file": probe.ca_file,
        }),
    }
}

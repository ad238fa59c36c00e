//! What a change of a policy changes for whom.

use std::collections::BTreeMap;

use super::effective::{Policy, Shown, TenantPolicy};
use super::file::GapKey;

/// What is different in another policy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PolicyDiff {
    /// Settings that are not one tenant's: sources, windows, objectives, decision.
    pub global: Vec<Change>,
    /// Tenants that are new.
    pub added: Vec<String>,
    /// Tenants that are no longer expected.
    pub removed: Vec<String>,
    /// What changed for tenants that both have.
    pub tenants: BTreeMap<String, Vec<Change>>,
}

/// One value that is another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub key: String,
    /// What it was; `None` where there was none.
    pub from: Option<String>,
    /// What it is.
    pub to: Option<String>,
    /// Whether less is asked now; `None` where that cannot be said.
    pub looser: Option<bool>,
}

impl PolicyDiff {
    /// What changes from `a` to `b`.
    #[must_use]
    pub fn between(a: &Policy, b: &Policy) -> Self {
        let mut diff = Self { global: changes(global(a), global(b)), ..Self::default() };
        diff.added = b.tenants.keys().filter(|name| !a.tenants.contains_key(*name)).cloned().collect();
        for (name, old) in &a.tenants {
            let Some(new) = b.tenants.get(name) else {
                diff.removed.push(name.clone());
                continue;
            };
            let found = changes(values(a, old), values(b, new));
            if !found.is_empty() {
                diff.tenants.insert(name.clone(), found);
            }
        }
        diff
    }

    /// Whether both decide alike.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.global.is_empty() && self.added.is_empty() && self.removed.is_empty() && self.tenants.is_empty()
    }
}

/// A value with its amount, where it has one, and whether more of it is looser.
type Value = (String, Option<(u64, bool)>);

fn changes(a: BTreeMap<String, Value>, b: BTreeMap<String, Value>) -> Vec<Change> {
    let mut all = Vec::new();
    let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        let (from, to) = (a.get(key), b.get(key));
        if from.map(|v| &v.0) == to.map(|v| &v.0) {
            continue;
        }
        let amount = |value: Option<&Value>| value.and_then(|value| value.1);
        let looser = match (amount(from), amount(to)) {
            (Some((from, more)), Some((to, _))) => Some(if more { to > from } else { to < from }),
            _ => None,
        };
        let text = |value: Option<&Value>| value.map(|value| value.0.clone());
        all.push(Change { key: key.clone(), from: text(from), to: text(to), looser });
    }
    all
}

fn values(policy: &Policy, tenant: &TenantPolicy) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for Shown { key, setting, unit, .. } in policy.shown(tenant) {
        let gap = GapKey::ALL.into_iter().find(|gap| key.strip_prefix("gap.") == Some(gap.as_str()));
        let more = match gap {
            Some(gap) => Some(gap.more_is_looser()),
            None if key == "weight" => None,
            None => Some(!key.ends_with(".target")),
        };
        all.insert(key, (unit.show(setting.value), more.map(|more| (setting.value, more))));
    }
    let mut word = |key: &str, text: String| all.insert(key.to_owned(), (text, None));
    word("tier", tenant.tier.as_ref().map_or_else(|| "none".to_owned(), |tier| tier.value.clone()));
    word("veto", if tenant.veto { "yes" } else { "no" }.to_owned());
    word("exempt", if tenant.exempt.is_some() { "yes" } else { "no" }.to_owned());
    word("sources", if tenant.sources.is_empty() { "any".to_owned() } else { tenant.sources.join(", ") });
    all
}

fn global(policy: &Policy) -> BTreeMap<String, Value> {
    let mut all: BTreeMap<String, Value> = values(policy, &policy.unlisted)
        .into_iter()
        .filter(|(key, _)| !matches!(key.as_str(), "tier" | "veto" | "exempt" | "sources"))
        .map(|(key, value)| (format!("defaults.{key}"), value))
        .collect();
    // The parts of the canonical form that are not a tenant's, a line each.
    let form = serde_json::from_str::<serde_json::Value>(&policy.canonical()).unwrap_or_default();
    for (key, value) in form.as_object().into_iter().flatten() {
        if matches!(key.as_str(), "tenants" | "unlisted") {
            continue;
        }
        flatten(key, value, &mut all);
    }
    all
}

fn flatten(key: &str, value: &serde_json::Value, all: &mut BTreeMap<String, Value>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                flatten(&format!("{key}.{name}"), value, all);
            }
        }
        serde_json::Value::Array(items) if items.iter().any(serde_json::Value::is_object) => {
            for item in items {
                let name = item.get("name").and_then(serde_json::Value::as_str).unwrap_or_default();
                flatten(&format!("{key}.{name}"), item, all);
            }
        }
        serde_json::Value::Null => {}
        serde_json::Value::String(text) => {
            all.insert(key.to_owned(), (text.clone(), None));
        }
        other => {
            all.insert(key.to_owned(), (other.to_string(), None));
        }
    }
}

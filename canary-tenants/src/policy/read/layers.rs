//! Tiers and tenants.

use std::collections::BTreeMap;
use std::fmt;

use super::objectives::overrides;
use super::reader::Reader;
use crate::policy::amount::Unit;
use crate::policy::date::{Day, DayError};
use crate::policy::file::{GapKey, GapLayer, Layer, Objective, Tenant, Tier};
use crate::policy::keys;
use crate::policy::place::{Place, Placed};
use crate::policy::tree::Node;

type Objectives = BTreeMap<String, Objective>;

/// Reads settings for gaps.
pub(super) fn gap(reader: &mut Reader, node: &Node<'_>, what: fmt::Arguments<'_>) -> GapLayer {
    reader.table(node, what, &GapKey::ALL.map(GapKey::as_str));
    let mut layer = GapLayer::default();
    for key in GapKey::ALL {
        let value = node.get(key.as_str());
        let what = format_args!("{what}.{}", key.as_str());
        layer.set(key, value.and_then(|node| reader.within(node, what, key.unit(), key.range())));
    }
    layer
}

fn layer(reader: &mut Reader, node: &Node<'_>, what: fmt::Arguments<'_>, objectives: &Objectives) -> Layer {
    let text = |reader: &mut Reader, key: &str| {
        let node = node.get(key)?;
        reader.text(node, format_args!("{what}.{key}")).map(|text| text.value)
    };
    let bounds = node.get("objectives");
    Layer {
        objectives: bounds
            .map(|node| overrides(reader, node, format_args!("{what}.objectives"), objectives))
            .unwrap_or_default(),
        gap: node.get("gap").map(|node| gap(reader, node, format_args!("{what}.gap"))).unwrap_or_default(),
        reason: text(reader, "reason"),
        ticket: text(reader, "ticket"),
        until: node.get("until").and_then(|node| {
            let text = reader.text(node, format_args!("{what}.until"))?;
            let day = text.value.parse().unwrap_or_else(|why: DayError| {
                let message = format!("{what}.until is {}: {why}", node.described());
                reader.refuse(node.at, message, "write the last day as 2027-03-31");
                // The file is refused; this keeps the day from being missed as well.
                Day::default()
            });
            Some(Placed { value: day, at: node.at })
        }),
    }
}

/// Reads `tiers`.
pub(super) fn tiers(reader: &mut Reader, root: &Node<'_>, objectives: &Objectives) -> BTreeMap<String, Tier> {
    let Some(node) = root.get("tiers") else { return BTreeMap::new() };
    let mut all = BTreeMap::new();
    for entry in reader.entries(node, format_args!("tiers")) {
        let (name, node) = (&entry.key, &entry.value);
        let what = format_args!("tiers.{name}");
        reader.table(node, what, keys::TIER);
        let weight = node.get("weight");
        let weight = weight
            .and_then(|node| reader.within(node, format_args!("{what}.weight"), Unit::Count, (1, 1000)));
        let layer = layer(reader, node, what, objectives);
        if reader.own_name(name, entry.at, "a tier") {
            all.insert(name.clone().into_owned(), Tier { at: entry.at, weight, layer });
        }
    }
    all
}

/// Reads `tenants`; one without anything of its own is written `name: {}` or `name:`.
pub(super) fn tenants(
    reader: &mut Reader,
    root: &Node<'_>,
    objectives: &Objectives,
) -> BTreeMap<String, Tenant> {
    let Some(node) = reader.needed(root, "tenants", format_args!("the file")) else { return BTreeMap::new() };
    let entries = reader.entries(node, format_args!("tenants"));
    let mut all = BTreeMap::new();
    for entry in entries {
        if !reader.tenant_name(&entry.key, entry.at) {
            continue;
        }
        let read = tenant(reader, entry.at, &entry.value, format_args!("tenants.{}", entry.key), objectives);
        all.insert(entry.key.clone().into_owned(), read);
    }
    all
}

fn tenant(
    reader: &mut Reader,
    at: Place,
    node: &Node<'_>,
    what: fmt::Arguments<'_>,
    objectives: &Objectives,
) -> Tenant {
    if node.is_null() {
        return Tenant { at, tier: None, sources: Vec::new(), exempt: None, layer: Layer::default() };
    }
    reader.table(node, what, keys::TENANT);
    let tier = node.get("tier").and_then(|node| reader.text(node, format_args!("{what}.tier")));
    let exempt = node.get("exempt").and_then(|node| match node.text() {
        Some("true") => Some(node.at),
        Some("false") => None,
        _ => {
            reader.refuse(
                node.at,
                format!("{what}.exempt is {}", node.described()),
                "write true, or leave it out",
            );
            None
        }
    });
    let sources = node.get("sources").map(|node| reader.names(node, format_args!("{what}.sources")));
    let mut names: Vec<String> = sources.unwrap_or_default().into_iter().map(|name| name.value).collect();
    names.sort();
    names.dedup();
    Tenant { at, tier, sources: names, exempt, layer: layer(reader, node, what, objectives) }
}

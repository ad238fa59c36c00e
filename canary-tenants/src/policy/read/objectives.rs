//! What is promised, and the bounds that layers have for it.

use std::collections::BTreeMap;
use std::fmt;

use super::probes;
use super::reader::Reader;
use super::{datadog, known};
use crate::policy::amount::{ONE, Unit};
use crate::policy::file::{Bounds, Objective, ObjectiveKind, Part, Window};
use crate::policy::keys;
use crate::policy::place::Placed;
use crate::policy::tree::{Entry, Kind, Node};

/// The largest burn rate that is a bound: all of a 30 days' budget in less than three quarters of an hour.
const FASTEST: u64 = 1000 * ONE;

/// Reads `objectives`.
pub(super) fn objectives(reader: &mut Reader, root: &Node<'_>) -> BTreeMap<String, Objective> {
    let Some(node) = reader.needed(root, "objectives", format_args!("the file")) else {
        return BTreeMap::new();
    };
    let entries = reader.entries(node, format_args!("objectives"));
    if entries.is_empty() && matches!(node.kind, Kind::Map(_)) {
        reader.refuse(node.at, "objectives is empty", "promise something");
    }
    let read = entries.iter().filter_map(|entry| {
        let named = reader.own_name(&entry.key, entry.at, "an objective");
        let objective = objective(reader, entry)?;
        named.then(|| (entry.key.clone().into_owned(), objective))
    });
    read.collect()
}

fn objective(reader: &mut Reader, entry: &Entry<'_>) -> Option<Objective> {
    let (name, node) = (&entry.key, &entry.value);
    reader.entries(node, format_args!("objective {name}"));
    let kind = reader.needed(node, "kind", format_args!("objective {name}"))?;
    let kind = reader.word(kind, format_args!("the kind of objective {name}"), keys::OBJECTIVE_KINDS)?;
    let what = format_args!("objective {name}");
    let (known, kind) = match kind.as_str() {
        "quantile" => (keys::QUANTILE, quantile(reader, node, what)),
        "ratio" => (keys::RATIO, ratio(reader, node, what)),
        "budget" => (keys::BUDGET, budget(reader, node, what)),
        "value" => (keys::VALUE, value(reader, node, what)),
        _ => (keys::PROBE, probes::probe(reader, node, what)),
    };
    reader.table(node, what, known);
    let kind = kind?;
    let bounds = bounds_in(reader, node, what, &kind);
    let missing: &[&str] = match &kind {
        ObjectiveKind::Budget { .. } => &["target", "max_burn"],
        // Without a limit any answer within the deadline is fast enough.
        ObjectiveKind::Probe(_) => &[],
        _ => &["limit"],
    };
    for key in missing {
        reader.needed(node, key, what);
    }
    let datadog = node.get("datadog").and_then(|node| datadog::form(reader, node, what, &kind));
    Some(Objective { at: entry.at, kind, bounds, datadog })
}

fn quantile(reader: &mut Reader, node: &Node<'_>, what: fmt::Arguments<'_>) -> Option<ObjectiveKind> {
    let q = reader
        .needed(node, "q", what)
        .and_then(|node| reader.within(node, format_args!("q of {what}"), Unit::Ppm, (1, ONE - 1)));
    let histogram = reader.needed(node, "histogram", what);
    let histogram = histogram.and_then(|node| reader.selector(node, format_args!("histogram of {what}")));
    Some(ObjectiveKind::Quantile { q: q?.value, histogram: histogram? })
}

fn ratio(reader: &mut Reader, node: &Node<'_>, what: fmt::Arguments<'_>) -> Option<ObjectiveKind> {
    let mut selector =
        |key: &str| node.get(key).map(|node| reader.selector(node, format_args!("{key} of {what}")));
    let (bad, good) = (selector("bad"), selector("good"));
    let part = match (bad, good) {
        (Some(bad), None) => bad.map(Part::Bad),
        (None, Some(good)) => good.map(Part::Good),
        (both, _) => {
            let has = if both.is_some() { "both `bad` and `good`" } else { "neither `bad` nor `good`" };
            reader.refuse(node.at, format!("{what} has {has}"), "count one of them beside `total`");
            None
        }
    };
    let total = reader.needed(node, "total", what);
    let total = total.and_then(|node| reader.selector(node, format_args!("total of {what}")));
    Some(ObjectiveKind::Ratio { part: part?, total: total? })
}

fn budget(reader: &mut Reader, node: &Node<'_>, what: fmt::Arguments<'_>) -> Option<ObjectiveKind> {
    let of = reader.needed(node, "of", what).and_then(|node| reader.text(node, format_args!("of of {what}")));
    let window = match node.get("window") {
        None => Window::Long,
        Some(node) => {
            let word = reader.word(node, format_args!("window of {what}"), keys::WINDOWS)?;
            if word == "short" { Window::Short } else { Window::Long }
        }
    };
    Some(ObjectiveKind::Budget { of: of?.value, window })
}

fn value(reader: &mut Reader, node: &Node<'_>, what: fmt::Arguments<'_>) -> Option<ObjectiveKind> {
    let metric = reader.needed(node, "metric", what)?;
    Some(ObjectiveKind::Value { metric: reader.selector(metric, format_args!("metric of {what}"))? })
}

/// The bounds in a table: `limit`, or `target` and `max_burn`.
fn bounds_in(reader: &mut Reader, node: &Node<'_>, what: fmt::Arguments<'_>, kind: &ObjectiveKind) -> Bounds {
    if !matches!(kind, ObjectiveKind::Budget { .. }) {
        return Bounds {
            limit: node.get("limit").and_then(|node| limit(reader, node, what, kind)),
            target: None,
        };
    }
    let target = node.get("target").and_then(|node| {
        // A target of 1 leaves no budget that could be spent.
        reader.within(node, format_args!("target of {what}"), Unit::Ppm, (1, ONE - 1))
    });
    let burn = node
        .get("max_burn")
        .and_then(|node| reader.within(node, format_args!("max_burn of {what}"), Unit::Ppm, (1, FASTEST)));
    Bounds { limit: burn, target }
}

/// One bound; never zero: what is observed is told as a multiple of it.
fn limit(
    reader: &mut Reader,
    node: &Node<'_>,
    what: fmt::Arguments<'_>,
    kind: &ObjectiveKind,
) -> Option<Placed<u64>> {
    let most = match kind {
        ObjectiveKind::Quantile { .. } | ObjectiveKind::Probe(_) => 3600 * ONE,
        ObjectiveKind::Ratio { .. } => ONE,
        _ => 1_000_000_000 * ONE,
    };
    reader.within(node, format_args!("the limit of {what}"), kind.unit(), (1, most))
}

/// The bounds of a layer, by objective; a bound alone is its limit.
pub(super) fn overrides(
    reader: &mut Reader,
    node: &Node<'_>,
    what: fmt::Arguments<'_>,
    objectives: &BTreeMap<String, Objective>,
) -> BTreeMap<String, Bounds> {
    let mut all = BTreeMap::new();
    for entry in reader.entries(node, what) {
        let name: &str = &entry.key;
        // Where no objective could be read, that has been told.
        if objectives.is_empty() || !known(reader, entry.at, "the objective", name, objectives) {
            continue;
        }
        let Some(objective) = objectives.get(name) else { continue };
        let what = format_args!("{what}.{name}");
        let bounds = match (&objective.kind, &entry.value.kind) {
            (ObjectiveKind::Budget { .. }, Kind::Map(_)) => {
                reader.table(&entry.value, what, keys::BUDGET_BOUNDS);
                bounds_in(reader, &entry.value, what, &objective.kind)
            }
            (ObjectiveKind::Budget { .. }, _) => {
                let message = format!("{what} is {}, and a budget has two bounds", entry.value.described());
                reader.refuse(
                    entry.value.at,
                    message,
                    "say which: {target: \"0.9995\"} or {max_burn: \"6\"}",
                );
                continue;
            }
            (kind, _) => Bounds { limit: limit(reader, &entry.value, what, kind), target: None },
        };
        all.insert(name.to_owned(), bounds);
    }
    all
}

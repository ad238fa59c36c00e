//! What is asked of tenants' own endpoints.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::reader::Reader;
use crate::policy::amount::{ONE, Unit};
use crate::policy::file::{Bounds, GapKey, Layer, Objective, ObjectiveKind, PolicyFile};
use crate::policy::place::{Place, Placed};
use crate::policy::probing::{Probe, Probing};
use crate::policy::tree::{Kind, Node};
use crate::probe::{BACKOFF_BASE, BACKOFF_CAP, BodyMatch, UrlTemplate};

/// The longest and the shortest deadline of one try.
const TIMEOUTS: (u64, u64) = (1_000, 3600 * ONE);
const DEFAULT_TRIES: u64 = 3;
const MOST_TRIES: u64 = 10;

/// Reads how tenants are probed, out of `decision`.
pub(super) fn probing(reader: &mut Reader, node: &Node<'_>) -> Probing {
    let mut probing = Probing::default();
    for (key, unit, range, slot) in [
        ("max_in_flight", Unit::Count, (1, 10_000), &mut probing.max_in_flight),
        ("tenant_batch_size", Unit::Count, (1, 1000), &mut probing.batch_size),
        ("timeout_per_tenant_check", Unit::Micros, TIMEOUTS, &mut probing.budget),
    ] {
        let Some(node) = node.get(key) else { continue };
        if let Some(read) = reader.within(node, format_args!("decision.{key}"), unit, range) {
            *slot = read.value;
        }
    }
    probing
}

/// Reads an objective of kind `probe`; a `timeout` of zero stands for none until [`settle`].
pub(super) fn probe(reader: &mut Reader, node: &Node<'_>, what: fmt::Arguments<'_>) -> Option<ObjectiveKind> {
    let url = reader.needed(node, "url", what).and_then(|node| url(reader, node, what));
    let expect = node.get("expect").map_or_else(|| Some(vec![200]), |node| expect(reader, node, what));
    let body = node.get("body").map_or_else(|| Some(Vec::new()), |node| body(reader, node, what));
    let mut amount = |key: &str, unit, range, fallback| match node.get(key) {
        None => Some(fallback),
        Some(node) => {
            reader.within(node, format_args!("{key} of {what}"), unit, range).map(|read| read.value)
        }
    };
    let timeout = amount("timeout", Unit::Micros, TIMEOUTS, 0);
    let tries = amount("tries", Unit::Count, (1, MOST_TRIES), DEFAULT_TRIES);
    let ca_file = node.get("ca_file").and_then(|node| reader.text(node, format_args!("ca_file of {what}")));
    let ca_file = ca_file.map(|file| file.value);
    let probe = Probe { url: url?, expect: expect?, body: body?, timeout: timeout?, tries: tries?, ca_file };
    Some(ObjectiveKind::Probe(Box::new(probe)))
}

fn url(reader: &mut Reader, node: &Node<'_>, what: fmt::Arguments<'_>) -> Option<UrlTemplate> {
    let text = reader.text(node, format_args!("url of {what}"))?.value;
    match text.parse() {
        Ok(url) => Some(url),
        Err(why) => {
            let remedy = "write http(s)://host/path with {tenant} where the tenant's name belongs, in quotes";
            // A password that stands where none may is not repeated.
            let shown = if text.contains('@') { "…".to_owned() } else { node.described() };
            reader.refuse(node.at, format!("url of {what} is {shown}: {why}"), remedy);
            None
        }
    }
}

fn expect(reader: &mut Reader, node: &Node<'_>, what: fmt::Arguments<'_>) -> Option<Vec<u16>> {
    let what = format_args!("expect of {what}");
    let items = match &node.kind {
        Kind::List(items) if !items.is_empty() => items.as_slice(),
        Kind::List(_) => {
            reader.refuse(node.at, format!("{what} is empty"), "name a status: 200");
            return None;
        }
        _ => std::slice::from_ref(node),
    };
    let mut all = Vec::new();
    for item in items {
        // A status below 200 is not an answer yet.
        let status = reader.within(item, what, Unit::Count, (200, 599))?.value;
        all.extend(u16::try_from(status));
    }
    all.sort_unstable();
    all.dedup();
    Some(all)
}

fn body(reader: &mut Reader, node: &Node<'_>, what: fmt::Arguments<'_>) -> Option<Vec<BodyMatch>> {
    let mut all = Vec::new();
    for entry in reader.entries(node, format_args!("body of {what}")) {
        let pointer = entry.key.as_ref();
        let escapes = pointer.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        if !(pointer.is_empty() || pointer.starts_with('/')) || !escapes {
            let message = format!("{pointer:?} in the body of {what} is no JSON pointer");
            reader.refuse(entry.at, message, "write the way to the value: /status, /checks/0/ok");
            return None;
        }
        let value = scalar(reader, &entry.value, format_args!("{pointer} in the body of {what}"))?;
        all.push(BodyMatch { pointer: pointer.to_owned(), value });
    }
    all.sort_by(|a, b| a.pointer.cmp(&b.pointer));
    Some(all)
}

/// A value of JSON without lists, tables and fractions.
fn scalar(reader: &mut Reader, node: &Node<'_>, what: fmt::Arguments<'_>) -> Option<Value> {
    let (text, quoted) = match &node.kind {
        Kind::Scalar { text, quoted } => (text.as_ref(), *quoted),
        _ => {
            let message = format!("{what} is {}", node.described());
            reader.refuse(node.at, message, "name one value: text, a whole number, true, false or null");
            return None;
        }
    };
    Some(match text {
        _ if quoted => text.into(),
        "true" => true.into(),
        "false" => false.into(),
        _ if node.is_null() => Value::Null,
        _ => match text.parse::<i64>() {
            Ok(number) if number.unsigned_abs() <= 1 << 53 => number.into(),
            Err(_) if text.parse::<f64>().is_err() => text.into(),
            _ => {
                let message =
                    format!("{what} is {}, a number that is not compared exactly", node.described());
                reader.refuse(node.at, message, "name a whole number, or text in quotes");
                return None;
            }
        },
    })
}

/// Fills in what depends on the whole file: the deadline of a try, and the limit of a probe without one.
pub(super) fn settle(objectives: &mut BTreeMap<String, Objective>, probing: Probing) {
    for objective in objectives.values_mut() {
        let at = objective.at;
        let ObjectiveKind::Probe(probe) = &mut objective.kind else { continue };
        if probe.timeout == 0 {
            let left = probing.budget.saturating_sub(pauses(probe.tries));
            probe.timeout = (left / probe.tries).max(1);
        }
        let limit = Placed { value: probe.timeout, at };
        let bounds = &mut objective.bounds;
        *bounds = Bounds { limit: bounds.limit.take().or(Some(limit)), target: None };
    }
}

/// The pauses between so many tries.
fn pauses(tries: u64) -> u64 {
    (1..tries).map(|n| BACKOFF_BASE.saturating_mul(1 << (n - 1)).min(BACKOFF_CAP)).sum()
}

/// Checks what must fit together: deadlines, and every tenant's name with every URL.
pub(super) fn check(reader: &mut Reader, file: &PolicyFile) {
    let budget = file.decision.probing.budget;
    let mut probes = 0;
    for (name, objective) in &file.objectives {
        let ObjectiveKind::Probe(probe) = &objective.kind else { continue };
        probes += 1;
        let (show, at) = (|time| Unit::Micros.show(time), objective.at);
        let pauses = pauses(probe.tries);
        let remedy = "lower `tries` or `timeout`, or raise `timeout_per_tenant_check`";
        if probe.timeout > budget || pauses >= budget {
            let message = format!(
                "objective {name}: {} tries of {} with pauses of {} do not fit into {} a tenant",
                probe.tries,
                show(probe.timeout),
                show(pauses),
                show(budget)
            );
            reader.refuse(at, message, remedy);
        }
        for (tenant, entry) in &file.tenants {
            if let Err(why) = probe.url.endpoint(tenant) {
                let message =
                    format!("tenants.{tenant} does not fit into the url of objective {name}: {why}");
                reader.refuse(entry.at, message, "write a `url` in which every tenant's name can stand");
            }
        }
        limits(reader, file, name, probe.timeout);
    }
    if probes == 0 {
        passing(reader, file);
    }
}

/// An answer after the deadline is none: no limit can be later.
fn limits(reader: &mut Reader, file: &PolicyFile, name: &str, timeout: u64) {
    let layers = file.tiers.values().map(|tier| &tier.layer);
    let layers = layers.chain(file.tenants.values().map(|tenant| &tenant.layer));
    let own = file.objectives.get(name).map(|objective| &objective.bounds);
    let all = own.into_iter().chain(layers.filter_map(|layer| layer.objectives.get(name)));
    for limit in all.filter_map(|bounds| bounds.limit.as_ref()).filter(|limit| limit.value > timeout) {
        let (limit_is, most) = (Unit::Micros.show(limit.value), Unit::Micros.show(timeout));
        let message = format!("a limit of {limit_is} of objective {name} is beyond its timeout of {most}");
        reader.refuse(limit.at, message, format!("take {most} or less, or raise `timeout`"));
    }
}

/// Nothing passes for a probe's sake where there is none.
fn passing(reader: &mut Reader, file: &PolicyFile) {
    let of = |layer: &Layer| layer.gap.get(GapKey::NoTraffic).cloned();
    let tiers = file.tiers.values().filter_map(|tier| of(&tier.layer));
    let tenants = file.tenants.values().filter_map(|tenant| of(&tenant.layer));
    let own = file.gap.get(GapKey::NoTraffic).cloned();
    let all: Vec<Place> =
        own.into_iter().chain(tiers).chain(tenants).filter(|set| set.value > 0).map(|set| set.at).collect();
    for at in all {
        let message =
            "no_traffic is \"pass\", and no objective is a probe: nothing shows that a tenant is well";
        reader.refuse(at, message, "add an objective of kind `probe`, or write `hold`");
    }
}

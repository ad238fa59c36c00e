//! From a text to a [`PolicyFile`], or to everything that is wrong with it.

mod check;
mod datadog;
mod layers;
mod objectives;
mod probes;
mod reader;
mod sources;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use self::reader::Reader;
pub(in crate::policy) use self::sources::{DEFAULT_SCRAPE, DEFAULT_TIMEOUT};
use super::amount::{ONE, Unit};
use super::file::{Decision, PolicyFile, Windows};
use super::keys;
use super::place::{Place, Placed, PolicyError};
use super::probing::Probing;
use super::tree::{self, Node};

/// The version of the file's form.
const VERSION: &str = "sla/v1";
/// The label when the file names none.
const TENANT_LABEL: &str = "tenant";
const DEFAULT_SHORT: u64 = 5 * 60 * ONE;
const DEFAULT_LONG: u64 = 60 * 60 * ONE;
const DEFAULT_THRESHOLD: u64 = 950_000;
const DEFAULT_BREACHED: u64 = 3;
/// The longest window that is asked for: a day.
const LONGEST: u64 = 24 * 3600 * ONE;

/// Reads a policy; `file` is how messages name it.
///
/// # Errors
/// Everything that is wrong with it, whatever day it is: what has expired is [`super::Policy::lapsed`].
pub fn read(text: &str, file: &str) -> Result<PolicyFile, PolicyError> {
    let failed = |problems| PolicyError { file: file.to_owned(), problems };
    let root = tree::document(text).map_err(|problem| failed(vec![problem]))?;
    let mut reader = Reader::default();
    let read = whole(&mut reader, &root, file);
    if let Some(read) = &read {
        check::check(&mut reader, read);
    }
    let mut problems = reader.problems;
    problems.sort_by_key(|problem| problem.at);
    match read {
        Some(read) if problems.is_empty() => Ok(read),
        _ => Err(failed(problems)),
    }
}

fn whole(reader: &mut Reader, root: &Node<'_>, file: &str) -> Option<PolicyFile> {
    reader.table(root, format_args!("the file"), keys::TOP);
    version(reader, root);
    let label = root.get("tenant_label").and_then(|node| reader.label(node, format_args!("tenant_label")));
    let read_sources = sources::sources(reader, root);
    let windows = windows(reader, root);
    let mut read_objectives = objectives::objectives(reader, root);
    let hard_limits = root
        .get("hard_limits")
        .map(|node| objectives::overrides(reader, node, format_args!("hard_limits"), &read_objectives));
    let gap = root.get("gap").map(|node| layers::gap(reader, node, format_args!("gap"))).unwrap_or_default();
    let tiers = layers::tiers(reader, root, &read_objectives);
    let decision = decision(reader, root, &tiers);
    probes::settle(&mut read_objectives, decision.probing);
    let tenants = layers::tenants(reader, root, &read_objectives);
    // Without these nothing else can be checked, and their own problems have been told.
    let complete = !read_sources.is_empty() && !read_objectives.is_empty();
    complete.then(|| PolicyFile {
        file: file.to_owned(),
        tenant_label: label.unwrap_or_else(|| TENANT_LABEL.to_owned()),
        sources: read_sources,
        windows,
        objectives: read_objectives,
        gap,
        decision,
        hard_limits: hard_limits.unwrap_or_default(),
        tiers,
        tenants,
    })
}

fn version(reader: &mut Reader, root: &Node<'_>) {
    let Some(node) = reader.needed(root, "version", format_args!("the file")) else { return };
    if node.text() != Some(VERSION) {
        let message = format!("version is {}, which is not read", node.described());
        reader.refuse(node.at, message, format!("write `version: {VERSION}`"));
    }
}

fn windows(reader: &mut Reader, root: &Node<'_>) -> Windows {
    let mut windows = Windows { short: DEFAULT_SHORT, long: DEFAULT_LONG };
    let Some(node) = root.get("windows") else { return windows };
    reader.table(node, format_args!("windows"), keys::WINDOWS);
    for (key, window) in [("short", &mut windows.short), ("long", &mut windows.long)] {
        let Some(node) = node.get(key) else { continue };
        let what = format_args!("windows.{key}");
        if let Some(read) = reader.within(node, what, Unit::Micros, (ONE, LONGEST)) {
            *window = read.value;
        }
    }
    if windows.long < windows.short {
        let message = format!(
            "windows.long ({}) is shorter than windows.short ({})",
            Unit::Micros.show(windows.long),
            Unit::Micros.show(windows.short)
        );
        reader.refuse(node.at, message, "make the long one the longer one");
    }
    windows
}

fn decision<T>(reader: &mut Reader, root: &Node<'_>, tiers: &BTreeMap<String, T>) -> Decision {
    let mut decision = Decision {
        rollback_threshold: DEFAULT_THRESHOLD,
        veto_tiers: Vec::new(),
        max_breached_tenants: DEFAULT_BREACHED,
        probing: Probing::default(),
    };
    let Some(node) = root.get("decision") else { return decision };
    reader.table(node, format_args!("decision"), keys::DECISION);
    decision.probing = probes::probing(reader, node);
    if let Some(node) = node.get("rollback_threshold") {
        let what = format_args!("decision.rollback_threshold");
        if let Some(read) = reader.within(node, what, Unit::Ppm, (1, ONE)) {
            decision.rollback_threshold = read.value;
        }
    }
    if let Some(node) = node.get("max_breached_tenants") {
        let what = format_args!("decision.max_breached_tenants");
        if let Some(read) = reader.amount(node, what, Unit::Count) {
            decision.max_breached_tenants = read.value;
        }
    }
    if let Some(node) = node.get("veto_tiers") {
        for Placed { value, at } in reader.names(node, format_args!("decision.veto_tiers")) {
            if known(reader, at, "the tier", &value, tiers) && !decision.veto_tiers.contains(&value) {
                decision.veto_tiers.push(value);
            }
        }
        decision.veto_tiers.sort();
    }
    decision
}

/// Whether there is something of that name; told when not.
fn known<T>(reader: &mut Reader, at: Place, what: &str, name: &str, all: &BTreeMap<String, T>) -> bool {
    let there = all.contains_key(name);
    if !there {
        let names: Vec<&str> = all.keys().map(String::as_str).collect();
        if names.is_empty() {
            reader.refuse(at, format!("{what} `{name}` is not in the file"), "the file has none");
        } else {
            reader.unknown(at, format_args!("{what} `{}`", tree::shortened(name)), name, &names);
        }
    }
    there
}

//! What differs between schemas, object by object, in words.

use std::collections::BTreeMap;

use super::SchemaLines;

/// One fact in which a schema differs from others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The kind of the object (`column`).
    pub kind: String,
    /// The object (`users.created_at`).
    pub object: String,
    /// What others have, in words.
    pub expected: String,
    /// What this one has, in words.
    pub found: String,
    /// Both in one phrase (`users.created_at is bigint, 7 others timestamptz`).
    pub text: String,
}

/// A schema of some size: its lines and how many have the same.
pub(crate) type Sized<'a> = (&'a SchemaLines, usize);

/// How `odd` differs from `usual`; `all` counts who has the usual value. An object that is there or not is one difference; what
/// hangs on it (a table's columns, keys and indexes) is not told again.
#[must_use]
pub fn differences(odd: &SchemaLines, usual: &SchemaLines, all: &[Sized<'_>]) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut told: Vec<String> = Vec::new();
    let keys: std::collections::BTreeSet<_> = odd.objects.keys().chain(usual.objects.keys()).collect();
    let mut keys: Vec<_> = keys.into_iter().collect();
    keys.sort_by_key(|(kind, object)| (rank(kind), kind.clone(), object.clone()));
    for key in keys {
        let (kind, object) = key;
        let owner = object.split('.').next().unwrap_or(object);
        if kind != "relation" && told.iter().any(|name| name == owner || name == object) {
            continue;
        }
        match (odd.objects.get(key), usual.objects.get(key)) {
            (None, Some(_)) => {
                told.push(object.clone());
                found.push(presence(key, false, count(all, |lines| lines.objects.contains_key(key))));
            }
            (Some(_), None) => {
                told.push(object.clone());
                found.push(presence(key, true, count(all, |lines| !lines.objects.contains_key(key))));
            }
            (Some(ours), Some(theirs)) if ours != theirs => {
                // A table with other columns has them in another order, too; that is told by the columns.
                if kind == "columns" && !same_columns(ours, theirs) {
                    continue;
                }
                found.extend(facts(key, ours, theirs, all));
            }
            _ => {}
        }
    }
    found
}

fn rank(kind: &str) -> usize {
    ["relation", "column", "constraint"].iter().position(|known| *known == kind).unwrap_or(3)
}

fn count(all: &[Sized<'_>], has: impl Fn(&SchemaLines) -> bool) -> usize {
    all.iter().filter(|(lines, _)| has(lines)).map(|(_, size)| size).sum()
}

fn same_columns(ours: &BTreeMap<String, String>, theirs: &BTreeMap<String, String>) -> bool {
    let sorted = |facts: &BTreeMap<String, String>| {
        let mut names: Vec<_> =
            facts.get("order").map(|order| order.split(',').map(str::to_owned).collect()).unwrap_or_default();
        names.sort();
        names
    };
    sorted(ours) == sorted(theirs)
}

fn presence((kind, object): &(String, String), here: bool, others: usize) -> Difference {
    let what = named(kind, object);
    let (expected, found) = if here { ("none", "there") } else { ("there", "missing") };
    let text = match (here, others) {
        (true, n) => format!("{what} is there, {} without it", n_others(n)),
        (false, n) => format!("{what} is missing, {} with it", n_others(n)),
    };
    Difference {
        kind: kind.clone(),
        object: object.clone(),
        expected: expected.to_owned(),
        found: found.to_owned(),
        text,
    }
}

fn facts<'a>(
    key: &'a (String, String),
    ours: &'a BTreeMap<String, String>,
    theirs: &'a BTreeMap<String, String>,
    all: &'a [Sized<'a>],
) -> impl Iterator<Item = Difference> + 'a {
    let names: std::collections::BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
    let mut names: Vec<_> = names.into_iter().collect();
    // What decides the others comes first.
    names.sort_by_key(|name| *name != "type");
    names.into_iter().filter(|name| ours.get(*name) != theirs.get(*name)).map(move |name| {
        let (kind, object) = key;
        let (mine, usual) = (ours.get(name), theirs.get(name));
        let others = count(all, |lines| lines.objects.get(key).is_some_and(|facts| facts.get(name) == usual));
        let (found, expected) = (value(name, mine), value(name, usual));
        let what = named(kind, object);
        let text = match (kind.as_str(), name.as_str()) {
            ("column" | "domain", "type") => format!("{what} is {found}, {} {expected}", n_others(others)),
            ("function", "body") => format!("{what} has another body than {}", n_others(others)),
            (_, fact) => format!("{what}: {fact} is {found}, {} {expected}", n_others(others)),
        };
        Difference { kind: kind.clone(), object: object.clone(), expected, found, text }
    })
}

/// An object as people call it; columns and tables need no kind.
fn named(kind: &str, object: &str) -> String {
    match kind {
        "column" => object.to_owned(),
        "relation" => format!("relation {object}"),
        "columns" => format!("the columns of {object}"),
        "grants" => format!("the grants on {object}"),
        _ => format!("{kind} {object}"),
    }
}

fn n_others(n: usize) -> String {
    if n == 1 { "1 other".to_owned() } else { format!("{n} others") }
}

/// A value in the words that PostgreSQL's users have for it.
fn value(fact: &str, value: Option<&String>) -> String {
    let Some(value) = value else {
        return "none".to_owned();
    };
    match fact {
        "type" => short_type(value),
        "enabled" => if value == "D" { "no" } else { "yes" }.to_owned(),
        "persistence" => match value.as_str() {
            "u" => "unlogged",
            "t" => "temporary",
            _ => "permanent",
        }
        .to_owned(),
        "volatility" => match value.as_str() {
            "i" => "immutable",
            "s" => "stable",
            _ => "volatile",
        }
        .to_owned(),
        _ => value.clone(),
    }
}

/// The short name of a type (`timestamptz`), as sources and people write it.
fn short_type(name: &str) -> String {
    if let Some(rest) = name.strip_prefix("character varying") {
        return format!("varchar{rest}");
    }
    for (zone, short) in [(" with time zone", "tz"), (" without time zone", "")] {
        if let Some(head) = name.strip_suffix(zone) {
            return match head.split_once('(') {
                Some((base, precision)) => format!("{base}{short}({precision}"),
                None => format!("{head}{short}"),
            };
        }
    }
    name.to_owned()
}

#[cfg(test)]
mod tests;

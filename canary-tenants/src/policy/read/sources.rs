//! Where the metrics are.

use std::collections::BTreeMap;

use super::datadog;
use super::reader::Reader;
use crate::policy::amount::{ONE, Unit};
use crate::policy::file::{Source, SourceKind};
use crate::policy::keys;
use crate::policy::tree::{Kind, Node};

/// How often a source scrapes where its entry does not say.
pub(in crate::policy) const DEFAULT_SCRAPE: u64 = 30 * ONE;
/// The deadline of one request where a source's entry does not say.
pub(in crate::policy) const DEFAULT_TIMEOUT: u64 = 10 * ONE;
/// The longest interval and deadline: ten minutes.
const LONGEST: u64 = 600 * ONE;

/// Reads `sources`.
pub(super) fn sources(reader: &mut Reader, root: &Node<'_>) -> Vec<Source> {
    let Some(node) = reader.needed(root, "sources", format_args!("the file")) else { return Vec::new() };
    let Kind::List(items) = &node.kind else {
        reader.refuse(
            node.at,
            format!("sources is {}, not a list", node.described()),
            "write a list: - {name: …, kind: …, url: …}",
        );
        return Vec::new();
    };
    if items.is_empty() {
        reader.refuse(node.at, "sources is empty", "name at least one");
    }
    let mut all: Vec<Source> = Vec::new();
    for item in items {
        let Some(source) = source(reader, item) else { continue };
        if let Some(other) = all.iter().find(|other| other.name == source.name) {
            let message = format!("the source `{}` is there twice; first at {}", source.name, other.at);
            reader.refuse(source.at, message, "give each a name of its own");
        } else {
            all.push(source);
        }
    }
    all
}

fn source(reader: &mut Reader, node: &Node<'_>) -> Option<Source> {
    let open: Vec<&str> = keys::SOURCE.iter().chain(keys::SECRETS).copied().collect();
    reader.table(node, format_args!("a source"), &open);
    datadog::no_secrets(reader, node);
    let name = reader.needed(node, "name", format_args!("a source"))?;
    let name = reader
        .text(name, format_args!("a source's name"))
        .filter(|n| reader.own_name(&n.value, n.at, "a source"))?;
    let name = name.value;
    let kind = reader.needed(node, "kind", format_args!("source {name}"))?;
    let kind = reader.word(kind, format_args!("the kind of source {name}"), keys::SOURCE_KINDS)?;
    let url = if kind == "datadog" {
        datadog::site(reader, node, &name)?
    } else {
        datadog::nothing_of_it(reader, node, &name);
        let url = reader.needed(node, "url", format_args!("source {name}"))?;
        url_of(reader, url, &name)?
    };
    let kind = kind_of(reader, node, &kind, &name)?;
    replica(reader, node, &name);
    let time = |reader: &mut Reader, key: &str, fallback: u64| {
        let Some(node) = node.get(key) else { return fallback };
        let read = reader.within(node, format_args!("{key} of source {name}"), Unit::Micros, (ONE, LONGEST));
        read.map_or(fallback, |read| read.value)
    };
    let (scrape, timeout) =
        (time(reader, "scrape", DEFAULT_SCRAPE), time(reader, "timeout", DEFAULT_TIMEOUT));
    let label = node.get("tenant_label");
    let label = label.and_then(|node| reader.label(node, format_args!("tenant_label of source {name}")));
    let token = node.get("bearer_token_file");
    let token = token.and_then(|node| reader.text(node, format_args!("bearer_token_file of source {name}")));
    Some(Source {
        label_map: label_map(reader, node, &name),
        name,
        at: node.at,
        kind,
        url,
        scrape,
        timeout,
        tenant_label: label,
        bearer_token_file: token.map(|token| token.value),
    })
}

fn kind_of(reader: &mut Reader, node: &Node<'_>, kind: &str, name: &str) -> Option<SourceKind> {
    let org_id = node.get("org_id");
    if let ("prometheus" | "thanos" | "datadog", Some(org)) = (kind, org_id) {
        reader.refuse(org.at, format!("org_id of source {name}, which is no mimir"), "leave it out");
    }
    Some(match kind {
        "thanos" => SourceKind::Thanos,
        "datadog" => SourceKind::Datadog { keys: datadog::keys_from(reader, node, name)? },
        "mimir" => {
            let org_id = reader.needed(node, "org_id", format_args!("source {name}, a mimir,"))?;
            let text = reader.text(org_id, format_args!("org_id of source {name}"))?.value;
            if !text.bytes().all(|b| b.is_ascii_graphic()) {
                let message = format!("org_id of source {name} is {}", org_id.described());
                reader.refuse(
                    org_id.at,
                    message,
                    "it goes into a header: letters, digits and signs, several joined by |",
                );
                return None;
            }
            SourceKind::Mimir { org_id: text }
        }
        _ => SourceKind::Prometheus,
    })
}

fn url_of(reader: &mut Reader, node: &Node<'_>, name: &str) -> Option<String> {
    let text = reader.text(node, format_args!("url of source {name}"))?.value;
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let Some(host) = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).filter(|host| !host.is_empty())
    else {
        let message = format!("url of source {name} is {}", node.described());
        reader.refuse(node.at, message, "write it whole: http://prometheus:9090");
        return None;
    };
    if host.contains('@') {
        // Not shown: what stands before the @ is a secret.
        let remedy = "take them out of the file, and give a token by bearer_token_file";
        reader.refuse(node.at, format!("url of source {name} has credentials in it"), remedy);
        return None;
    }
    Some(text)
}

fn replica(reader: &mut Reader, node: &Node<'_>, name: &str) {
    let Some(node) = node.get("replica") else { return };
    if node.text() != Some("none") {
        let message = format!("replica of source {name} is {}, which is not supported yet", node.described());
        reader.refuse(
            node.at,
            message,
            "ask one replica, or a querier that takes duplicates out; write `replica: none`",
        );
    }
}

fn label_map(reader: &mut Reader, node: &Node<'_>, name: &str) -> BTreeMap<String, String> {
    let Some(node) = node.get("label_map") else { return BTreeMap::new() };
    let mut map = BTreeMap::new();
    for entry in reader.entries(node, format_args!("label_map of source {name}")) {
        let Some(tenant) = reader.text(&entry.value, format_args!("a tenant in label_map of source {name}"))
        else {
            continue;
        };
        if reader.tenant_name(&tenant.value, tenant.at) {
            map.insert(entry.key.clone().into_owned(), tenant.value);
        }
    }
    map
}

//! A configuration file with every setting in it: what somebody said as it is, the rest commented out.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use canary_core::analysis::Role;
use canary_core::fleet::NodeId;
use canary_core::spec::{Bound, SliJudging, WatchSubject};

use super::Settings;
use super::file::Measured;
use super::kind::{Kind, Value};
use super::origin::Origin;
use super::table::{Fallback, Key, SETTINGS, Setting};
use crate::backend::{haproxy_incus, local};

/// The file for these settings and nodes.
///
/// What belongs to one release alone (its binary, who ships it and why) is taken from a file only. Relative paths
/// start at `start`, where that is not the directory of the file.
pub(crate) fn template(
    settings: &Settings,
    canary: &NodeId,
    peers: &[NodeId],
    start: Option<&Path>,
) -> String {
    let mut text = String::new();
    let mut section = "";
    // What lies outside all sections must stand before the first of them.
    let (above, below): (Vec<&Setting>, Vec<&Setting>) =
        SETTINGS.iter().partition(|setting| setting.section().is_empty());
    let other = |setting: &&Setting| {
        !belongs(settings.backend.name(), setting) && !settings.layers.is_written(setting.id)
    };
    for setting in above.into_iter().chain(below).filter(|setting| !other(setting)) {
        if setting.section() != section {
            section = setting.section();
            // proof: writing to a string cannot fail.
            let _ = write!(text, "\n[{section}]\n");
        }
        let value = found(settings, canary, peers, start, setting.id);
        entry(&mut text, setting, value.as_ref());
    }
    indicators(&mut text, settings);
    text
}

/// Whether a setting has anything to say to a kind of fleet.
fn belongs(backend: &str, setting: &Setting) -> bool {
    match (setting.section(), setting.id) {
        ("haproxy" | "incus", _) => backend == haproxy_incus::NAME,
        ("local", _) => backend == local::NAME,
        (_, Key::InstallDir | Key::BinaryName | Key::Unit | Key::HealthPort) => backend != local::NAME,
        _ => true,
    }
}

/// A setting's value where there is one to write.
fn found(
    settings: &Settings,
    canary: &NodeId,
    peers: &[NodeId],
    start: Option<&Path>,
    key: Key,
) -> Option<Value> {
    let value = match key {
        Key::Canary => Some(Value::Node(canary.clone())),
        Key::Peers => Some(Value::Nodes(peers.to_vec())),
        Key::Pool => settings.layers.resolved(Key::Pool).value.clone(),
        key @ (Key::Artifact | Key::Actor | Key::Reason | Key::ForceMigrate)
            if !matches!(settings.layers.origin(key), Origin::File { .. }) =>
        {
            None
        }
        key if settings.layers.is_written(key) => settings.layers.resolved(key).value.clone(),
        _ => None,
    };
    match (value, start) {
        (Some(Value::File(path)), Some(start)) => Some(Value::File(start.join(path))),
        (value, _) => value,
    }
}

/// The settings that [`template`] would not comment out, for programs; variables of processes without their values.
pub(crate) fn found_as_json(
    settings: &Settings,
    canary: &NodeId,
    peers: &[NodeId],
    start: Option<&Path>,
) -> serde_json::Value {
    let entries = SETTINGS.iter().filter_map(|setting| {
        let value = found(settings, canary, peers, start, setting.id)?;
        let json = match &value {
            Value::Flag(yes) => (*yes).into(),
            Value::Count(count) => (*count).into(),
            Value::Assignments(all) => all.0.keys().cloned().collect(),
            Value::Budgets(all) => {
                all.iter().map(|(kind, time)| (kind.to_string(), json_time(*time))).collect()
            }
            value if setting.kind.is_list() => value.texts().into(),
            Value::Number(_) | Value::Ratio(_) => {
                serde_json::from_str(&value.to_string()).unwrap_or_else(|_| value.to_string().into())
            }
            value => value.to_string().into(),
        };
        Some((setting.key.to_owned(), json))
    });
    serde_json::Value::Object(entries.collect())
}

fn json_time(time: Duration) -> serde_json::Value {
    humantime::format_duration(time).to_string().into()
}

/// One setting: its help, and its line.
fn entry(text: &mut String, setting: &Setting, value: Option<&Value>) {
    let _ = writeln!(text, "# {}", setting.help.trim());
    let _ = match (value, setting.fallback) {
        (Some(Value::Budgets(all)), _) => {
            let time = |time: &Duration| quoted(&humantime::format_duration(*time).to_string());
            let all: Vec<_> = all.iter().map(|(kind, budget)| format!("{kind} = {}", time(budget))).collect();
            writeln!(text, "{} = {{ {} }}", setting.name(), all.join(", "))
        }
        (Some(value), _) if setting.kind.is_list() => {
            let texts: Vec<_> = value.texts().iter().map(|text| quoted(text)).collect();
            writeln!(text, "{} = [{}]", setting.name(), texts.join(", "))
        }
        (Some(value), _) => {
            writeln!(text, "{} = {}", setting.name(), written(&setting.kind, &value.to_string()))
        }
        (None, Fallback::Unset) => writeln!(text, "# {} =", setting.name()),
        (None, Fallback::Computed(how)) => writeln!(text, "# {} =  # otherwise: {how}", setting.name()),
        (None, fallback) => {
            let default = fallback.text().unwrap_or_default();
            writeln!(text, "# {} = {}", setting.name(), written(&setting.kind, &default))
        }
    };
}

/// A value as TOML has it.
fn written(kind: &Kind, value: &str) -> String {
    match kind {
        Kind::Flag | Kind::Count { .. } | Kind::Seconds | Kind::Ratio | Kind::Part { .. } => value.to_owned(),
        Kind::Nodes | Kind::Percents => {
            let names: Vec<_> = value.split_whitespace().map(quoted).collect();
            format!("[{}]", names.join(", "))
        }
        _ => quoted(value),
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// The indicators of a file that was read.
fn indicators(text: &mut String, settings: &Settings) {
    for sli in &settings.layers.slis {
        let _ = writeln!(text, "\n[[sli]]\nname = {}", quoted(&sli.name));
        if let Some((measured, bound)) = &sli.own {
            indicator(text, measured, *bound);
        }
        judging(text, &sli.judging);
    }
    if settings.layers.slis.is_empty() {
        text.push_str(
            "\n# Your own indicators, as many as you like.\n# [[sli]]\n# name = \"queue_depth\"\n\
             # promql = 'max(worker_queue_depth{instance=~\"$nodes\"})'\n# below = 1000\n",
        );
    }
}

/// What an indicator measures, and its bound.
fn indicator(text: &mut String, measured: &Measured, bound: Bound) {
    let _ = match measured {
        Measured::Expression(promql) => writeln!(text, "promql = {}", quoted(promql)),
        Measured::Latency { metric, quantile } => {
            writeln!(text, "latency_metric = {}\nquantile = {quantile}", quoted(metric.as_str()))
        }
        Measured::Errors { metric, status_label } => {
            let label = status_label.as_ref();
            let label =
                label.map_or_else(String::new, |l| format!("status_label = {}\n", quoted(l.as_str())));
            write!(text, "requests_metric = {}\n{label}", quoted(metric.as_str()))
        }
    };
    let (word, bound) = match bound {
        Bound::Below(bound) => ("below", bound),
        Bound::Above(bound) => ("above", bound),
    };
    let _ = writeln!(text, "{word} = {bound}");
}

/// What an indicator is to the judges, as far as it was said.
fn judging(text: &mut String, judging: &SliJudging) {
    let _ = match judging.role {
        Role::Weighted(1) => Ok(()),
        Role::Weighted(weight) => writeln!(text, "weight = {weight}"),
        Role::Critical => writeln!(text, "role = \"critical\""),
        Role::Advisory => writeln!(text, "role = \"advisory\""),
    };
    for (key, ratio) in [("margin", judging.margin), ("rules_out", judging.rules_out)] {
        let _ = ratio.map_or(Ok(()), |ratio| writeln!(text, "{key} = {ratio}"));
    }
    let _ = match judging.subject {
        None => Ok(()),
        Some(WatchSubject::Pool) => writeln!(text, "subject = \"pool\""),
        Some(WatchSubject::Canary) => writeln!(text, "subject = \"canary\""),
    };
}

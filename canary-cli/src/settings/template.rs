//! A configuration file with every setting in it: what somebody said as it is, the rest commented out.

use std::fmt::Write as _;
use std::path::Path;

use canary_core::fleet::NodeId;
use canary_core::spec::Bound;

use super::Settings;
use super::kind::{Kind, Value};
use super::origin::Origin;
use super::table::{Fallback, Key, SETTINGS, Setting};

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
    for setting in above.into_iter().chain(below) {
        if setting.section() != section {
            section = setting.section();
            // proof: writing to a string cannot fail.
            let _ = write!(text, "\n[{section}]\n");
        }
        let value = match setting.id {
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
        let value = match (value, start) {
            (Some(Value::File(path)), Some(start)) => Some(Value::File(start.join(path))),
            (value, _) => value,
        };
        entry(&mut text, setting, value.as_ref());
    }
    indicators(&mut text, settings);
    text
}

/// One setting: its help, and its line.
fn entry(text: &mut String, setting: &Setting, value: Option<&Value>) {
    let _ = writeln!(text, "# {}", setting.help.trim());
    let _ = match (value, setting.fallback) {
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
        Kind::Flag | Kind::Count { .. } | Kind::Seconds | Kind::Ratio => value.to_owned(),
        Kind::Nodes => {
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
        let (word, bound) = match sli.bound {
            Bound::Below(bound) => ("below", bound),
            Bound::Above(bound) => ("above", bound),
        };
        let (name, promql) = (quoted(&sli.name), quoted(&sli.promql));
        let _ = write!(text, "\n[[sli]]\nname = {name}\npromql = {promql}\n{word} = {bound}\n");
    }
    if settings.layers.slis.is_empty() {
        text.push_str(
            "\n# Your own indicators, as many as you like.\n# [[sli]]\n# name = \"queue_depth\"\n\
             # promql = 'max(worker_queue_depth{instance=~\"$nodes\"})'\n# below = 1000\n",
        );
    }
}

//! The environment variables: the runbook's, and `CANARY_…` for everything else.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::origin::Origin;
use super::raw::Gathered;
use super::suggest::nearest;
use super::table::{Key, SETTINGS};
use crate::error::Problem;

/// The variable that names the configuration file.
pub(crate) const CONFIG_FILE: &str = "CANARY_CONFIG";

/// Variables that begin with `CANARY_` and are no settings.
const OTHERS: [&str; 5] = [
    CONFIG_FILE,
    "CANARY_OUTPUT",
    "CANARY_NOTIFY_WEBHOOK_SECRET",
    "CANARY_NOTIFY_SLACK_URL",
    "CANARY_NOTIFY_CDEVENTS_TOKEN",
];

/// The lab's own variables, and those that kinds of fleets read themselves.
const LEFT_ALONE: [&str; 2] = ["CANARY_LAB", "CANARY_BACKEND_"];

/// Reads all variables of the table. An empty one counts as unset, but empty peers are no peers.
pub(super) fn read(variables: &BTreeMap<String, OsString>, gathered: &mut Gathered) {
    for setting in SETTINGS {
        let Some(value) = variables.get(setting.variable) else { continue };
        let Some(text) = value.to_str() else {
            let message = format!("environment variable {}: its value is not UTF-8 text", setting.variable);
            gathered.refuse(setting.id, Problem::new(message, "set it to plain text"));
            continue;
        };
        if text.is_empty() && setting.id != Key::Peers {
            continue;
        }
        gathered.read(setting, text, Origin::Variable(setting.variable));
    }
}

/// `CANARY_…` variables that nothing reads and that look like one that is read. Warnings, since others may use such
/// names too.
pub(super) fn unknown(variables: &BTreeMap<String, OsString>) -> Vec<String> {
    let names =
        || SETTINGS.iter().map(|s| s.variable).chain(OTHERS).filter(|name| name.starts_with("CANARY_"));
    variables
        .keys()
        .filter(|name| name.starts_with("CANARY_") && !LEFT_ALONE.iter().any(|start| name.starts_with(start)))
        .filter(|name| !names().any(|known| known == name.as_str()))
        .filter_map(|name| {
            let near = nearest(name, names())?;
            Some(format!("environment variable {name} is not read; did you mean {near}?"))
        })
        .collect()
}

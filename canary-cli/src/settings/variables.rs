//! The environment variables: the runbook's, and `CANARY_…` for everything else.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::origin::Origin;
use super::raw::Gathered;
use super::suggest::nearest;
use super::table::{Key, SETTINGS, Setting};
use crate::error::Problem;

/// The variable that names the configuration file.
pub(crate) const CONFIG_FILE: &str = "CANARY_CONFIG";

/// Variables that begin with `CANARY_` and are no settings.
const OTHERS: [&str; 6] = [
    CONFIG_FILE,
    "CANARY_OUTPUT",
    "CANARY_NOTIFY_WEBHOOK_SECRET",
    "CANARY_NOTIFY_SLACK_URL",
    "CANARY_NOTIFY_CDEVENTS_TOKEN",
    "CANARY_NOTIFY_ALERTMANAGER_TOKEN",
];

/// The lab's own variables, and those that kinds of fleets read themselves.
const LEFT_ALONE: [&str; 2] = ["CANARY_LAB", "CANARY_BACKEND_"];

/// Reads all variables of the table. An empty one counts as unset, but empty peers are no peers.
pub(super) fn read(variables: &BTreeMap<String, OsString>, gathered: &mut Gathered) {
    for setting in SETTINGS {
        let Some(value) = variables.get(setting.variable) else { continue };
        let Some(text) = value.to_str() else {
            if shared(setting) {
                continue;
            }
            let message = format!("environment variable {}: its value is not UTF-8 text", setting.variable);
            gathered.refuse(setting.id, Problem::new(message, "set it to plain text"));
            continue;
        };
        if text.is_empty() && setting.id != Key::Peers {
            continue;
        }
        if shared(setting) && setting.kind.read(text, true).is_err() {
            continue;
        }
        gathered.read(setting, text, Origin::Variable(setting.variable));
    }
}

/// Variables that other programs of the host read too: what is meant for those stops nothing here.
fn shared(setting: &Setting) -> bool {
    setting.variable.starts_with("OTEL_")
}

/// What is odd about the variables, and stops nothing.
pub(super) fn warnings(variables: &BTreeMap<String, OsString>) -> Vec<String> {
    let mut warnings = unknown(variables);
    if cfg!(feature = "otlp") {
        warnings.extend(unusable(variables));
    }
    warnings
}

/// Shared variables with values that are for others.
fn unusable(variables: &BTreeMap<String, OsString>) -> impl Iterator<Item = String> {
    SETTINGS.iter().filter(|setting| shared(setting)).filter_map(|setting| {
        let text = variables.get(setting.variable)?.to_str().filter(|text| !text.is_empty())?;
        let reason = setting.kind.read(text, true).err()?;
        Some(format!("environment variable {} is not used: {}", setting.variable, reason.why))
    })
}

/// `CANARY_…` variables that nothing reads and that look like one that is read. Warnings, since others may use such
/// names too.
fn unknown(variables: &BTreeMap<String, OsString>) -> Vec<String> {
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

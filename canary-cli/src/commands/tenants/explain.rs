//! `tenants explain`: every value that holds for a tenant, and the line that says so.

use std::path::Path;

use canary_tenants::policy::{Layer, Origin, Policy, Setting, Shown, TenantPolicy};
use serde_json::{Value, json};

use super::{lapsed, policy};
use crate::commands::Context;
use crate::error::CommandError;
use crate::render::{line, table};
use crate::settings::suggest::nearest;

pub(super) fn explain(cx: &Context<'_>, path: &Path, name: &str) -> Result<u8, CommandError> {
    let policy = policy(cx, path)?;
    let shown = path.display().to_string();
    let Some(tenant) = policy.tenants.get(name) else {
        let near = nearest(name, policy.tenants.keys().map(String::as_str));
        let hint = near.map_or_else(
            || "a tenant that metrics have and the file does not gets the file's defaults".to_owned(),
            |near| format!("did you mean {near}?"),
        );
        return Err(CommandError::usage(format!("{shown} has no tenant {name:?}"), hint));
    };
    if cx.screen.json() {
        cx.screen.line(line("tenant", json(&policy, &shown, name, tenant)));
        return Ok(0);
    }
    let paint = cx.screen.paint;
    cx.screen.line(heading(&shown, &policy, name, tenant));
    if let Some(exempt) = &tenant.exempt {
        let words = format!("  exempt to {}: {}  {shown}:{}", exempt.until, exempt.reason, exempt.at);
        cx.screen.line(paint.careful(&words));
    }
    let rows: Vec<Vec<String>> = policy.shown(tenant).iter().map(|value| row(&shown, value)).collect();
    cx.screen.lines(table::aligned(&rows));
    let sources = if tenant.sources.is_empty() {
        let all: Vec<_> = policy.file.sources.iter().map(|source| source.name.as_str()).collect();
        format!("one of {}", all.join(", "))
    } else {
        tenant.sources.join(", ")
    };
    cx.screen.line(format!("  sources  {sources}"));
    for words in exceptions(&policy, name, tenant) {
        cx.screen.line(format!("  {words}"));
    }
    for ended in concerned(&policy, name, tenant) {
        cx.screen.line(paint.careful(&format!("  {}", lapsed(&shown, ended).message)));
    }
    Ok(0)
}

fn heading(file: &str, policy: &Policy, name: &str, tenant: &TenantPolicy) -> String {
    let at =
        policy.file.tenants.get(name).map_or_else(String::new, |tenant| format!("  {file}:{}", tenant.at));
    let tier = match &tenant.tier {
        Some(tier) if tenant.veto => format!("tier {}, whose breach alone takes a release back", tier.value),
        Some(tier) => format!("tier {}", tier.value),
        None => "no tier".to_owned(),
    };
    format!("{name}  {tier}{at}")
}

fn row(file: &str, shown: &Shown<'_>) -> Vec<String> {
    let Shown { setting, unit, .. } = shown;
    let mut notes = Vec::new();
    let mut below = setting.over.as_deref();
    while let Some(over) = below {
        notes.push(format!("over {} ({})", unit.show(over.value), origin(file, over)));
        below = over.over.as_deref();
    }
    if let Some(hard) = shown.hard_limit {
        notes.push(format!("at most {} ({file}:{})", unit.show(hard.value), hard.at));
    }
    vec![format!("  {}", shown.key), unit.show(setting.value), origin(file, setting), notes.join(", ")]
}

fn origin(file: &str, setting: &Setting) -> String {
    match setting.origin.place() {
        Some(at) => format!("{} {file}:{at}", setting.origin),
        None => setting.origin.to_string(),
    }
}

/// The layers of a tenant: its tier's and its own.
fn layers<'p>(policy: &'p Policy, name: &str, tenant: &TenantPolicy) -> Vec<(String, &'p Layer)> {
    let tier = tenant.tier.as_ref().and_then(|tier| {
        policy.file.tiers.get(&tier.value).map(|found| (format!("tiers.{}", tier.value), &found.layer))
    });
    let own = policy.file.tenants.get(name).map(|own| (format!("tenants.{name}"), &own.layer));
    tier.into_iter().chain(own).collect()
}

fn exceptions(policy: &Policy, name: &str, tenant: &TenantPolicy) -> Vec<String> {
    let ended = |of: &str| policy.lapsed.iter().any(|lapsed| lapsed.of == of);
    layers(policy, name, tenant)
        .into_iter()
        .filter(|(of, _)| tenant.exempt.is_none() && !ended(of))
        .filter_map(|(of, layer)| {
            let (until, reason) = (layer.until.as_ref()?, layer.reason.as_ref()?);
            let ticket = layer.ticket.as_ref().map_or_else(String::new, |ticket| format!(" ({ticket})"));
            Some(format!("what {of} loosens holds to {}: {reason}{ticket}", until.value))
        })
        .collect()
}

/// The ended exceptions that this tenant had.
fn concerned<'p>(
    policy: &'p Policy,
    name: &str,
    tenant: &TenantPolicy,
) -> impl Iterator<Item = &'p canary_tenants::policy::Lapsed> {
    let of: Vec<_> = layers(policy, name, tenant).into_iter().map(|(of, _)| of).collect();
    policy.lapsed.iter().filter(move |lapsed| of.contains(&lapsed.of))
}

fn json(policy: &Policy, file: &str, name: &str, tenant: &TenantPolicy) -> Value {
    let place = |origin: Origin| origin.place().map(|at| json!({ "line": at.line, "column": at.column }));
    let values: Vec<Value> = policy
        .shown(tenant)
        .iter()
        .map(|shown| {
            json!({
                "key": shown.key,
                "value": shown.unit.show(shown.setting.value),
                "amount": shown.setting.value,
                "unit": shown.unit.to_string(),
                "origin": shown.setting.origin.to_string(),
                "at": place(shown.setting.origin),
                "hard_limit": shown.hard_limit.map(|hard| hard.value),
            })
        })
        .collect();
    json!({
        "file": file,
        "tenant": name,
        "tier": tenant.tier.as_ref().map(|tier| &tier.value),
        "veto": tenant.veto,
        "exempt": tenant.exempt.as_ref().map(|exempt| json!({ "reason": exempt.reason, "until": exempt.until.to_string() })),
        "sources": tenant.sources,
        "values": values,
        "lapsed": concerned(policy, name, tenant).map(|ended| &ended.of).collect::<Vec<_>>(),
    })
}

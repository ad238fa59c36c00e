//! `tenants diff`: for which tenants another policy changes what.

use std::path::Path;

use canary_tenants::policy::{Change, PolicyDiff};
use serde_json::{Value, json};

use super::policy;
use crate::commands::Context;
use crate::error::CommandError;
use crate::render::{line, table};

pub(super) fn diff(cx: &Context<'_>, from: &Path, to: &Path) -> Result<u8, CommandError> {
    let (a, b) = (policy(cx, from)?, policy(cx, to)?);
    let diff = PolicyDiff::between(&a, &b);
    if cx.screen.json() {
        cx.screen.line(line(
            "policy_diff",
            json!({
                "from": a.digest().to_string(),
                "to": b.digest().to_string(),
                "global": diff.global.iter().map(change).collect::<Vec<_>>(),
                "added": diff.added,
                "removed": diff.removed,
                "tenants": diff.tenants.iter()
                    .map(|(name, changes)| json!({ "tenant": name, "changes": changes.iter().map(change).collect::<Vec<_>>() }))
                    .collect::<Vec<_>>(),
            }),
        ));
        return Ok(0);
    }
    if diff.is_empty() {
        cx.screen.line("both decide alike");
        return Ok(0);
    }
    let mut rows = Vec::new();
    rows.extend(diff.global.iter().map(|change| row(cx, "everyone", change)));
    for (name, changes) in &diff.tenants {
        rows.extend(changes.iter().map(|change| row(cx, name, change)));
    }
    cx.screen.lines(table::aligned(&rows));
    for (word, names) in [("new", &diff.added), ("gone", &diff.removed)] {
        if !names.is_empty() {
            cx.screen.line(format!("{word}: {}", names.join(", ")));
        }
    }
    cx.screen.line(format!(
        "{} of {} tenant(s) of both changed",
        diff.tenants.len(),
        a.tenants.len() - diff.removed.len()
    ));
    Ok(0)
}

fn row(cx: &Context<'_>, who: &str, change: &Change) -> Vec<String> {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let word = match change.looser {
        Some(true) => cx.screen.paint.careful("looser"),
        Some(false) => cx.screen.paint.good("tighter"),
        None => String::new(),
    };
    vec![who.to_owned(), change.key.clone(), format!("{} -> {}", text(&change.from), text(&change.to)), word]
}

fn change(change: &Change) -> Value {
    json!({ "key": change.key, "from": change.from, "to": change.to, "looser": change.looser })
}

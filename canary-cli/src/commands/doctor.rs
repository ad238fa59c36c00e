//! `doctor`: everything a rollout needs, looked at without changing anything.

use std::collections::BTreeSet;

use canary_core::engine::{Check, CheckStatus};
use canary_core::journal::rollouts;
use canary_core::traits::GateVerdict;
use serde_json::json;

use super::Context;
use super::status::in_use;
use crate::decisions::DecisionLog;
use crate::error::{CommandError, ErrorKind};
use crate::known::Elsewhere;
use crate::render::{line, table, words};
use crate::settings::SETTINGS;
use crate::telling;
use crate::wiring::{self, Fleet};

pub(super) async fn doctor(cx: &Context<'_>, settings: bool) -> Result<u8, CommandError> {
    if settings {
        show_settings(cx);
    }
    let mut checks = local(cx);
    checks.extend(telling::checks(cx).await);
    let fleet = Fleet::of(&cx.settings).await?;
    let own = fleet.look().await;
    let names: BTreeSet<_> = own.checks.iter().map(|check| check.name.clone()).collect();
    checks.extend(own.checks);
    checks.extend(prometheus(&fleet).await);
    if own.reachable {
        checks.extend(release(cx, &fleet, &names).await?);
    }
    Ok(show(cx, &checks))
}

fn show(cx: &Context<'_>, checks: &[Check]) -> u8 {
    let count = |status| checks.iter().filter(|check| check.status == status).count();
    let failed = count(CheckStatus::Failed);
    let code = if failed == 0 { 0 } else { ErrorKind::Refused.exit_code() };
    let word = |status| match status {
        CheckStatus::Ok => "ok",
        CheckStatus::Warn => "warn",
        CheckStatus::Failed => "fail",
    };
    if cx.screen.json() {
        for check in checks {
            let fields = json!({ "name": check.name, "status": word(check.status), "detail": check.detail });
            cx.screen.line(line("check", fields));
        }
        cx.screen.line(line("end", json!({ "exit_code": code })));
        return code;
    }
    let paint = cx.screen.paint;
    let rows: Vec<_> = checks
        .iter()
        .map(|check| {
            let word = match check.status {
                CheckStatus::Ok => paint.good("ok"),
                CheckStatus::Warn => paint.careful("warn"),
                CheckStatus::Failed => paint.bad("fail"),
            };
            vec![word, check.name.clone(), check.detail.clone()]
        })
        .collect();
    cx.screen.lines(table::aligned(&rows));
    let warned = words::count(count(CheckStatus::Warn), "warning");
    cx.screen.line(format!("{} ok, {warned}, {failed} failed", count(CheckStatus::Ok)));
    code
}

fn show_settings(cx: &Context<'_>) {
    let mut rows = Vec::new();
    for setting in SETTINGS {
        let resolved = cx.settings.layers.resolved(setting.id);
        let value = resolved.value.as_ref().map(ToString::to_string);
        if cx.screen.json() {
            let origin = resolved.origin.to_string();
            cx.screen.line(line("setting", json!({ "key": setting.key, "value": value, "origin": origin })));
        } else {
            rows.push(vec![
                setting.key.to_owned(),
                value.unwrap_or_else(|| "-".to_owned()),
                resolved.origin.to_string(),
            ]);
        }
    }
    if !rows.is_empty() {
        cx.screen.lines(table::aligned(&rows));
        cx.screen.line("");
    }
}

/// What can be told without asking anybody.
fn local(cx: &Context<'_>) -> Vec<Check> {
    let file = cx.settings.layers.file.as_ref();
    let detail =
        file.map_or_else(|| "no file; variables and defaults".to_owned(), |path| path.display().to_string());
    let mut checks = vec![Check::ok("settings", detail)];
    checks.extend(cx.settings.layers.warnings.iter().map(|warning| Check::warn("settings", warning)));
    checks.push(journal(cx));
    // A journal that cannot be read was told of just now.
    let records = cx.read_journal().map(|journal| journal.records).unwrap_or_default();
    checks.extend(Elsewhere::of_rollouts(&cx.settings).check("journal", &records));
    checks.extend(DecisionLog::of(&cx.settings).check());
    checks
}

fn journal(cx: &Context<'_>) -> Check {
    let path = cx.journal_path();
    let name = "journal";
    let journal = match cx.read_journal() {
        Ok(journal) => journal,
        Err(error) => {
            return Check::failed(name, error.problems.iter().map(|p| p.message.clone()).collect::<String>());
        }
    };
    let place = format!("{}, {}", path.display(), words::count(journal.records.len(), "record"));
    if in_use(&path) {
        return Check::failed(name, format!("{place}; a rollout is in progress"));
    }
    match rollouts(&journal.records).pop() {
        Some(view) if view.unfinished() => Check::warn(
            name,
            format!("{place}; the rollout {} is not finished: `canary-cli resume` goes on", view.id),
        ),
        _ => Check::ok(name, place),
    }
}

/// What the metrics store says of itself, where numbers come from one.
async fn prometheus(fleet: &Fleet) -> Option<Check> {
    let prometheus = fleet.prometheus.as_ref()?;
    Some(match prometheus.ping(fleet.clock.now()).await {
        Ok(info) => {
            let version = info.version.map_or_else(String::new, |version| format!(", version {version}"));
            Check::ok("prometheus", format!("{prometheus}{version}"))
        }
        Err(error) => Check::failed("prometheus", error.chain()),
    })
}

/// The pre-flight, the gate and the plan.
async fn release(
    cx: &Context<'_>,
    fleet: &Fleet,
    told: &BTreeSet<String>,
) -> Result<Vec<Check>, CommandError> {
    let backends = fleet.backends(None, Vec::new());
    if cx.settings.artifact.is_none() {
        let mut checks = backends.preflight(&cx.settings.spec).await.checks;
        checks.push(Check::warn(
            "artifact",
            "none is named (ARTIFACT): the gate and the plan were not looked at",
        ));
        return Ok(checks);
    }
    let artifact = match cx.artifact() {
        Ok(artifact) => artifact,
        Err(error) => {
            let mut checks = backends.preflight(&cx.settings.spec).await.checks;
            checks
                .extend(error.problems.into_iter().map(|problem| Check::failed("artifact", problem.message)));
            return Ok(checks);
        }
    };
    let facts = artifact.facts;
    let detail =
        format!("{}, {}, {}", artifact.path.display(), facts.sha256.short(), words::bytes(facts.size));
    let gate = wiring::gate(&cx.settings, cx.environment, cx.released().running.as_ref())?;
    let order = cx.order(fleet.clock.as_ref())?;
    let seen = cx.examine(fleet, &backends, &gate, artifact, &order).await?;
    let known: Vec<_> = seen.checks.iter().map(|check| format!("{}: {}", check.name, check.detail)).collect();
    let mut checks = seen.checks;
    checks.push(Check::ok("artifact", detail));
    if let GateVerdict::Pass | GateVerdict::NothingNew { .. } | GateVerdict::Bypassed { .. } =
        &seen.review.verdict
    {
        let why = match &seen.review.verdict {
            GateVerdict::NothingNew { why } => format!("nothing new: {why}"),
            other => other.to_string(),
        };
        checks.push(Check::ok("migrations", why));
    }
    if let Some(plan) = &seen.plan {
        let back =
            plan.way_back.as_ref().map(|back| format!("{} ({})", back.facts.sha256.short(), back.origin));
        checks.extend(back.map(|back| Check::ok("way back", back)));
        checks.extend(plan.warnings.iter().map(|warning| Check::warn("plan", warning)));
        checks.push(Check::ok("plan", words::count(plan.steps.len(), "step")));
    }
    // The fleet's own word stands above already.
    let own = |reason: &String| reason.split_once(": ").is_some_and(|(name, _)| told.contains(name));
    let told = |reason: &String| known.contains(reason) || own(reason);
    let left = seen.reasons.into_iter().filter(|reason| !told(reason));
    checks.extend(left.map(|reason| Check::failed("plan", reason)));
    Ok(checks)
}

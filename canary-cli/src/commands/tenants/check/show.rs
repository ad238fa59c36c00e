//! A decision for whoever is woken by it: what, why, who, and what would change it.

use std::time::Duration;

use canary_core::journal::WorstResult;
use canary_tenants::decide::Decision;
use canary_tenants::gap::GapCode;
use canary_tenants::policy::{ObjectiveKind, Policy, Unit};
use canary_tenants::round::{Anomaly, Round, Severity};

use super::execution::Execution;
use crate::commands::Context;
use crate::commands::decided::observed;
use crate::error::CommandError;
use crate::render::{LoggedStep, logged_lines, plain, table, words};

/// How many anomalies are told on a screen; programs get all.
const TOLD: usize = 10;

/// The decision, as soon as it is on the record; programs get it with the steps, as one object.
pub(super) fn decision(cx: &Context<'_>, policy: &Policy, round: &Round) {
    cx.screen.close();
    if cx.screen.json() {
        return;
    }
    cx.screen.lines(headline(cx, round));
    reasons(cx, round);
    // That a whole source is missing has been said.
    let by_source = |worst: &&WorstResult| {
        [GapCode::SourceDown, GapCode::Partial].iter().any(|code| code.as_str() == worst.code)
    };
    let named: Vec<&WorstResult> = round.record.worst.iter().filter(|worst| !by_source(worst)).collect();
    if !named.is_empty() {
        cx.screen.line("");
        cx.screen.lines(worst(cx, policy, &named));
    }
    anomalies(cx, round);
}

/// What was done, at the end of it.
pub(super) fn steps(cx: &Context<'_>, round: &Round, execution: &Execution) -> Result<(), CommandError> {
    if cx.screen.json() {
        let log = execution.log(round);
        cx.screen.line(serde_json::to_string(&log).map_err(|error| CommandError::bug(error.to_string()))?);
        return Ok(());
    }
    cx.screen.line("");
    table_of(cx, execution);
    Ok(())
}

fn headline(cx: &Context<'_>, round: &Round) -> Vec<String> {
    let paint = cx.screen.paint;
    let record = &round.record;
    let word = round.decided.decision.to_string();
    let word = match round.decided.decision {
        Decision::Approve => paint.good(&word),
        Decision::Rollback => paint.bad(&word),
        Decision::Halt => paint.careful(&word),
    };
    let show = |ppm| Unit::Ppm.show(ppm);
    let (low, high) = (show(record.lo_ppm), show(record.hi_ppm));
    let score = match record.score_ppm {
        // The interval is rounded outward.
        Some(score) if record.hi_ppm.saturating_sub(record.lo_ppm) <= 1 => {
            format!("health score {}", show(score))
        }
        Some(score) => format!("health score {}, all in all {low} to {high}", show(score)),
        None => format!("health score {low} to {high}"),
    };
    let version = record.version.as_deref().map_or_else(|| "release".to_owned(), plain);
    let gaps = GapCode::ALL.iter().filter_map(|code| record.gaps.get_key_value(code.as_str()));
    let gaps = gaps.map(|(code, count)| format!("{code} {count}"));
    let part = record.percentage.map_or_else(String::new, |percent| format!(" at {percent} %"));
    vec![
        format!("{word}  {version}{part}: {score}; {} is needed", show(record.threshold_ppm)),
        format!(
            "{} tenant(s), {} in breach, {} unknown  ({})",
            record.tenants,
            record.breached,
            record.unknown,
            gaps.collect::<Vec<_>>().join(", ")
        ),
    ]
}

fn reasons(cx: &Context<'_>, round: &Round) {
    let paint = cx.screen.paint;
    for reason in round.decided.reasons.iter().take(TOLD) {
        cx.screen.line(format!("why   {}", plain(&reason.told(&round.decided, round.rule))));
        cx.screen.line(paint.quiet(&format!("      would change it: {}", plain(&reason.way_out()))));
    }
    if round.decided.reasons.len() > TOLD {
        cx.screen.line(format!("      and {} more", round.decided.reasons.len() - TOLD));
    }
    if round.waits {
        cx.screen.line("wait  who is new or stale may be known at the next round; run it again then");
    }
}

fn worst(cx: &Context<'_>, policy: &Policy, named: &[&WorstResult]) -> Vec<String> {
    let paint = cx.screen.paint;
    let head = ["tenant", "objective", "source", "observed", "limit", "adjusted", "n", "data"];
    let mut rows = vec![head.map(|word| paint.quiet(word)).to_vec()];
    rows.extend(named.iter().map(|worst| row(policy, worst)));
    table::aligned(&rows)
}

fn row(policy: &Policy, worst: &WorstResult) -> Vec<String> {
    let kind = policy.file.objectives.get(&worst.objective).map(|objective| &objective.kind);
    let unit = kind.map_or(Unit::Ppm, ObjectiveKind::unit);
    let adjusted = if worst.limit_adj == worst.limit { "-".to_owned() } else { unit.show(worst.limit_adj) };
    vec![
        plain(&worst.tenant),
        worst.objective.clone(),
        worst.source.clone(),
        observed(kind, worst.observed, worst.limit_adj, |seen| amount(unit, seen)),
        unit.show(worst.limit),
        adjusted,
        worst.n.to_string(),
        worst.code.clone(),
    ]
}

/// Times in milliseconds with one decimal: a histogram says no more.
pub(super) fn amount(unit: Unit, amount: u64) -> String {
    match unit {
        Unit::Micros if amount >= 1000 => format!("{}.{}ms", amount / 1000, amount % 1000 / 100),
        _ => unit.show(amount),
    }
}

fn anomalies(cx: &Context<'_>, round: &Round) {
    let paint = cx.screen.paint;
    let all = &round.anomalies;
    if all.is_empty() {
        return;
    }
    let count = |severity| all.iter().filter(|anomaly| anomaly.severity == severity).count();
    let counts = [Severity::Critical, Severity::Warning, Severity::Info];
    let counts: Vec<_> =
        counts.iter().map(|severity| format!("{} {}", count(*severity), severity.as_str())).collect();
    cx.screen.line("");
    cx.screen.line(format!("{}: {}", words::count(all.len(), "finding"), counts.join(", ")));
    let rows: Vec<_> = all
        .iter()
        .take(TOLD)
        .map(|anomaly| {
            let word = anomaly.severity.as_str();
            let word = match anomaly.severity {
                Severity::Critical => paint.bad(word),
                Severity::Warning => paint.careful(word),
                Severity::Info => paint.quiet(word),
            };
            vec![format!("  {word}"), about(anomaly), anomaly.code.to_owned(), plain(&anomaly.text)]
        })
        .collect();
    cx.screen.lines(table::aligned(&rows));
    if all.len() > TOLD {
        cx.screen.line(format!("  and {} more; --output json has all", all.len() - TOLD));
    }
}

fn about(anomaly: &Anomaly) -> String {
    let parts = [&anomaly.tenant, &anomaly.objective, &anomaly.source];
    parts.into_iter().flatten().map(|part| plain(part)).collect::<Vec<_>>().join(" ")
}

fn table_of(cx: &Context<'_>, execution: &Execution) {
    let paint = cx.screen.paint;
    let steps = execution.steps.iter().map(|step| LoggedStep {
        status: step.status.as_str(),
        action: &step.action,
        took: Duration::from_millis(step.duration_ms),
        details: &step.detail,
    });
    cx.screen.lines(logged_lines(steps, paint));
    let hash = execution.hash.as_ref().map_or_else(String::new, |hash| format!("  audit hash {hash}"));
    cx.screen.line(paint.quiet(&format!("{}  {:.2}s{hash}", execution.id, execution.took() as f64 / 1000.0)));
}

//! `tenants probe`: asks every tenant's own endpoint once, and says who answers as promised; decides nothing and writes nothing down.

mod place;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Instant, SystemTime};

use canary_core::time::Timestamp;
use canary_tenants::policy::{ObjectiveKind, Policy};
use canary_tenants::probe::{ProbeResult, ProbeRound, Tally, Verdict};
use clap::{Arg, ArgMatches, Command};
use serde_json::json;

use super::{file, policy, text};
use crate::commands::{Context, random, runtime};
use crate::error::CommandError;
use crate::render::{RoundProgress, line, table, words};

/// Tenants that are told one by one, at most; programs get all.
const TOLD: usize = 50;

/// The command's arguments.
pub(super) fn arguments(command: Command, policy: Arg) -> Command {
    place::arguments(command.arg(policy))
}

/// Runs a round; the exit code is that of the worst result: 0 healthy, 22 unknown, 20 unhealthy.
pub(super) fn probe(cx: &Context<'_>, matches: &ArgMatches) -> Result<u8, CommandError> {
    cx.warn();
    let path = file(matches, "sla");
    let policy = policy(cx, &path)?;
    let mut round = round(cx, &policy, &path)?;
    if round.is_empty() {
        let message = format!("{} has no objective of kind probe, or no tenant that has one", path.display());
        return Err(CommandError::usage(message, "docs/probes.md shows one"));
    }
    let began = Instant::now();
    let (place, results) = runtime()?.block_on(async {
        let place = place::of(cx, matches, &mut round).await?;
        let progress = RoundProgress::new(cx.screen.clone(), round.len());
        cx.screen.note(&format!("probes {} tenant(s) by {place}", round.len()));
        let results = place.run(&round, &progress).await;
        Ok::<_, CommandError>((place.to_string(), results))
    })?;
    let tally = Tally::of(&results);
    if cx.screen.json() {
        for result in &results {
            cx.screen.line(line("probed", json!(result)));
        }
        cx.screen
            .line(line("probes", json!({ "by": place, "batches": round.batches.len(), "tally": tally })));
    } else {
        cx.screen.lines(told(cx, &results));
        let took = words::time(began.elapsed());
        let Tally { healthy, unhealthy, unknown, .. } = tally;
        let batches = words::count(round.batches.len(), "batch");
        let batches = batches.replace("batchs", "batches");
        cx.screen.line(format!(
            "{healthy} healthy, {unhealthy} unhealthy, {unknown} unknown; {batches} by {place} in {took}"
        ));
    }
    Ok(match (tally.unhealthy, tally.unknown) {
        (0, 0) => 0,
        (0, _) => 22,
        _ => 20,
    })
}

/// Everything that the policy has to ask, with the roots that it names.
fn round(cx: &Context<'_>, policy: &Policy, path: &Path) -> Result<ProbeRound, CommandError> {
    let now = Timestamp::from(SystemTime::now());
    let nonce: String = random::<4>()?.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut roots = BTreeMap::new();
    for (name, objective) in &policy.file.objectives {
        if let ObjectiveKind::Probe(probe) = &objective.kind
            && let Some(ca_file) = &probe.ca_file
        {
            let beside = path.parent().unwrap_or_else(|| Path::new("")).join(ca_file);
            roots.insert(name.clone(), text(cx, &beside)?);
        }
    }
    Ok(ProbeRound::of(policy, &format!("probe-{now}-{nonce}"), &roots))
}

/// Those that are not healthy, the worst first.
fn told(cx: &Context<'_>, results: &[ProbeResult]) -> Vec<String> {
    let mut bad: Vec<_> = results.iter().filter(|result| result.verdict != Verdict::Healthy).collect();
    bad.sort_by_key(|result| !matches!(result.verdict, Verdict::Unhealthy { .. }));
    let rows: Vec<_> = bad.iter().take(TOLD).map(|result| row(cx, result)).collect();
    let mut lines = table::aligned(&rows);
    if bad.len() > TOLD {
        lines.push(format!("and {} more; --output json has all", bad.len() - TOLD));
    }
    lines
}

fn row(cx: &Context<'_>, result: &ProbeResult) -> Vec<String> {
    let word = result.verdict.as_str();
    let word = match result.verdict {
        Verdict::Unhealthy { .. } => cx.screen.paint.bad(word),
        _ => cx.screen.paint.careful(word),
    };
    let tries = match result.tries.len() {
        1 => "1 try".to_owned(),
        many => format!("{many} tries"),
    };
    let why = result.verdict.why().unwrap_or_default().to_owned();
    vec![word, result.tenant.clone(), result.objective.clone(), tries, why]
}

//! `tenants probe`: asks every tenant's own endpoint once, and says who answers as promised; decides nothing and writes nothing down.

#[cfg(test)]
mod tests;

use std::time::{Instant, SystemTime};

use canary_core::time::Timestamp;
use canary_tenants::probe::{ProbeResult, Tally, Verdict};
use clap::{Arg, ArgMatches, Command};
use serde_json::json;

use super::{file, policy};
use crate::commands::{Context, random, runtime};
use crate::error::CommandError;
use crate::probes::Probes;
use crate::render::{RoundProgress, line, table, words};
use crate::rounds::RoundListener as _;

/// Tenants that are told one by one, at most; programs get all.
const TOLD: usize = 50;

/// The command's arguments.
pub(super) fn arguments(command: Command, policy: Arg) -> Command {
    command.arg(policy)
}

/// Runs a round; the exit code is that of the worst result: 0 healthy, 22 unknown, 20 unhealthy.
pub(super) fn probe(cx: &Context<'_>, matches: &ArgMatches) -> Result<u8, CommandError> {
    cx.warn();
    let path = file(matches, "sla");
    let policy = policy(cx, &path)?;
    let directory = cx.environment.directory.join(&path);
    let directory = directory.parent().unwrap_or(&cx.environment.directory);
    let probes = Probes::of(&policy.file, directory, &cx.settings.tenants.probing)?;
    let nonce: String = random::<4>()?.iter().map(|byte| format!("{byte:02x}")).collect();
    let round = probes.round(&policy, &format!("probe-{}-{nonce}", Timestamp::from(SystemTime::now())));
    if round.is_empty() {
        let message = format!("{} has no objective of kind probe, or no tenant that has one", path.display());
        return Err(CommandError::usage(message, "docs/probes.md shows one"));
    }
    let began = Instant::now();
    let place = probes.by();
    cx.screen.note(&format!("probes {} tenant(s) by {place}", round.len()));
    let progress = RoundProgress::new(cx.screen.clone());
    progress.begun(0, round.len());
    let results = runtime()?.block_on(probes.ask(&round, &progress));
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

//! `log replay`: decides recorded rollouts once more, by their own policy or by today's.

use canary_core::engine::{Replayed, Supposed, WatchEnd, WatchVerdict, replay, suppose};
use canary_core::journal::{Record, RolloutId, rollouts};
use clap::{ArgMatches, Command};
use serde_json::json;

use super::{Context, log};
use crate::cli::{rollout_argument, switch};
use crate::error::{CommandError, ErrorKind};
use crate::render::{line, words};

/// The arguments of `log replay`.
pub(crate) fn arguments(command: Command) -> Command {
    command
        .arg(rollout_argument().help("The rollout's id; without it, every rollout"))
        .arg(switch("what-if", "Tells what the watches would have decided by the settings as they are now"))
}

/// Decides one rollout, or all of them, once more.
pub(super) fn run(cx: &Context<'_>, matches: &ArgMatches) -> Result<u8, CommandError> {
    let records = cx.read_journal()?.records;
    let chosen: Vec<RolloutId> = match matches.get_one::<String>("rollout") {
        Some(_) => vec![log::named(cx, matches, &records)?.clone()],
        None => rollouts(&records).into_iter().map(|view| view.id).collect(),
    };
    if chosen.is_empty() {
        return Err(log::empty(cx));
    }
    if matches.get_flag("what-if") {
        what_if(cx, &records, &chosen)
    } else {
        as_recorded(cx, &records, &chosen)
    }
}

fn as_recorded(cx: &Context<'_>, records: &[Record], chosen: &[RolloutId]) -> Result<u8, CommandError> {
    let mut diverged = Vec::new();
    for id in chosen {
        let Some(Replayed { decisions, divergence }) = replay(records, id) else {
            cx.screen.line(if cx.screen.json() {
                line("replay", json!({ "rollout": id, "decisions": 0, "divergence": null }))
            } else {
                format!("{id}  was refused before it started: nothing to decide again")
            });
            continue;
        };
        if cx.screen.json() {
            cx.screen.line(line(
                "replay",
                json!({ "rollout": id, "decisions": decisions, "divergence": divergence }),
            ));
        } else if divergence.is_none() {
            cx.screen.line(format!("{id}  {decisions} decisions, all as recorded"));
        }
        diverged.extend(divergence.map(|divergence| (id, divergence)));
    }
    let Some((id, first)) = diverged.first() else { return Ok(0) };
    if cx.screen.json() {
        return Ok(ErrorKind::Damaged.exit_code());
    }
    Err(CommandError::new(
        ErrorKind::Damaged,
        format!(
            "rollout {id}, record {}: {} does not follow from what was recorded before it\n  recorded: {}\n  computed: {}",
            first.seq, first.what, first.recorded, first.computed
        ),
        "`canary-cli log verify` tells whether the record was changed; if it holds, another version of canary decided: `canary-cli log show --all` names it",
    ))
}

fn what_if(cx: &Context<'_>, records: &[Record], chosen: &[RolloutId]) -> Result<u8, CommandError> {
    let Some(policy) = &cx.settings.spec.watch else {
        let hint = "set watch.window to more than 0";
        return Err(CommandError::usage("these settings watch nothing, so they would decide nothing", hint));
    };
    let (mut watches, mut other, mut open) = (0_u64, 0_u64, 0_u64);
    for id in chosen {
        for supposed in suppose(records, id, policy) {
            watches += 1;
            let is_open = supposed.would_be.verdict == WatchVerdict::Open;
            open += u64::from(is_open);
            other += u64::from(!is_open && supposed.was.verdict != supposed.would_be.verdict);
            if cx.screen.json() {
                cx.screen.line(line("what_if", json!({ "rollout": id, "watch": supposed })));
            } else {
                cx.screen.lines(lines(id, &supposed));
            }
        }
    }
    if !cx.screen.json() {
        cx.screen.line(format!("{other} of {watches} watches would have ended otherwise, {open} stay open"));
    }
    Ok(0)
}

fn lines(id: &RolloutId, Supposed { step, was, would_be }: &Supposed) -> Vec<String> {
    let probes = |n: u64| if n == 1 { "1 probe".to_owned() } else { format!("{n} probes") };
    let end = |end: &WatchEnd| {
        let mut text =
            format!("{} after {}, {}", end.verdict.as_str(), probes(end.probes), words::clock(end.at));
        if !end.why.is_empty() {
            text.push_str(&format!(": {}", end.why));
        }
        text
    };
    let mut lines = vec![format!("{id}  {step}"), format!("  was       {}", end(was))];
    if was == would_be {
        lines.push("  would be  the same".to_owned());
    } else {
        lines.push(format!("  would be  {}", end(would_be)));
    }
    lines
}

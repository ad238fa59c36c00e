//! `log`: what the journal says.

use canary_core::journal::{Account, Record, RolloutId, RolloutView, rollouts};
use clap::ArgMatches;
use serde_json::json;

use super::Context;
use crate::error::{CommandError, ErrorKind};
use crate::render::{Lines, explain_lines, line, record_line, table, words};

/// Shows the records of one rollout, or all of them.
pub(super) fn show(cx: &Context<'_>, matches: &ArgMatches) -> Result<u8, CommandError> {
    let records = cx.read_journal()?.records;
    let chosen: Vec<&Record> = if matches.get_flag("all") {
        records.iter().collect()
    } else {
        let id = named(cx, matches, &records)?;
        records.iter().filter(|record| record.entry.rollout() == Some(id)).collect()
    };
    if chosen.is_empty() {
        return Err(empty(cx));
    }
    let mut lines = Lines::new(cx.screen.paint);
    for record in chosen {
        if cx.screen.json() {
            cx.screen.line(record_line(record));
        } else {
            cx.screen.lines(lines.of(record.time, &record.entry));
        }
    }
    Ok(0)
}

/// Says why a rollout went as it did.
pub(super) fn explain(cx: &Context<'_>, matches: &ArgMatches) -> Result<u8, CommandError> {
    let records = cx.read_journal()?.records;
    let id = named(cx, matches, &records)?;
    let account = Account::of(&records, id).ok_or_else(|| empty(cx))?;
    if cx.screen.json() {
        cx.screen.line(line("explanation", json!(account)));
    } else {
        cx.screen.lines(explain_lines(&account, cx.screen.paint));
    }
    Ok(0)
}

/// Lists the rollouts, oldest first.
pub(super) fn list(cx: &Context<'_>) -> Result<u8, CommandError> {
    let views = rollouts(&cx.read_journal()?.records);
    if cx.screen.json() {
        for view in &views {
            cx.screen.line(line("rollout", summary(view)));
        }
        return Ok(0);
    }
    if views.is_empty() {
        cx.screen.line(format!("no rollout of {} has been started", cx.settings.spec.service));
    }
    let rows: Vec<_> = views
        .iter()
        .map(|view| {
            vec![
                view.id.to_string(),
                view.plan.artifact.facts.sha256.short(),
                view.actor.clone(),
                ended(view),
            ]
        })
        .collect();
    cx.screen.lines(table::aligned(&rows));
    Ok(0)
}

/// A rollout in short, for programs.
pub(super) fn summary(view: &RolloutView) -> serde_json::Value {
    json!({
        "rollout": view.id, "started": view.started, "last": view.last, "actor": view.actor, "reason": view.reason,
        "purpose": view.plan.purpose, "artifact": view.plan.artifact, "outcome": view.history.finished(),
    })
}

/// How a rollout ended, with the time it took.
pub(super) fn ended(view: &RolloutView) -> String {
    let took = words::time(view.last.since(view.started));
    match view.history.finished() {
        Some(outcome) => format!("{outcome} (after {took})"),
        None => format!("not finished (last record after {took})"),
    }
}

/// The rollout that is asked about: the one that is named, else the last that has a record, also one that was refused.
pub(super) fn named<'r>(
    cx: &Context<'_>,
    matches: &ArgMatches,
    records: &'r [Record],
) -> Result<&'r RolloutId, CommandError> {
    let mut ids = records.iter().rev().filter_map(|record| record.entry.rollout());
    match matches.get_one::<String>("rollout") {
        Some(name) => ids.find(|id| id.to_string() == *name).ok_or_else(|| {
            CommandError::usage(
                format!("the journal has no rollout {name:?}"),
                "`canary-cli log list` lists them",
            )
        }),
        None => ids.next().ok_or_else(|| empty(cx)),
    }
}

pub(super) fn empty(cx: &Context<'_>) -> CommandError {
    let path = cx.journal_path();
    CommandError::new(
        ErrorKind::Usage,
        format!("{} has no record of a rollout", path.display()),
        "name the right service or state directory (CANARY_SERVICE, CANARY_STATE_DIR)",
    )
}

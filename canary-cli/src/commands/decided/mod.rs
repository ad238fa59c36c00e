//! `log … --decisions`: what the record of decisions says.

mod explain;
mod replay;
mod report;
mod verify;

use std::time::{Duration, SystemTime};

use canary_core::journal::{Decided, Decision, Entry, Record};
use canary_core::time::Timestamp;
use canary_report::sentences;
use canary_tenants::policy::ObjectiveKind;
use clap::{Arg, ArgMatches, Command};
use serde_json::json;

use super::Context;
use crate::cli::switch;
use crate::decisions::DecisionLog;
use crate::error::CommandError;
use crate::render::{Lines, line, record_line, table, words};

pub(crate) use replay::arguments as replay_arguments;
pub(crate) use report::{of_rollout, report};
pub(crate) use verify::check_kept;

/// The switch that turns a command to decisions.
pub(crate) fn decisions_argument() -> Arg {
    switch(
        "decisions",
        "Of the record of decisions (tenants.decision_log) instead of rollouts; ROLLOUT is then a rollout's id, a round's, or a record's number",
    )
}

/// The argument that leaves older decisions out.
fn since_argument() -> Arg {
    Arg::new("since")
        .long("since")
        .value_name("TIME")
        .value_parser(|text: &str| humantime::parse_duration(text).map_err(|error| error.to_string()))
        .help("Leaves out what is older (30d, 12h); for decisions")
}

/// The arguments of commands that list decisions.
pub(crate) fn list_arguments(command: Command) -> Command {
    command.arg(decisions_argument()).arg(since_argument().requires("decisions"))
}

/// What was observed of a result that is among the worst. A probe that was quick enough is there for what it answered.
pub(super) fn observed(
    kind: Option<&ObjectiveKind>,
    seen: Option<u64>,
    limit: u64,
    show: impl Fn(u64) -> String,
) -> String {
    match seen {
        None => "?".to_owned(),
        Some(seen) if seen <= limit && matches!(kind, Some(ObjectiveKind::Probe(_))) => {
            "unhealthy".to_owned()
        }
        Some(seen) => show(seen),
    }
}

/// Runs a command of `log` if it is about decisions.
pub(super) fn run(cx: &Context<'_>, name: &str, matches: &ArgMatches) -> Option<Result<u8, CommandError>> {
    let asked = |flag: &str| matches.try_get_one::<bool>(flag).ok().flatten().copied().unwrap_or(false);
    let supposed = name == "replay" && replay::supposes(matches);
    if !asked("decisions") && !supposed {
        return None;
    }
    Some(match name {
        "list" => list(cx, matches),
        "show" => show(cx, matches),
        "explain" => explain::explain(cx, matches),
        "replay" => replay::run(cx, matches),
        // `verify` and `anchor` choose their file by the switch themselves.
        _ => return None,
    })
}

fn records(cx: &Context<'_>) -> Result<(DecisionLog, Vec<Record>), CommandError> {
    let log = DecisionLog::of(&cx.settings);
    let records = log.read().map_err(|error| error.explain())?.records;
    Ok((log, records))
}

fn none(log: &DecisionLog) -> CommandError {
    CommandError::usage(
        format!("{} has no decision", log.path().display()),
        "name the right log, service or state directory (CANARY_DECISION_LOG, CANARY_SERVICE, CANARY_STATE_DIR)",
    )
}

/// The decisions among records.
fn decisions(records: &[Record]) -> impl DoubleEndedIterator<Item = (&Record, &Decided)> {
    records.iter().filter_map(|record| match &record.entry {
        Entry::Decided(decided) => Some((record, decided.as_ref())),
        _ => None,
    })
}

/// The decisions that a name and a time choose; all of them without either.
fn chosen<'r>(
    log: &DecisionLog,
    matches: &ArgMatches,
    records: &'r [Record],
) -> Result<Vec<(&'r Record, &'r Decided)>, CommandError> {
    let name = matches.try_get_one::<String>("rollout").ok().flatten();
    let since = matches.try_get_one::<Duration>("since").ok().flatten();
    let from = since.map(|since| {
        let now = Timestamp::from(SystemTime::now()).as_millis();
        now.saturating_sub(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    });
    let named = |record: &Record, decided: &Decided| match name {
        Some(name) => {
            record.seq.to_string() == *name
                || decided.execution == *name
                || decided.rollout.as_ref().is_some_and(|rollout| rollout.to_string() == *name)
        }
        None => true,
    };
    let found: Vec<_> = decisions(records)
        .filter(|(record, decided)| {
            named(record, decided) && from.is_none_or(|from| record.time.as_millis() >= from)
        })
        .collect();
    match (found.is_empty(), name) {
        (false, _) => Ok(found),
        (true, Some(name)) => Err(CommandError::usage(
            format!("{} has no decision {name:?}", log.path().display()),
            "`canary-cli log list --decisions` lists them",
        )),
        (true, None) => Err(none(log)),
    }
}

fn list(cx: &Context<'_>, matches: &ArgMatches) -> Result<u8, CommandError> {
    let (log, records) = records(cx)?;
    let found = chosen(&log, matches, &records)?;
    if cx.screen.json() {
        found.iter().for_each(|(record, _)| cx.screen.line(record_line(record)));
        return Ok(0);
    }
    let rows: Vec<_> = found.into_iter().map(|(record, decided)| row(cx, record, decided)).collect();
    cx.screen.lines(table::aligned(&rows));
    Ok(0)
}

fn row(cx: &Context<'_>, record: &Record, decided: &Decided) -> Vec<String> {
    let ruling = &decided.ruling;
    vec![
        record.seq.to_string(),
        record.time.to_string(),
        painted(cx, ruling.decision),
        sentences::score(decided),
        sentences::tenants(decided),
        ruling.version.clone().unwrap_or_else(|| "-".to_owned()),
        decided.rollout.as_ref().map_or_else(|| decided.execution.clone(), ToString::to_string),
        decided.actor.clone(),
    ]
}

fn painted(cx: &Context<'_>, decision: Decision) -> String {
    let paint = cx.screen.paint;
    match decision {
        Decision::Approve => paint.good(decision.as_str()),
        Decision::Rollback => paint.bad(decision.as_str()),
        Decision::Halt => paint.careful(decision.as_str()),
    }
}

/// Shows records: of what is named, else of the last release that was decided about; every one with `--all`.
fn show(cx: &Context<'_>, matches: &ArgMatches) -> Result<u8, CommandError> {
    let (log, records) = records(cx)?;
    let shown: Vec<&Record> = if matches.get_flag("all") {
        records.iter().collect()
    } else if matches.get_one::<String>("rollout").is_some() {
        chosen(&log, matches, &records)?.into_iter().map(|(record, _)| record).collect()
    } else {
        let (last, decided) = decisions(&records).next_back().ok_or_else(|| none(&log))?;
        match &decided.rollout {
            Some(rollout) => {
                records.iter().filter(|record| record.entry.rollout() == Some(rollout)).collect()
            }
            None => vec![last],
        }
    };
    let mut lines = Lines::new(cx.screen.paint);
    for record in shown {
        if cx.screen.json() {
            cx.screen.line(record_line(record));
        } else {
            let told = lines.of(record.time, &record.entry).into_iter();
            cx.screen.lines(told.map(|text| format!("{:>6}  {text}", record.seq)).collect::<Vec<_>>());
        }
    }
    Ok(0)
}

/// What kind of thing there is how many of: `3 decisions`.
fn counted(number: usize, one: &str) -> String {
    words::count(number, one)
}

/// One event of a command that goes through decisions.
fn event(name: &'static str, record: &Record, what: serde_json::Value) -> String {
    line(name, json!({ "seq": record.seq, "time": record.time, "hash": record.hash, "result": what }))
}

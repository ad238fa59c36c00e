//! `contract lock`: the contract of the sources, as a file for git.

use canary_postgres::contract::{Budgets, Contract};
use clap::{Arg, ArgMatches, Command, value_parser};
use serde_json::json;

use super::schema::Migrated;
use super::{LOCK, at, extracted, path, read, source_argument, write};
use crate::commands::Context;
use crate::error::{CommandError, ErrorKind, chain};
use crate::render::line;

/// Adds what the command takes.
pub(super) fn arguments(command: Command) -> Command {
    let number = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("N").help(help).value_parser(value_parser!(u64).range(1..))
    };
    let switch = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).help(help).action(clap::ArgAction::SetTrue)
    };
    command
        .arg(source_argument())
        .arg(path("out", "PATH", LOCK, "The lock file, relative to where the command is called"))
        .arg(switch("locked", "Writes nothing; ends with 10 when the sources ask else than the file says"))
        .arg(switch("tests", "Reads tests, benches and examples, too"))
        .arg(number("p99-ms", "Budget: 99th percentile of a query, in ms [default: the file's, else 50]"))
        .arg(number(
            "acquire-p99-ms",
            "Budget: 99th percentile of the wait for a connection, in ms [default: the file's, else 10]",
        ))
        .arg(
            Arg::new("pool-percent")
                .long("pool-percent")
                .value_name("N")
                .help("Budget: the share of the pool in use, in percent [default: the file's, else 80]")
                .value_parser(value_parser!(u32).range(1..=100)),
        )
}

pub(super) fn lock(cx: &Context<'_>, matches: &ArgMatches) -> Result<u8, CommandError> {
    let out = at(cx, matches, "out");
    let mut fresh = extracted(&at(cx, matches, "source"), matches.get_flag("tests"))?;
    let there = out.exists();
    if matches.get_flag("locked") {
        let locked = read(&out)?;
        let migrated = Migrated::of(cx, Some(&locked))?;
        return Ok(compared(cx, &locked, &fresh, migrated.as_ref()));
    }
    // An edited file is not written over unseen: its budgets could not be kept.
    let old = if there { Some(read(&out)?) } else { None };
    keep(&mut fresh, old.as_ref(), cx, matches);
    let migrated = Migrated::of(cx, old.as_ref())?;
    let schema = migrated.map_or_else(Vec::new, |migrated| migrated.keep(&mut fresh, old.as_ref()));
    let text = fresh.to_lock().map_err(|error| CommandError::bug(chain(&error)))?;
    write(&out, &text)?;
    let shown = out.display().to_string();
    if cx.screen.json() {
        cx.screen
            .line(line("contract", json!({ "file": shown, "contract": fresh, "pools": described(&fresh) })));
    } else {
        cx.screen.lines(summary(&fresh));
        cx.screen.lines(schema);
        cx.screen.line(format!("wrote {shown}"));
    }
    Ok(0)
}

/// Takes over what no source says: budgets and seed.
fn keep(fresh: &mut Contract, old: Option<&Contract>, cx: &Context<'_>, matches: &ArgMatches) {
    let budgets = old.map_or_else(Budgets::default, |old| old.budgets);
    fresh.budgets = Budgets {
        p99_ms: matches.get_one("p99-ms").copied().unwrap_or(budgets.p99_ms),
        acquire_p99_ms: matches.get_one("acquire-p99-ms").copied().unwrap_or(budgets.acquire_p99_ms),
        pool_utilisation_percent: matches
            .get_one("pool-percent")
            .copied()
            .unwrap_or(budgets.pool_utilisation_percent),
    };
    if let Some(old) = old {
        fresh.seed = old.seed;
    }
    fresh.revision = cx.settings.spec.from.revision.as_ref().map(ToString::to_string);
}

fn compared(cx: &Context<'_>, locked: &Contract, fresh: &Contract, migrated: Option<&Migrated>) -> u8 {
    let mut differences = locked.differences(fresh);
    let (more, notes) = migrated.map_or_else(Default::default, |migrated| migrated.compared(locked));
    let of_schema = !more.is_empty();
    differences.extend(more);
    let code = if differences.is_empty() { 0 } else { ErrorKind::Refused.exit_code() };
    if cx.screen.json() {
        cx.screen.line(line("contract", json!({ "differences": differences, "exit_code": code })));
        return code;
    }
    cx.screen.lines(notes);
    if differences.is_empty() {
        cx.screen
            .line(format!("contract  {}", cx.screen.paint.good("the sources ask what the lock file says")));
    } else {
        cx.screen.line(format!(
            "contract  {}",
            cx.screen.paint.bad(if of_schema {
                "sources or migrations are else than the lock file says"
            } else {
                "the sources ask else than the lock file says"
            })
        ));
        cx.screen.lines(differences.iter().map(|difference| format!("  {difference}")));
        let shadow = if of_schema { " --shadow local" } else { "" };
        cx.screen.line(format!(
            "next: `canary-cli contract lock{shadow}` writes how it is now; review it with the change"
        ));
    }
    code
}

/// The contract in a few lines.
fn summary(contract: &Contract) -> Vec<String> {
    let count =
        |number: usize, one: &str, more: &str| format!("{number} {}", if number == 1 { one } else { more });
    let drivers: Vec<_> = contract.drivers.iter().map(ToString::to_string).collect();
    let drivers = if drivers.is_empty() { "no driver".to_owned() } else { drivers.join(", ") };
    let mut lines = vec![format!(
        "contract  {}: {} ({drivers}), {}, {}; {} read",
        contract.service,
        count(contract.queries.len(), "query", "queries"),
        count(contract.rows.len(), "row struct", "row structs"),
        count(contract.enums.len(), "enum", "enums"),
        count(contract.coverage.files as usize, "file", "files"),
    )];
    lines.extend(
        contract.pools.iter().map(|pool| format!("  pool        {}: {}", pool.place, pool.described())),
    );
    let matched = contract.constraints.iter();
    lines.extend(
        matched.map(|matched| format!("  matched     {}: constraint {}", matched.place, matched.name)),
    );
    let coverage = &contract.coverage;
    lines.extend(
        coverage.computed.iter().map(|c| format!("  computed    {}: {} of {}", c.place, c.call, c.made_by)),
    );
    lines.extend(
        coverage
            .unresolved
            .iter()
            .map(|u| format!("  unresolved  {}: {} {} is not in the sources", u.place, u.wanted, u.name)),
    );
    lines.extend(
        coverage.unreadable.iter().map(|u| format!("  unreadable  {}:{}: {}", u.place, u.column, u.why)),
    );
    if !coverage.complete() {
        lines.push("  not every query is known: what nobody seems to use may be used".to_owned());
    }
    lines
}

/// The pools as the log of a check tells them.
fn described(contract: &Contract) -> Vec<String> {
    contract.pools.iter().map(canary_postgres::contract::PoolSettings::described).collect()
}

//! `contract generate`: a test suite for the service's repository.

use canary_postgres::contract::Suite;
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::json;

use super::{LOCK, at, path, read, write};
use crate::commands::Context;
use crate::error::{CommandError, ErrorKind, chain};
use crate::render::line;

/// Where the suite lies unless it is said.
const SUITE: &str = "tests/sql_contract.rs";

/// Adds what the command takes.
pub(super) fn arguments(command: Command) -> Command {
    command
        .arg(path("lock", "PATH", LOCK, "The lock file, relative to where the command is called"))
        .arg(path("out", "PATH", SUITE, "The suite, relative to where the command is called"))
        .arg(Arg::new("tenants").long("tenants").value_name("SQL").help(
            "The query in the suite that gives every tenant's schema, one a row [default: the schema of a new connection]",
        ))
        .arg(Arg::new("fixture").long("fixture").value_name("MODULE").help(
            "A module beside the suite whose async `database_url()` gives the database [default: the variable DATABASE_URL]",
        ))
        .arg(
            Arg::new("locked")
                .long("locked")
                .action(ArgAction::SetTrue)
                .help("Writes nothing; ends with 10 when the suite is not what would be written"),
        )
}

pub(super) fn generate(cx: &Context<'_>, matches: &ArgMatches) -> Result<u8, CommandError> {
    let contract = read(&at(cx, matches, "lock"))?;
    let mut suite = Suite::default();
    if let Some(tenants) = matches.get_one::<String>("tenants") {
        suite.tenants.clone_from(tenants);
    }
    suite.fixture = matches.get_one::<String>("fixture").cloned();
    let text = contract.generate(&suite).map_err(|error| {
        CommandError::usage(
            format!("cannot write a suite: {}", chain(&error)),
            "look at the lock file's queries and drivers",
        )
    })?;
    let out = at(cx, matches, "out");
    let shown = out.display();
    let tests = text.matches("#[tokio::test]").count();
    if matches.get_flag("locked") {
        let there = std::fs::read_to_string(&out).map_err(|error| {
            CommandError::usage(
                format!("cannot read {shown}: {error}"),
                "write it with `canary-cli contract generate`",
            )
        })?;
        if there != text {
            let hint = "`canary-cli contract generate` with the same arguments writes it anew";
            return Err(CommandError::new(
                ErrorKind::Refused,
                format!("{shown} is not what the lock file gives"),
                hint,
            ));
        }
    } else {
        if let Some(directory) = out.parent() {
            std::fs::create_dir_all(directory).map_err(|error| {
                CommandError::usage(
                    format!("cannot make {}: {error}", directory.display()),
                    "name another file with --out",
                )
            })?;
        }
        write(&out, &text)?;
    }
    if cx.screen.json() {
        cx.screen.line(line("suite", json!({ "file": shown.to_string(), "tests": tests })));
    } else if matches.get_flag("locked") {
        cx.screen.line(format!("suite     {shown} is what the lock file gives, {tests} tests"));
    } else {
        cx.screen.line(format!("wrote {shown}: {tests} tests"));
    }
    Ok(0)
}

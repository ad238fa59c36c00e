//! `contract`: what a service's sources ask of its database.

pub(super) mod check;
mod generate;
mod lock;
mod schema;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use canary_postgres::contract::{Contract, Sources};
use clap::builder::{PathBufValueParser, ValueHint};
use clap::{Arg, ArgMatches, Command};

use super::Context;
use crate::error::{CommandError, ErrorKind, chain};

/// Where the lock file lies unless it is said.
const LOCK: &str = "sql-contract.lock";

/// The commands and their arguments; `base` makes a command with those that all have, `live` one with the settings of databases.
pub(crate) fn command(
    base: impl Fn(&'static str, &'static str) -> Command,
    live: impl Fn(&'static str, &'static str) -> Command,
) -> Command {
    Command::new("contract")
        .about("Reads what a service's sources ask of its database, and holds databases against it")
        .subcommand_required(true)
        .subcommand(lock::arguments(base("lock", "Writes the contract of the sources to sql-contract.lock")))
        .subcommand(generate::arguments(base("generate", "Writes a test suite from sql-contract.lock")))
        .subcommand(live(
            "check",
            "Holds live schemas against each other and against the contract; changes nothing",
        ))
}

/// Runs one of them.
pub(super) fn run(cx: &Context<'_>, matches: &ArgMatches) -> Result<u8, CommandError> {
    match matches.subcommand() {
        Some(("lock", matches)) => lock::lock(cx, matches),
        Some(("generate", matches)) => generate::generate(cx, matches),
        other => Err(CommandError::bug(format!("no command handles contract {other:?}"))),
    }
}

/// A path argument.
fn path(name: &'static str, value: &'static str, default: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name(value)
        .value_parser(PathBufValueParser::new())
        .value_hint(ValueHint::AnyPath)
        .default_value(default)
        .help(help)
}

/// Where the sources are.
fn source_argument() -> Arg {
    path("source", "DIR", ".", "The service's directory, with its Cargo.toml")
}

/// A path argument's value, relative to where the command was called.
fn at(cx: &Context<'_>, matches: &ArgMatches, name: &str) -> PathBuf {
    // proof: every path argument has a default.
    cx.environment.directory.join(matches.get_one::<PathBuf>(name).cloned().unwrap_or_default())
}

/// The contract of the sources as they are.
fn extracted(directory: &Path, tests: bool) -> Result<Contract, CommandError> {
    let mut sources = Sources::new(directory);
    sources.tests = tests;
    sources.extract().map_err(|error| {
        CommandError::usage(chain(&error), "name the directory of the service with --source")
    })
}

/// The contract in a lock file.
fn read(path: &Path) -> Result<Contract, CommandError> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        let hint = "write it with `canary-cli contract lock`, and commit it";
        CommandError::usage(format!("cannot read {shown}: {error}"), hint)
    })?;
    Contract::from_lock(&text).map_err(|error| {
        let hint = "delete it, write it anew with `canary-cli contract lock`, and look at the difference; do not edit it";
        CommandError::new(ErrorKind::Refused, format!("{shown}: {}", chain(&error)), hint)
    })
}

/// Writes a file whole or not at all.
fn write(path: &Path, text: &str) -> Result<(), CommandError> {
    let failed = |error: std::io::Error| {
        CommandError::usage(
            format!("cannot write {}: {error}", path.display()),
            "name another file with --out",
        )
    };
    let directory =
        path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".contract-")
        .permissions(readable())
        .tempfile_in(directory)
        .map_err(failed)?;
    std::io::Write::write_all(&mut file, text.as_bytes()).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// As other files in a repository are; the mask of the process applies.
fn readable() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o666)
}

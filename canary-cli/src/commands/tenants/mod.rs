//! `tenants`: service levels per tenant as a file.

pub(super) mod check;
mod convert;
mod diff;
mod explain;
mod lint;
mod probe;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use canary_core::time::Timestamp;
use canary_tenants::policy::{Lapsed, Policy, PolicyError, read};
use clap::builder::{PathBufValueParser, ValueHint};
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::Context;
use crate::error::{CommandError, Problem};

/// Where the policy lies unless it is said.
const POLICY: &str = "sla.yaml";
/// The largest file that is read.
const LARGEST: u64 = 64 << 20;

/// The commands and their arguments; `base` makes a command with those that all have, `recorded` one that writes the journal.
pub(crate) fn command(
    base: impl Fn(&'static str, &'static str) -> Command,
    recorded: impl Fn(&'static str, &'static str) -> Command,
) -> Command {
    let policy = |id: &'static str, help: &'static str| {
        Arg::new(id)
            .value_name("FILE")
            .value_parser(PathBufValueParser::new())
            .value_hint(ValueHint::FilePath)
            .help(help)
    };
    let option = || policy("sla", "The policy").long("sla").default_value(POLICY);
    Command::new("tenants")
        .about(
            "Reads service levels per tenant, says what holds for whom, and decides about a release by them",
        )
        .subcommand_required(true)
        .subcommand(check::arguments(
            recorded(
                "check",
                "Measures every tenant at every source and decides: 0 approve, 20 roll back, 22 halt",
            ),
            option(),
        ))
        .subcommand(
            base(
                "lint",
                "Checks a policy: its form, its names, its exceptions and whether they have expired",
            )
            .arg(policy("policy", "The policy").default_value(POLICY)),
        )
        .subcommand(
            base("explain", "Shows every value that holds for a tenant, and the line that says so")
                .arg(Arg::new("tenant").value_name("TENANT").required(true).help("The tenant's name"))
                .arg(option()),
        )
        .subcommand(probe::arguments(
            base(
                "probe",
                "Asks every tenant's own endpoint once, and says who answers as promised; decides nothing",
            ),
            option(),
        ))
        .subcommand(
            base("diff", "Shows for which tenants another policy changes what")
                .arg(policy("from", "The policy before").required(true))
                .arg(policy("to", "The policy after").required(true)),
        )
        .subcommand(
            base(
                "import",
                "Makes a policy of OpenSLO v1 documents and prints it; what is left out is told as notes",
            )
            .arg(policy("from", "The documents").required(true).action(ArgAction::Append)),
        )
        .subcommand(
            base("export", "Prints a policy as OpenSLO v1 documents; what is left out is told as notes")
                .arg(option()),
        )
}

/// Runs one of them.
pub(super) fn run(cx: &Context<'_>, matches: &ArgMatches) -> Result<u8, CommandError> {
    match matches.subcommand() {
        Some(("lint", matches)) => lint::lint(cx, &file(matches, "policy")),
        Some(("explain", matches)) => {
            let tenant = matches.get_one::<String>("tenant").map_or("", String::as_str);
            explain::explain(cx, &file(matches, "sla"), tenant)
        }
        Some(("diff", matches)) => diff::diff(cx, &file(matches, "from"), &file(matches, "to")),
        Some(("probe", matches)) => probe::probe(cx, matches),
        Some(("import", matches)) => {
            let files = matches.get_many::<PathBuf>("from").unwrap_or_default();
            convert::import(cx, &files.cloned().collect::<Vec<_>>())
        }
        Some(("export", matches)) => convert::export(cx, &file(matches, "sla")),
        other => Err(CommandError::bug(format!("no command handles tenants {other:?}"))),
    }
}

fn file(matches: &ArgMatches, id: &str) -> PathBuf {
    // proof: clap refuses the command without it, or has a default.
    matches.get_one::<PathBuf>(id).cloned().unwrap_or_default()
}

/// The text of a file that was named on the command line.
pub(crate) fn text(cx: &Context<'_>, path: &Path) -> Result<String, CommandError> {
    use std::io::Read as _;
    let failed = |error: std::io::Error| {
        let hint = "name the policy; docs/tenants.md shows one";
        CommandError::usage(format!("cannot read {}: {error}", path.display()), hint)
    };
    let mut text = String::new();
    let file = std::fs::File::open(cx.environment.directory.join(path)).map_err(failed)?;
    file.take(LARGEST + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > LARGEST {
        let message = format!("{} is larger than 64 MiB", path.display());
        return Err(CommandError::usage(message, "that is no policy"));
    }
    Ok(text)
}

/// The policy in a file, as it holds now.
fn policy(cx: &Context<'_>, path: &Path) -> Result<Policy, CommandError> {
    read_at(cx, path, Timestamp::from(SystemTime::now())).map(|(_, policy)| policy)
}

/// The text of a policy, and the policy as it holds at an instant.
fn read_at(cx: &Context<'_>, path: &Path, at: Timestamp) -> Result<(String, Policy), CommandError> {
    let text = text(cx, path)?;
    let file = read(&text, &path.display().to_string()).map_err(|error| refused(&error))?;
    Ok((text, file.at(at)))
}

/// Everything that is wrong with a file, as `file:line:column: what`.
pub(crate) fn refused(error: &PolicyError) -> CommandError {
    let told = error
        .problems
        .iter()
        .map(|problem| Problem::new(format!("{}:{problem}", error.file), problem.remedy.clone()));
    CommandError::settings(told.collect())
}

/// What an exception that has ended means, in words.
fn lapsed(file: &str, lapsed: &Lapsed) -> Problem {
    Problem::new(
        format!(
            "{file}:{}: {} ended with {}: what it loosens or exempts holds no more",
            lapsed.at, lapsed.of, lapsed.until
        ),
        "take it out of the file, or agree on another day",
    )
}

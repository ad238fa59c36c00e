//! The commands and their arguments.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::PathBufValueParser;
use clap::{Arg, ArgMatches, Command};

use crate::environment::Environment;
use crate::error::CommandError;
use crate::settings::reference;

/// All commands.
#[must_use]
pub fn command() -> Command {
    Command::new("canary-cli")
        .about("Ships a binary to a fleet, one node at a time, and takes it back when it is bad.")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("configuration").about("Prints every setting with its variable, flag and default"),
        )
}

/// The `-f` of every command that reads settings.
#[must_use]
pub fn file_argument() -> Arg {
    Arg::new("file")
        .short('f')
        .long("file")
        .value_name("PATH")
        .help("The configuration file [default: canary.toml, if there is one]")
        .value_parser(PathBufValueParser::new())
}

/// The file that was named with `-f`.
#[must_use]
pub fn named_file(matches: &ArgMatches) -> Option<PathBuf> {
    matches.get_one("file").cloned()
}

/// Runs one command of the process' own arguments and surroundings.
#[must_use]
pub fn main() -> ExitCode {
    let result = Environment::of_process()
        .map_err(|error| {
            CommandError::usage(
                format!("cannot tell the current directory: {error}"),
                "change to one that exists",
            )
        })
        .and_then(|environment| run(std::env::args_os().collect(), &environment));
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            // proof: when standard error is gone there is nobody left to tell.
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// Runs one command; the result is the exit code.
///
/// # Errors
/// What stopped the command.
pub fn run(arguments: Vec<OsString>, _environment: &Environment) -> Result<u8, CommandError> {
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        // Help and version come as errors, too.
        Err(error) if error.exit_code() == 0 => {
            print(&error.to_string());
            return Ok(0);
        }
        Err(error) => return Err(error.into()),
    };
    match matches.subcommand() {
        Some(("configuration", _)) => {
            print(&reference::markdown());
            Ok(0)
        }
        other => Err(CommandError::bug(format!("no command handles {other:?}"))),
    }
}

/// Writes to standard output; a reader that went away is no error.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

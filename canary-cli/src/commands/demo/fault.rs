//! What the demo's second release does wrong, and the service itself.

use std::io::Write as _;
use std::net::SocketAddr;

use canary_core::engine::Outcome;
use canary_demo::service::{Fault as ServiceFault, Trailer, run, running_trailer};
use clap::ArgMatches;

use crate::error::{CommandError, ErrorKind};

/// The names of `--fault`.
pub(crate) const FAULTS: [&str; 6] = ["errors", "latency", "crash", "health", "slow-start", "none"];

/// What a release does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Errors,
    Latency,
    Crash,
    Health,
    SlowStart,
    None,
}

impl Fault {
    /// The fault that was asked for.
    pub(super) fn named(matches: &ArgMatches) -> Result<Self, CommandError> {
        Ok(match matches.get_one::<String>("fault").map(String::as_str) {
            Some("errors") => Self::Errors,
            Some("latency") => Self::Latency,
            Some("crash") => Self::Crash,
            Some("health") => Self::Health,
            Some("slow-start") => Self::SlowStart,
            Some("none") => Self::None,
            other => return Err(CommandError::bug(format!("no fault is called {other:?}"))),
        })
    }

    /// What it is, for a headline.
    pub(super) const fn story(self) -> &'static str {
        match self {
            Self::Errors => "which answers every fifth request with 500",
            Self::Latency => "which takes 0.8 s for a request",
            Self::Crash => "which crashes at start",
            Self::Health => "whose health check answers 500",
            Self::SlowStart => "which takes 3 s to start",
            Self::None => "a good release",
        }
    }

    /// Whether a rollout of it should end so.
    pub(super) const fn expects(self, outcome: &Outcome) -> bool {
        match self {
            Self::Errors | Self::Latency | Self::Crash | Self::Health => {
                matches!(outcome, Outcome::RolledBack { .. })
            }
            Self::SlowStart | Self::None => matches!(outcome, Outcome::Completed { changed: true }),
        }
    }

    /// The release's last line, which its digest and its behaviour come from.
    pub(super) fn trailer(self, version: &str) -> Trailer {
        let trailer = Trailer::new(version);
        match self {
            Self::Errors => trailer.with(ServiceFault::Errors { rate_ppm: 200_000 }),
            Self::Latency => trailer.with(ServiceFault::Latency { rate_ppm: 1_000_000, ms: 800 }),
            Self::Crash => trailer.with(ServiceFault::Crash),
            Self::Health => trailer.with(ServiceFault::Health),
            Self::SlowStart => trailer.with(ServiceFault::SlowStart { ms: 3000 }),
            Self::None => trailer,
        }
    }
}

/// The demo's service, in this program's own file: what a node runs.
pub(crate) fn serve(matches: &ArgMatches) -> Result<u8, CommandError> {
    let stopped =
        |error: &dyn std::fmt::Display| CommandError::new(ErrorKind::Refused, error.to_string(), "");
    let listen = matches.get_one::<SocketAddr>("listen").copied();
    let listen = listen.ok_or_else(|| CommandError::usage("the demo's service needs --listen", ""))?;
    let trailer = running_trailer().map_err(|e| stopped(&e))?;
    let trailer =
        trailer.ok_or_else(|| CommandError::usage("only a release of the demo can be served", ""))?;
    super::super::runtime()?.block_on(run(listen, trailer, log)).map_err(|e| stopped(&e))?;
    Ok(0)
}

/// One line for the node's log; a closed stderr is no reason to stop serving.
fn log(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

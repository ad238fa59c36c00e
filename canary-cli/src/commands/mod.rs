//! The commands, one file each, and what they share.

mod ask;
mod conduct;
pub(crate) mod contract;
pub(crate) mod decided;
pub(crate) mod demo;
mod doctor;
mod examine;
mod gate;
pub(crate) mod grants;
mod heart;
pub(crate) mod init;
mod journal;
mod keep;
pub(crate) mod listed;
mod log;
mod looking;
mod notify;
mod plan;
pub(crate) mod record;
pub(crate) mod replay;
mod report;
mod resume;
mod rollback;
mod run;
mod serve;
mod signals;
pub(crate) mod simulate;
mod status;
mod store;
pub(crate) mod tenants;
mod way_back;

#[cfg(test)]
mod tests;

use std::time::Duration;

use canary_core::engine::{Order, Report};
use canary_core::fleet::Artifact;
use canary_core::journal::{RolloutId, Wish};
use canary_core::traits::Clock;
use clap::ArgMatches;
use serde_json::json;

use crate::environment::Environment;
use crate::error::{CommandError, ErrorKind, chain};
use crate::render::{Screen, line};
use crate::settings::{Key, Settings};
use crate::telling::Telling;

/// What every command works with.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) settings: Settings,
    pub(crate) environment: &'a Environment,
    pub(crate) screen: &'a Screen,
    pub(crate) telling: Telling,
}

/// Runs a command; the result is the exit code.
pub(crate) fn dispatch(name: &str, matches: &ArgMatches, cx: Context<'_>) -> Result<u8, CommandError> {
    if name == "log" {
        return of_log(&cx, matches);
    }
    if name == "contract" && matches.subcommand_name() != Some("check") {
        return contract::run(&cx, matches);
    }
    if name == "tenants" && matches.subcommand_name() != Some("check") {
        return tenants::run(&cx, matches);
    }
    if name == "simulate" {
        return simulate::run(&cx, matches);
    }
    if name == "report" {
        return report::report(&cx, matches);
    }
    let runtime = runtime()?;
    crate::telemetry::trace(&cx, runtime.handle().clone());
    let (telling, screen) = (cx.telling.clone(), cx.screen);
    let result = runtime.block_on(async {
        let result = match name {
            "run" => run::run(&cx).await,
            "plan" => plan::plan(&cx).await,
            "resume" => resume::resume(&cx, matches.get_flag("back")).await,
            "rollback" => rollback::rollback(cx, matches.get_flag("dry-run")).await,
            "pause" => ask::ask(&cx, Wish::Pause).await,
            "promote" => ask::ask(&cx, Wish::Promote).await,
            "abort" => ask::ask(&cx, Wish::Abort).await,
            "status" if matches.get_flag("watch") => {
                status::watch(&cx, matches.get_flag("exit-status")).await
            }
            "status" => status::status(&cx).await,
            "doctor" => doctor::doctor(&cx, matches.get_flag("settings")).await,
            "gate" => {
                let output = matches.get_one::<String>("output").map(String::as_str);
                gate::gate(&cx, gate::Form::of(output)).await
            }
            "contract" => contract::check::check(&cx).await,
            "tenants" => {
                tenants::check::check(&cx, matches.subcommand_matches("check").unwrap_or(matches)).await
            }
            "serve" => serve::serve(&cx).await,
            "notify" if matches.subcommand_name() == Some("flush") => notify::flush(&cx).await,
            "notify" => notify::test(&cx).await,
            other => Err(CommandError::bug(format!("no command handles {other:?}"))),
        };
        telling.ended(screen, &result).await;
        result
    });
    // A thread that reads a file and never comes back must not keep a command that has been cut off.
    runtime.shutdown_timeout(LAST_THREADS);
    result
}

/// What is done with a journal that is there.
fn of_log(cx: &Context<'_>, matches: &ArgMatches) -> Result<u8, CommandError> {
    if let Some((name, matches)) = matches.subcommand()
        && let Some(result) = decided::run(cx, name, matches)
    {
        return result;
    }
    match matches.subcommand() {
        Some(("show", matches)) => log::show(cx, matches),
        Some(("list", _)) => log::list(cx),
        Some(("explain", matches)) => log::explain(cx, matches),
        Some(("verify", matches)) => record::check(cx, matches),
        Some(("anchor", matches)) => record::anchor(cx, matches),
        Some(("replay", matches)) => replay::run(cx, matches),
        Some(("rotate-key", matches)) => runtime()?.block_on(record::rotate(cx, matches)),
        other => Err(CommandError::bug(format!("no command handles log {other:?}"))),
    }
}

/// How long threads that block may go on after a command has ended.
const LAST_THREADS: Duration = Duration::from_secs(2);

/// The one runtime of a command.
fn runtime() -> Result<tokio::runtime::Runtime, CommandError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| CommandError::new(ErrorKind::Refused, format!("cannot start threads: {error}"), ""))
}

impl Context<'_> {
    /// The artifact that was named, read through.
    fn artifact(&self) -> Result<Artifact, CommandError> {
        let Some(path) = &self.settings.artifact else {
            return Err(CommandError::usage(
                "no artifact is named",
                "set ARTIFACT=PATH, or --artifact PATH, or release.artifact in the file",
            ));
        };
        Artifact::read(path).map_err(|error| {
            let origin = self.settings.layers.origin(Key::Artifact);
            let message = format!("release.artifact ({origin}): {}", chain(&error));
            CommandError::usage(message, "name the binary to ship: a regular file with bytes in it")
        })
    }

    /// A new rollout's id, actor and reason.
    fn order(&self, clock: &dyn Clock) -> Result<Order, CommandError> {
        let random = u32::from_ne_bytes(random::<4>()?);
        let order = Order {
            rollout: RolloutId::new(clock.now(), random),
            actor: self.settings.actor.clone(),
            reason: self.settings.reason.clone(),
        };
        self.telling.begin(&order);
        Ok(order)
    }

    /// Tells programs how a rollout ended; people have been told by its last record.
    fn ended(&self, report: &Report) -> u8 {
        let code = report.outcome.exit_code();
        if self.screen.json() {
            self.screen.line(line(
                "end",
                json!({ "rollout": report.rollout, "outcome": report.outcome, "exit_code": code }),
            ));
        }
        code
    }

    /// Says what looks wrong in the settings but stops nothing.
    fn warn(&self) {
        for warning in &self.settings.layers.warnings {
            if self.screen.json() {
                self.screen.line(line("warning", json!({ "message": warning })));
            } else {
                self.screen.line(self.screen.paint.careful(&format!("warning: {warning}")));
            }
        }
    }
}

/// Random bytes of the operating system.
fn random<const N: usize>() -> Result<[u8; N], CommandError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        CommandError::new(ErrorKind::Refused, format!("the system gives no random numbers: {error}"), "")
    })?;
    Ok(bytes)
}

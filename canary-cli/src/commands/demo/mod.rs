//! `demo`: three processes of a small real service, real traffic, a good release and a bad one; nothing to install.

mod fault;
mod page;
mod stage;

use std::fmt::Display;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use canary_core::control::Control;
use canary_core::engine::Outcome;
use canary_demo::load::{Load, LoadOptions, Summary};
use clap::ArgMatches;

use super::signals;
use crate::environment::Environment;
use crate::error::{CommandError, ErrorKind};
use crate::render::Screen;
use crate::telling::Telling;

use fault::Fault;
pub(crate) use fault::{FAULTS, serve};
use page::Page;
use stage::Stage;

/// Requests a second that the demo's clients send.
const RATE: u32 = 200;
/// How often the clients' counts are shown.
const TOLD_EVERY: Duration = Duration::from_millis(250);
/// The demo ends by itself long before this.
const LONGEST: Duration = Duration::from_secs(120);

/// Runs the demo; the result is the exit code.
pub(crate) fn demo(
    program: &str,
    matches: &ArgMatches,
    environment: &Environment,
    screen: &Screen,
) -> Result<u8, CommandError> {
    let fault = Fault::named(matches)?;
    let page = Page::wanted(matches, environment)?;
    super::runtime()?.block_on(async {
        let control = Control::default();
        let _signals =
            signals::listen(control.clone(), environment.actor(), screen.clone(), Telling::default())?;
        screen.note("bringing up three nodes");
        let stage = tokio::select! {
            stage = Stage::set(environment) => stage?,
            () = asked(&control) => return Ok(ErrorKind::Interrupted.exit_code()),
        };
        screen.close();
        let ended = play(&stage, fault, &control, screen).await;
        let written = page.map(|page| page.write(&stage.journal()));
        let cleared = stage.clear().await;
        let (code, summary) = ended?;
        let file = cleared?;
        epilogue(screen, program, &file, &summary);
        if let Some(path) = written.transpose()?.flatten() {
            screen.line(format!("The page about the last release is {}.", path.display()));
        }
        Ok(code)
    })
}

/// Ships the releases under load; gives the exit code and what the clients saw.
async fn play(
    stage: &Stage,
    fault: Fault,
    control: &Control,
    screen: &Screen,
) -> Result<(u8, Summary), CommandError> {
    screen.line(format!("{} nodes of release v1 behind {}", stage.nodes(), stage.url()));
    screen.line(format!("clients send {RATE} requests a second; Ctrl-C ends it all"));
    let options = LoadOptions {
        connections: 8,
        rate_per_second: Some(RATE),
        paths: vec!["/".to_owned(), "/work?ms=5".to_owned()],
        max_duration: LONGEST,
        ..LoadOptions::default()
    };
    let load = Load::start(&stage.url(), options).await.map_err(|e| failed("start the clients", &e))?;
    let (outcome, expected) = {
        let mut shipping = pin!(ship(stage, fault, control, screen));
        loop {
            tokio::select! {
                shipped = &mut shipping => break shipped?,
                () = tokio::time::sleep(TOLD_EVERY) => screen.beside(format!("clients: {}", counted(&load.snapshot()))),
            }
        }
    };
    let summary = load.stop().await;
    let code = match outcome {
        Outcome::Interrupted { .. } => outcome.exit_code(),
        _ if control.end_asked().is_some() => ErrorKind::Interrupted.exit_code(),
        _ if expected => 0,
        other => {
            let text = format!("the demo did not end as it should: {other}");
            return Err(CommandError::new(ErrorKind::Bug, text, "report it, with the lines above"));
        }
    };
    Ok((code, summary))
}

/// Ships the good release and then the other; gives the last outcome, and whether both were as they should be.
async fn ship(
    stage: &Stage,
    fault: Fault,
    control: &Control,
    screen: &Screen,
) -> Result<(Outcome, bool), CommandError> {
    heading(screen, "v2, a good release");
    let mut outcome = stage.ship("v2", Fault::None, control, screen).await?;
    let mut expected = matches!(outcome, Outcome::Completed { changed: true });
    if expected && fault != Fault::None {
        heading(screen, &format!("v3, {}", fault.story()));
        outcome = stage.ship("v3", fault, control, screen).await?;
        expected = fault.expects(&outcome);
    }
    Ok((outcome, expected))
}

/// `2069 requests, 2042 answered well, 27 failed`.
fn counted(summary: &Summary) -> String {
    format!("{} requests, {} answered well, {} failed", summary.sent, summary.ok, summary.failed_total)
}

fn heading(screen: &Screen, text: &str) {
    screen.line("");
    screen.line(screen.paint.strong(text));
}

fn epilogue(screen: &Screen, program: &str, file: &Path, summary: &Summary) {
    heading(screen, "what the clients saw");
    screen.line(counted(summary));
    for (version, statuses) in &summary.by_version {
        let counts: Vec<_> = statuses.iter().map(|(status, n)| format!("{n} x {status}")).collect();
        screen.line(format!("  release {version}: {}", counts.join(", ")));
    }
    let others = summary.failed_not_by("v3").count();
    screen.line(format!("  failed otherwise: {others} (drains and restarts lose nothing)"));
    heading(screen, "what to look at");
    let file = file.display();
    screen.line(format!("  {program} status -f {file}"));
    screen.line(format!("  {program} log explain -f {file}"));
    screen.line(format!("  {program} log list -f {file}"));
    screen.line(format!("  {program} report -f {file}"));
    screen
        .line("Nothing runs any more; the journal and its settings in that directory are all that is left.");
}

/// Returns once a wish to stop was heard.
async fn asked(control: &Control) {
    while control.end_asked().is_none() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What the demo could not do, and why.
fn failed(what: &str, error: &dyn Display) -> CommandError {
    let hint = "the demo needs free ports on loopback and some hundred MB in TMPDIR";
    CommandError::new(ErrorKind::Refused, format!("cannot {what}: {error}"), hint)
}

//! `status --watch`: follows the rollout of another process by its journal, until it ends.

use std::time::{Duration, Instant};

use canary_core::engine::Outcome;
use canary_core::journal::{Entry, Record};
use canary_core::traits::{Event, EventSink as _};
use serde_json::json;
use tokio::signal::unix::Signal;

use super::tail::Tail;
use super::{in_use, status};
use crate::commands::Context;
use crate::commands::journal::explain;
use crate::commands::looking::{Looking, look_on};
use crate::commands::signals;
use crate::error::{CommandError, ErrorKind};
use crate::render::{ScreenSink, line};
use crate::wiring::Fleet;

/// How often the journal is looked at.
const PAUSE: Duration = Duration::from_millis(250);
/// After so long without a record is looked whether a process still has the journal.
const QUIET: Duration = Duration::from_secs(2);

/// Why following ended.
enum End {
    /// The rollout ended.
    Outcome(Outcome),
    /// The rollout has not ended, but nobody is at work on it.
    Unfinished,
    /// There has been no rollout.
    None,
    /// A signal came.
    Stopped,
}

/// Follows the rollout in progress until it ends; without one, shows how the last one ended. The result is 0, with
/// `exit_status` the rollout's own exit code; after a signal it is 130 in both cases.
pub(in crate::commands) async fn watch(cx: &Context<'_>, exit_status: bool) -> Result<u8, CommandError> {
    let end = follow(cx).await?;
    Ok(match end {
        End::Stopped => ErrorKind::Interrupted.exit_code(),
        _ if !exit_status => 0,
        End::Outcome(outcome) => outcome.exit_code(),
        End::Unfinished => ErrorKind::Interrupted.exit_code(),
        End::None => ErrorKind::Usage.exit_code(),
    })
}

async fn follow(cx: &Context<'_>) -> Result<End, CommandError> {
    let mut signals = signals::all()?;
    let mut tail = Tail::new(cx.journal_path());
    let mut last = Last::default();
    tail.read(|record| last.take(record)).map_err(|error| explain(&error))?;
    if !in_use(&cx.journal_path()) {
        status(cx).await?;
        return Ok(last.end());
    }
    let mut fresh = last.unfinished();
    if fresh.is_empty() {
        cx.screen.note("waiting for the rollout that is being prepared");
    }
    let sink = ScreenSink::new(cx.screen.clone());
    let mut heard = Instant::now();
    let mut looking = None;
    loop {
        for record in fresh.drain(..) {
            heard = Instant::now();
            sink.emit(&Event::Recorded(&record));
            if let Some(outcome) = ended(&record.entry) {
                tell(cx, &record, &outcome);
                return Ok(End::Outcome(outcome));
            }
        }
        // Not before the first lines: to set the backends up takes time.
        if looking.is_none() {
            looking = Some(look(cx).await);
        }
        tokio::select! {
            () = any(&mut signals) => return Ok(End::Stopped),
            () = tokio::time::sleep(PAUSE) => {}
        }
        // A process that ended wrote its last record before it gave the journal up.
        let quiet = heard.elapsed() >= QUIET;
        let gone = quiet && !in_use(&cx.journal_path());
        let about = |record: &Record| record.entry.rollout().is_some();
        tail.read(|record| fresh.extend(Some(record).filter(about))).map_err(|error| explain(&error))?;
        if gone && fresh.is_empty() {
            drop(looking);
            cx.screen.close();
            status(cx).await?;
            return Ok(End::Unfinished);
        }
        if quiet {
            heard = Instant::now();
        }
    }
}

/// How a rollout ended, if that is what an entry says.
fn ended(entry: &Entry) -> Option<Outcome> {
    match entry {
        Entry::Finished { outcome, .. } => Some(outcome.clone()),
        Entry::Refused { reasons, .. } => Some(Outcome::Refused { reasons: reasons.clone() }),
        _ => None,
    }
}

/// Tells programs how it ended, as `run` does; people have been told by the last record.
fn tell(cx: &Context<'_>, record: &Record, outcome: &Outcome) {
    if cx.screen.json() {
        let fields = json!({
            "rollout": record.entry.rollout(), "outcome": outcome, "exit_code": outcome.exit_code()
        });
        cx.screen.line(line("end", fields));
    }
}

/// Looks at the balancer for the view; settings that give none leave the view without.
async fn look(cx: &Context<'_>) -> Option<Looking> {
    if !cx.screen.live() {
        return None;
    }
    let mut settings = cx.settings.clone();
    settings.spec.watch = None;
    let fleet = Fleet::of(&settings).await.ok()?;
    Some(look_on(cx.screen, &fleet.backends(None, Vec::new()).lb))
}

/// The records of the last rollout.
#[derive(Debug, Default)]
struct Last(Vec<Record>);

impl Last {
    fn take(&mut self, record: Record) {
        let Some(rollout) = record.entry.rollout() else { return };
        if self.0.last().is_some_and(|last| last.entry.rollout() != Some(rollout)) {
            self.0.clear();
        }
        self.0.push(record);
    }

    fn end(&self) -> End {
        let Some(last) = self.0.last() else { return End::None };
        ended(&last.entry).map_or(End::Unfinished, End::Outcome)
    }

    /// The records, if the rollout has not ended.
    fn unfinished(self) -> Vec<Record> {
        if matches!(self.end(), End::Unfinished) { self.0 } else { Vec::new() }
    }
}

/// Returns when a signal came.
async fn any([interrupt, terminate, hangup]: &mut [Signal; 3]) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
}

//! `pause`, `promote`, `abort`: asked from any terminal, answered by the engine that is at work.

use std::time::{Duration, Instant};

use canary_core::control::InboxError;
use canary_core::journal::{Entry, Record, Request, RolloutView, Wish, rollouts};
use canary_core::plan::Purpose;
use canary_core::traits::{Clock, SystemClock};
use serde_json::json;

use super::status::in_use;
use super::{Context, random};
use crate::error::{CommandError, ErrorKind, chain};
use crate::render::line;

/// How long an engine may take to answer: it looks every fifth of a second, but may be busy writing.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often the journal is looked at for the answer.
const PAUSE: Duration = Duration::from_millis(100);

/// What became of a request.
enum Heard {
    Granted,
    Refused(String),
    /// The rollout ended first, like this.
    Ended(String),
    Nobody,
}

pub(super) async fn ask(cx: &Context<'_>, wish: Wish) -> Result<u8, CommandError> {
    cx.warn();
    let view = rollouts(&cx.read_journal()?.records).pop().filter(RolloutView::unfinished);
    let Some(view) = view else {
        let service = &cx.settings.spec.service;
        let message =
            format!("service {service} has no rollout in progress: there is nothing to {}", wish.as_str());
        return Err(CommandError::new(
            ErrorKind::Refused,
            message,
            "`canary-cli status` shows how the last one ended; `canary-cli rollback` takes a finished one back",
        ));
    };
    if !in_use(&cx.journal_path()) {
        return nobody_at_work(cx, wish, view).await;
    }
    let id = id()?;
    let reason = cx.settings.reason.clone();
    let request = Request { reason, ..Request::new(wish, cx.settings.actor.as_str()) };
    cx.inbox().leave(&view.id, &id, &request).map_err(|error| cannot_ask(&error))?;
    let heard = listen(cx, &view, &id).await?;
    tell(cx, wish, &view, heard)
}

/// Waits for the engine's answer in the journal; a request that nobody answers is taken away again.
async fn listen(cx: &Context<'_>, view: &RolloutView, id: &str) -> Result<Heard, CommandError> {
    let begun = Instant::now();
    let mut withdrawn = false;
    loop {
        let records = cx.read_journal()?.records;
        if let Some(heard) = answer(&records, id) {
            return Ok(heard);
        }
        let now = rollouts(&records).pop().filter(|last| last.id == view.id);
        if let Some(outcome) = now.as_ref().and_then(|now| now.history.finished()) {
            cx.inbox().remove(id).map_err(|error| cannot_ask(&error))?;
            return Ok(Heard::Ended(outcome.to_string()));
        }
        match (begun.elapsed() >= PATIENCE, withdrawn) {
            (false, _) => {}
            // The engine may be reading it at this moment: one more look after it is gone.
            (true, false) => {
                cx.inbox().remove(id).map_err(|error| cannot_ask(&error))?;
                withdrawn = true;
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
            (true, true) => return Ok(Heard::Nobody),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn answer(records: &[Record], id: &str) -> Option<Heard> {
    records.iter().rev().find_map(|record| match &record.entry {
        Entry::Asked { request, refused, .. } if request.id.as_deref() == Some(id) => {
            Some(refused.clone().map_or(Heard::Granted, Heard::Refused))
        }
        _ => None,
    })
}

fn tell(cx: &Context<'_>, wish: Wish, view: &RolloutView, heard: Heard) -> Result<u8, CommandError> {
    let verb = wish.as_str();
    let (message, hint) = match heard {
        Heard::Granted => {
            let text = match wish {
                Wish::Pause => {
                    "it begins no further node: `canary-cli promote` lets it go on, `canary-cli abort` takes it back"
                }
                Wish::Promote => "it goes on",
                Wish::Stop | Wish::Abort => "it goes back: `canary-cli status` shows how far it is",
            };
            if cx.screen.json() {
                cx.screen.line(line("asked", json!({ "rollout": view.id, "wish": wish, "granted": true })));
            } else {
                cx.screen.line(format!("rollout {}: {text}", view.id));
            }
            return Ok(0);
        }
        Heard::Refused(why) => {
            (format!("the rollout was not asked to {verb}: {why}"), "`canary-cli status` shows how far it is")
        }
        Heard::Ended(outcome) => (
            format!("the rollout ended before it could {verb}: {outcome}"),
            "`canary-cli status` shows what is where",
        ),
        Heard::Nobody => (
            format!(
                "the engine at work did not answer within {}; nothing was asked of it",
                humantime::format_duration(PATIENCE)
            ),
            "`canary-cli log show --all` names its process; if that hangs, end it and run the command again",
        ),
    };
    Err(CommandError::new(ErrorKind::Refused, message, hint))
}

/// An interrupted rollout can be taken back from here; for the rest somebody must be at work.
async fn nobody_at_work(cx: &Context<'_>, wish: Wish, view: RolloutView) -> Result<u8, CommandError> {
    if wish == Wish::Abort && view.plan.purpose == Purpose::RollOut {
        let clock: std::sync::Arc<dyn Clock> = std::sync::Arc::new(SystemClock::new());
        let open = cx.open_journal(&clock).await?;
        // Between the look and the lock somebody else may have ended it.
        if let Some(view) = open.unfinished() {
            return super::resume::go_on(cx, open.journal, view, true).await;
        }
    }
    Err(CommandError::new(
        ErrorKind::Refused,
        format!(
            "rollout {} was interrupted and nobody is at work on it: there is nobody to {}",
            view.id,
            wish.as_str()
        ),
        "`canary-cli resume` goes on with it, `canary-cli abort` takes it back",
    ))
}

fn cannot_ask(error: &InboxError) -> CommandError {
    CommandError::new(
        ErrorKind::Refused,
        chain(error),
        "run it as the user that the rollout runs as, with the same CANARY_STATE_DIR",
    )
}

/// An id that nobody had before.
fn id() -> Result<String, CommandError> {
    use std::fmt::Write as _;
    Ok(random::<8>()?.iter().fold(String::new(), |mut id, byte| {
        // proof: writing to a String cannot fail.
        let _ = write!(id, "{byte:02x}");
        id
    }))
}

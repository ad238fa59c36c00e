//! `resume`: go on with an interrupted rollout from its journal and the live fleet.

use std::sync::Arc;

use canary_core::control::Control;
use canary_core::engine::{self, Order};
use canary_core::journal::{FileJournal, Request, RolloutView, Wish};
use canary_core::plan::Purpose;
use canary_core::traits::{Clock, EventSink, Journal as _, SystemClock};

use super::journal::explain;
use super::{Context, conduct::conduct, looking};
use crate::error::{CommandError, ErrorKind};
use crate::render::{ScreenSink, plan_lines};
use crate::wiring::Fleet;

pub(super) async fn resume(cx: &Context<'_>, back: bool) -> Result<u8, CommandError> {
    cx.warn();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let open = cx.open_journal(&clock).await?;
    let Some(view) = open.unfinished() else {
        return Err(CommandError::new(
            ErrorKind::Refused,
            format!("service {} has no unfinished rollout", cx.settings.spec.service),
            "`canary-cli run` starts one; `canary-cli log list` shows those that ended",
        ));
    };
    if back && view.plan.purpose == Purpose::RollBack {
        return Err(CommandError::new(
            ErrorKind::Refused,
            "what is unfinished is a rollback: there is nothing to go back to",
            "`canary-cli resume` finishes it",
        ));
    }
    go_on(cx, open.journal, view, back).await
}

/// Goes on with a rollout by its own plan, whatever the settings say now.
pub(super) async fn go_on(
    cx: &Context<'_>,
    journal: Arc<FileJournal>,
    view: RolloutView,
    back: bool,
) -> Result<u8, CommandError> {
    cx.telling.begin(&Order {
        rollout: view.id.clone(),
        actor: cx.settings.actor.clone(),
        reason: view.reason.clone(),
    });
    let mut settings = cx.settings.clone();
    settings.spec = view.plan.spec.clone();
    let fleet = Fleet::of(&settings).await?;
    if !cx.screen.json() {
        cx.screen.line(format!("going on with what {} started at {}", view.actor, view.started));
        cx.screen.lines(plan_lines(&view.plan, cx.screen.paint));
    }
    let records = journal.records().await.map_err(|error| explain(&error))?;
    let sink = ScreenSink::resuming(cx.screen.clone(), view.plan.clone(), &records);
    let sink: Arc<dyn EventSink> = Arc::new(sink);
    cx.telling.announce(cx, &fleet)?;
    let backends = fleet.backends(Some(journal), cx.telling.with(sink));
    let control = Control::default();
    let actor = cx.settings.actor.clone();
    if back {
        control
            .ask(Request { reason: cx.settings.reason.clone(), ..Request::new(Wish::Abort, actor.as_str()) });
    }
    let rollout = view.id.clone();
    let engine = engine::resume(&backends, view, actor, &control);
    let _looking = looking::look_on(cx.screen, &backends.lb);
    let report = conduct(cx, &rollout, &control, engine).await?;
    Ok(cx.ended(&report))
}

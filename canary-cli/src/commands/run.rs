//! `run`: look at everything, then ship; or go on with what was begun.

use std::sync::Arc;

use canary_core::control::Control;
use canary_core::engine::roll_out;
use canary_core::fleet::Artifact;
use canary_core::journal::RolloutView;
use canary_core::plan::Purpose;
use canary_core::traits::EventSink;
use serde_json::json;

use super::journal::explain;
use super::{Context, conduct::conduct, keep, looking};
use crate::error::{CommandError, ErrorKind};
use crate::render::{ScreenSink, line};
use crate::wiring::{self, Fleet};

pub(super) async fn run(cx: &Context<'_>) -> Result<u8, CommandError> {
    let artifact = cx.artifact()?;
    let gate = wiring::gate(&cx.settings, cx.environment, cx.released().running.as_ref())?;
    cx.warn();
    let fleet = Fleet::of(&cx.settings).await?;
    let open = cx.open_journal(&fleet.clock).await?;
    if let Some(view) = open.unfinished() {
        check_same(&view, &artifact)?;
        return super::resume::go_on(cx, open.journal, view, false).await;
    }
    let order = cx.order(fleet.clock.as_ref())?;
    cx.telling.announce(cx, &fleet)?;
    let sink: Arc<dyn EventSink> = Arc::new(ScreenSink::new(cx.screen.clone()));
    let backends = fleet.backends(Some(open.journal), cx.telling.with(sink));
    cx.screen.note("looking at everything a rollout needs; nothing is changed yet");
    let seen = cx.examine(&fleet, &backends, &gate, artifact, &order).await?;
    let (Some(plan), Some(permit), true) = (seen.plan, seen.review.permit(), seen.reasons.is_empty()) else {
        backends.refuse(&order, seen.reasons.clone()).await.map_err(|error| explain(&error))?;
        if cx.screen.json() {
            cx.screen.line(line(
                "end",
                json!({ "rollout": order.rollout, "outcome": { "outcome": "refused",
                "reasons": seen.reasons }, "exit_code": ErrorKind::Refused.exit_code() }),
            ));
        }
        return Ok(ErrorKind::Refused.exit_code());
    };
    keep::contract(cx, &plan)?;
    let (control, rollout) = (Control::default(), order.rollout.clone());
    let engine = roll_out(&backends, plan, permit, order, &control);
    let _looking = looking::look_on(cx.screen, &backends.lb);
    let report = conduct(cx, &rollout, &control, engine).await?;
    Ok(cx.ended(&report))
}

/// An unfinished rollout goes on when it is the same release; any other has to be dealt with first.
fn check_same(view: &RolloutView, artifact: &Artifact) -> Result<(), CommandError> {
    if view.plan.purpose == Purpose::RollOut && view.plan.artifact.facts == artifact.facts {
        return Ok(());
    }
    let what = match view.plan.purpose {
        Purpose::RollOut => "rollout",
        Purpose::RollBack => "rollback",
    };
    Err(CommandError::new(
        ErrorKind::Refused,
        format!(
            "a {what} of {} ({}) that {} started at {} is not finished",
            view.plan.artifact.facts.sha256.short(),
            view.plan.artifact.path.display(),
            view.actor,
            view.started
        ),
        "`canary-cli resume` goes on with it, `canary-cli abort` takes it back; then run again",
    ))
}

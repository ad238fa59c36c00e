//! Tracing: a span a rollout, a span a step in it, events for what happens within. Nothing is decided from them.

use tracing::field::Empty;
use tracing::{Span, info, info_span, warn};

use super::{Order, Plan};
use crate::journal::{Entry, StepResult};
use crate::plan::{Direction, Purpose, Step};
use crate::traits::Progress;

/// The span of a rollout; `outcome` is filled in at its end.
pub(super) fn rollout(plan: &Plan, order: &Order) -> Span {
    let purpose = match plan.purpose {
        Purpose::RollOut => "roll_out",
        Purpose::RollBack => "roll_back",
    };
    info_span!(
        "rollout",
        rollout = %order.rollout,
        service = %plan.spec.service,
        purpose,
        artifact = %plan.artifact.facts.sha256.short(),
        outcome = Empty,
    )
}

/// The span of a step; `result` is `done`, `unchanged`, `failed` or `stopped` at its end.
pub(super) fn step(order: &Order, step: &Step) -> Span {
    let direction = match step.direction {
        Direction::Forward => "forward",
        Direction::Back => "back",
    };
    info_span!(
        "step",
        rollout = %order.rollout,
        node = step.node.as_ref().map_or("", |node| node.as_str()),
        action = step.action.as_str(),
        direction,
        result = Empty,
        error = Empty,
    )
}

/// Notes how the current step ended.
pub(super) fn step_ended(result: &StepResult) {
    let span = Span::current();
    match result {
        StepResult::Done { changed: true } => span.record("result", "done"),
        StepResult::Done { changed: false } => span.record("result", "unchanged"),
        StepResult::Failed { message, .. } => {
            warn!(%message, "the step failed");
            span.record("result", "failed").record("error", message)
        }
    };
}

/// Notes that the current step ended early because somebody asked for it.
pub(super) fn step_stopped() {
    info!("the step was stopped");
    Span::current().record("result", "stopped");
}

/// Tells of what a record says beyond its step's beginning and end.
pub(super) fn recorded(entry: &Entry) {
    match entry {
        Entry::Retried { error, attempt, delay, .. } => {
            warn!(attempt, delay_ms = delay.as_millis() as u64, %error, "a call failed and is tried again");
        }
        Entry::Calibrated { comparison, .. } => info!(%comparison, "compared with the baseline"),
        Entry::Observed { observation, .. } => {
            info!(verdict = ?observation.verdict, reason = %observation.reason(), "probe");
        }
        Entry::Asked { request, refused, .. } => {
            info!(actor = %request.actor, wish = request.wish.as_str(), granted = refused.is_none(), "asked");
        }
        Entry::Finished { outcome, .. } => info!(%outcome, "the rollout ended"),
        _ => {}
    }
}

/// Tells that a record could not be written.
pub(super) fn unrecorded(why: &str) {
    tracing::error!(%why, "a record could not be written");
}

/// Whether anybody traces waits.
pub(super) fn waits_are_traced() -> bool {
    tracing::enabled!(tracing::Level::DEBUG)
}

/// Tells what is being waited for.
pub(super) fn waiting(progress: &Progress) {
    tracing::debug!(
        waiting_for = %progress.waiting_for,
        seen = %progress.seen,
        elapsed_ms = progress.elapsed.as_millis() as u64,
        limit_ms = progress.limit.as_millis() as u64,
        "waiting"
    );
}

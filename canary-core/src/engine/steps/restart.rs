//! Restart: the service runs the binary that lies in place.

use std::time::Duration;

use super::out::OutOfRotation;
use crate::engine::cx::{Failure, StepCx, StepOutcome};
use crate::engine::outcome::FailureClass;
use crate::journal::StepStatus;
use crate::plan::Action;
use crate::traits::{ActiveState, RunningBinary, ServiceState};

pub(super) async fn run(cx: &StepCx<'_>) -> StepOutcome {
    let node = cx.node()?;
    let out = OutOfRotation::new(cx);
    if !installed_anew(cx) {
        let before = cx.call(|| cx.backends.nodes.service(node)).await?;
        // After a rename the old process runs a file that is no longer in place; one that runs the file in place was
        // started since.
        if runs_in_place(&before) {
            note(cx, &before);
            return Ok(false);
        }
    }
    let restarted = out.call(|| cx.backends.nodes.restart(node)).await;
    let mut state = match restarted {
        Ok(state) => state,
        Err(failure) => {
            cx.keep_logs().await;
            return Err(failure);
        }
    };
    let base = state.restarts;
    let mut wait = cx.waiting("the service to run the new binary", cx.plan.spec.health.timeout);
    loop {
        if state.active == ActiveState::Active && tells(&state, wait.elapsed()) {
            if state.running == RunningBinary::Replaced {
                return Err(Failure::new(
                    FailureClass::Unhealthy,
                    "the service still runs a replaced binary",
                ));
            }
            note(cx, &state);
            return Ok(true);
        }
        if let Err(failure) = crashing(&state, base).map_or(Ok(()), Err) {
            cx.keep_logs().await;
            return Err(failure);
        }
        let seen = format!("{} ({}), {} automatic restarts", state.active, state.detail, state.restarts);
        if let Err(failure) = wait.pause(seen).await {
            cx.keep_logs().await;
            return Err(failure);
        }
        out.look().await;
        state = cx.call(|| cx.backends.nodes.service(node)).await?;
    }
}

/// How long a runtime that cannot tell which file runs is asked again: systemd reports a simple service as started
/// before its process executes the file.
const UNKNOWN_FOR: Duration = Duration::from_secs(1);

/// Whether the state is to be believed: it names the file that runs, or has been unable to for a while.
fn tells(state: &ServiceState, elapsed: Duration) -> bool {
    match state.running {
        RunningBinary::InPlace | RunningBinary::Replaced => true,
        RunningBinary::Unknown => elapsed >= UNKNOWN_FOR,
        RunningBinary::None => false,
    }
}

/// How many automatic restarts in a row are a crash loop.
const CRASH_LOOP: u64 = 3;

/// A failure when the service cannot come up by itself any more; `base` is the number of automatic restarts before.
pub(super) fn crashing(state: &ServiceState, base: u64) -> Option<Failure> {
    let message = if state.active == ActiveState::Failed {
        format!("the service failed ({})", state.detail)
    } else if state.restarts >= base + CRASH_LOOP {
        format!(
            "the service crashes: {} automatic restarts, now {} ({})",
            state.restarts, state.active, state.detail
        )
    } else {
        return None;
    };
    Some(Failure::new(FailureClass::Unhealthy, message))
}

/// Whether the binary was just replaced: then the process is an old one, and need not be looked at first.
fn installed_anew(cx: &StepCx<'_>) -> bool {
    let install = cx.step.sibling(Action::Install);
    matches!(cx.history().status(&install), Some(StepStatus::Done { changed: true }))
}

fn runs_in_place(state: &ServiceState) -> bool {
    state.active == ActiveState::Active && state.running == RunningBinary::InPlace
}

fn note(cx: &StepCx<'_>, state: &ServiceState) {
    if let Some(pid) = state.pid {
        cx.fact("pid", pid);
    }
    cx.fact("automatic_restarts", state.restarts);
}

//! One file a step. Each may be run again after any crash, and then leaves the same state as one run would.

mod checks;
mod compare;
mod drain;
mod enable;
mod health;
mod install;
mod out;
mod pause;
mod probe;
mod prove;
mod restart;
mod share;
mod stage;
mod watch;
mod weigh;

use super::cx::{StepCx, StepOutcome};
use crate::plan::Action;

/// Runs a step.
pub(super) async fn run(cx: &StepCx<'_>) -> StepOutcome {
    match cx.step.action {
        Action::Stage => stage::run(cx).await,
        Action::Drain => drain::run(cx).await,
        Action::Install => install::run(cx).await,
        Action::Restart => restart::run(cx).await,
        Action::CheckHealth => health::run(cx).await,
        Action::Weigh => weigh::run(cx).await,
        Action::Enable => enable::run(cx).await,
        Action::ProveTraffic => prove::run(cx).await,
        Action::Watch => watch::run(cx).await,
        Action::Pause => pause::run(cx).await,
    }
}

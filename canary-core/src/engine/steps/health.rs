//! Check health: the service answers 200, and its process is the one that was started.

use super::out::OutOfRotation;
use crate::engine::cx::{Failure, StepCx, StepOutcome};
use crate::engine::outcome::FailureClass;
use crate::traits::ActiveState;

pub(super) async fn run(cx: &StepCx<'_>) -> StepOutcome {
    let result = until_healthy(cx).await;
    if result.is_err() {
        cx.keep_logs().await;
    }
    result
}

async fn until_healthy(cx: &StepCx<'_>) -> StepOutcome {
    let node = cx.node()?;
    let policy = &cx.plan.spec.health;
    let mut base = None;
    let out = OutOfRotation::new(cx);
    let mut wait = cx.waiting(format!("200 from {}", policy.check.path), policy.timeout);
    loop {
        let (report, state) = tokio::join!(
            cx.call(|| cx.backends.nodes.check(node, &policy.check)),
            cx.call(|| cx.backends.nodes.service(node))
        );
        let (report, state) = (report?, state?);
        if report.healthy && state.active == ActiveState::Active {
            cx.fact("via", &report.via);
            cx.fact("automatic_restarts", state.restarts);
            cx.fact("healthy_after_ms", wait.elapsed().as_millis());
            return Ok(false);
        }
        if let Some(failure) = super::restart::crashing(&state, *base.get_or_insert(state.restarts)) {
            return Err(failure);
        }
        let seen = format!("{} ({}); the service is {}", report.detail, report.via, state.active);
        wait.pause(seen).await.map_err(|failure| Failure::new(FailureClass::Unhealthy, failure.message))?;
        out.look().await;
    }
}

//! Enable: the node is ready, and the balancer's own checks find it up.

use super::weigh;
use crate::engine::cx::{Failure, StepCx, StepOutcome};
use crate::engine::outcome::FailureClass;
use crate::plan::{Action, Direction, Step};
use crate::traits::AdminState;

pub(super) async fn run(cx: &StepCx<'_>) -> StepOutcome {
    let node = cx.node()?;
    let drained = drained(cx);
    if cx.plan.stage_at(cx.step).is_some() {
        // A balancer that restarted since has its configured weight again: not a single request may come by that.
        let (pool, server) = cx.server().await?;
        weigh::ensure(cx, pool, server).await?;
    }
    // A node that this rollout drained is not looked at before it is put back: a drain that was asked for may take effect only
    // after the look.
    let (mut pool, mut server) =
        if drained { cx.set_admin(AdminState::Ready).await? } else { cx.server().await? };
    let changed = drained || server.admin != AdminState::Ready;
    // Its first request is told by the counter growing from here.
    cx.fact("served_before", server.served);
    cx.fact("epoch", &pool.epoch);
    let mut wait = cx.waiting("the balancer to find it up", cx.plan.spec.enable.up_timeout);
    loop {
        if server.serving() {
            cx.fact("weight", server.weight.value());
            return Ok(changed);
        }
        if server.weight.value() == 0 {
            let message = format!("{node} has weight 0 in the balancer: it would never be sent a request");
            return Err(Failure::new(FailureClass::Backend, message));
        }
        if server.admin != AdminState::Ready {
            (pool, server) = cx.set_admin(AdminState::Ready).await?;
            if server.serving() {
                continue;
            }
        }
        wait.pause(format!("{}, {} (process {})", server.admin, server.operational, pool.epoch)).await?;
        (pool, server) = cx.server().await?;
    }
}

/// Whether this rollout may have drained the node, on either way.
fn drained(cx: &StepCx<'_>) -> bool {
    let drain = cx.step.sibling(Action::Drain);
    let (history, directions) = (cx.history(), [Direction::Forward, Direction::Back]);
    directions.into_iter().any(|direction| history.status(&Step { direction, ..drain.clone() }).is_some())
}

//! Enable: the node is ready, and the balancer's own checks find it up.

use crate::engine::cx::{Failure, StepCx, StepOutcome};
use crate::engine::outcome::FailureClass;
use crate::traits::AdminState;

pub(super) async fn run(cx: &StepCx<'_>) -> StepOutcome {
    let node = cx.node()?;
    let (pool, before) = cx.server().await?;
    // The counter before the node is put back is what its first request is told by.
    cx.fact("served_before", before.served);
    cx.fact("epoch", &pool.epoch);
    let mut wait = cx.waiting("the balancer to find it up", cx.plan.spec.enable.up_timeout);
    let mut server = before.clone();
    loop {
        if server.serving() {
            cx.fact("weight", server.weight.value());
            return Ok(before.admin != AdminState::Ready);
        }
        if server.weight.value() == 0 {
            let message = format!("{node} has weight 0 in the balancer: it would never be sent a request");
            return Err(Failure::new(FailureClass::Backend, message));
        }
        if server.admin == AdminState::Ready {
            wait.pause(format!("{}, {}", server.admin, server.operational)).await?;
        } else {
            cx.call(|| cx.backends.lb.set_admin(node, AdminState::Ready)).await?;
        }
        (_, server) = cx.server().await?;
    }
}

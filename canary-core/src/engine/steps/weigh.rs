//! Weigh: the node has its stage's weight in the balancer, as read back.

use std::time::Duration;

use crate::engine::cx::{Failure, StepCx, StepOutcome};
use crate::engine::outcome::FailureClass;
use crate::plan::{Action, Direction};
use crate::traits::{PoolState, Server, Weight};

/// How long the balancer may take to show a weight that it has acknowledged.
const SHOWN_WITHIN: Duration = Duration::from_secs(10);

pub(super) async fn run(cx: &StepCx<'_>) -> StepOutcome {
    let (pool, server) = cx.server().await?;
    let before = server.weight;
    let (_, server) = ensure(cx, pool, server).await?;
    cx.fact("weight_before", before.value());
    cx.fact("weight", server.weight.value());
    cx.fact("configured_weight", server.configured_weight.value());
    Ok(server.weight != before)
}

/// The weight that the step's node has to have now; `None` where that is not this rollout's to say.
///
/// The whole weight is what the balancer has configured now, not what it had when the plan was made.
pub(super) fn wanted(cx: &StepCx<'_>, server: &Server) -> Option<Weight> {
    if cx.step.direction == Direction::Back && cx.history().status(&cx.step.sibling(Action::Weigh)).is_none()
    {
        return None;
    }
    match cx.plan.stage_at(cx.step)? {
        0 => Some(server.configured_weight),
        stage => Some(cx.plan.weights.as_ref()?.stage(stage)?.weight),
    }
}

/// Sets the weight until it is read back; gives the pool and the node as read last.
pub(super) async fn ensure(
    cx: &StepCx<'_>,
    mut pool: PoolState,
    mut server: Server,
) -> Result<(PoolState, Server), Failure> {
    let (node, lb) = (cx.node()?, &cx.backends.lb);
    let mut wait = None;
    loop {
        let Some(weight) = wanted(cx, &server).filter(|weight| *weight != server.weight) else {
            return Ok((pool, server));
        };
        if weight.value() == 0 {
            let message = format!("{node} has weight 0 configured: it would never be sent a request");
            return Err(Failure::new(FailureClass::Backend, message));
        }
        cx.call(|| lb.set_weight(node, weight)).await?;
        (pool, server) = cx.server().await?;
        if server.weight != weight {
            let waiting_for =
                || cx.waiting(format!("the balancer to show weight {}", weight.value()), SHOWN_WITHIN);
            let wait = wait.get_or_insert_with(waiting_for);
            wait.pause(format!("weight {} (process {})", server.weight.value(), pool.epoch)).await?;
            (pool, server) = cx.server().await?;
        }
    }
}

/// While the node serves: a weight that a restart of the balancer, or another hand, has changed is set again. Gives the pool as
/// read last.
///
/// # Errors
/// Why the balancer could not be asked; nothing is tried again, the next look is.
pub(super) async fn keep(cx: &StepCx<'_>) -> Result<PoolState, String> {
    let lb = &cx.backends.lb;
    let read = async || lb.servers().await.map_err(|error| error.chain());
    let pool = read().await?;
    let server = cx.step.node.as_ref().and_then(|node| pool.server(node));
    let Some((server, weight)) = server.and_then(|server| Some((server, wanted(cx, server)?))) else {
        return Ok(pool);
    };
    if server.weight == weight || weight.value() == 0 {
        return Ok(pool);
    }
    lb.set_weight(&server.node, weight).await.map_err(|error| error.chain())?;
    cx.fact("weight_set_again", weight.value());
    read().await
}

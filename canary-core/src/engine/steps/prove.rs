//! Prove traffic: the balancer has sent the node requests, and the pool answers through the balancer.

use crate::engine::cx::{Failure, StepCx, StepOutcome};
use crate::plan::Action;
use crate::traits::PoolState;

/// The smallest share that a burst of requests is meant to reach.
const LEAST_SHARE: f64 = 1.0 / 1024.0;

pub(super) async fn run(cx: &StepCx<'_>) -> StepOutcome {
    let limit = cx.plan.spec.enable.traffic_timeout;
    let through = cx.backends.lb.capabilities().check_through;
    let waiting_for =
        if through { "its first request, and 200 through the balancer" } else { "its first request" };
    let mut wait = cx.waiting(waiting_for, limit);
    let mut requests: u64 = 0;
    let (mut burst, turns) = (1, turns(cx));
    loop {
        let mut answer = None;
        if through {
            let check = &cx.plan.spec.health.check;
            for _ in 0..burst {
                requests += 1;
                answer = Some(cx.call(|| cx.backends.lb.check_through(check)).await?);
            }
            burst = (burst * 2).min(turns);
        }
        let (pool, server) = cx.server().await?;
        let served = served_since(cx, &pool, server.served);
        let answers = answer.as_ref().is_none_or(|report| report.healthy);
        if served > 0 && answers && server.serving() {
            cx.fact("served", served);
            cx.fact("requests_through", requests);
            return Ok(false);
        }
        let answer =
            answer.map_or_else(String::new, |report| format!(", through the balancer: {}", report.detail));
        wait.pause(format!("{served} requests served, {} and {}{answer}", server.admin, server.operational))
            .await
            .map_err(|failure| hint(failure, served, through))?;
    }
}

/// How many requests are sent through the balancer at most before its counters are looked at: at a part of its weight a node is
/// sent one in so many, and a quiet pool must not fail it for that.
fn turns(cx: &StepCx<'_>) -> u64 {
    let stage = cx.plan.stage_at(cx.step).filter(|stage| *stage > 0);
    let share = stage.and_then(|stage| Some(cx.plan.weights.as_ref()?.stage(stage)?.share.value()));
    share.map_or(1, |share| (1.0 / share.max(LEAST_SHARE)).ceil() as u64)
}

/// Where no request can be sent through the balancer, a quiet pool proves nothing.
fn hint(failure: Failure, served: u64, through: bool) -> Failure {
    if served > 0 || through {
        return failure;
    }
    let message =
        format!("{} (the pool had no traffic; name the balancer's URL to send it some)", failure.message);
    Failure::new(failure.class, message)
}

/// Requests since the node was put back; another epoch, or a counter that was cleared, counts from zero.
fn served_since(cx: &StepCx<'_>, pool: &PoolState, served: u64) -> u64 {
    let enable = cx.step.sibling(Action::Enable);
    let history = cx.history();
    let before = match history.fact(&enable, "epoch") {
        Some(epoch) if epoch == pool.epoch => {
            history.fact(&enable, "served_before").and_then(|text| text.parse::<u64>().ok()).unwrap_or(0)
        }
        _ => 0,
    };
    served.checked_sub(before).unwrap_or(served)
}

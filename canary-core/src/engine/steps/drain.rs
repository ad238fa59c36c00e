//! Drain: enough others serve; the node is out of rotation; nothing is in progress on it.

use std::time::Duration;

use crate::engine::cx::{Failure, StepCx, StepOutcome};
use crate::engine::outcome::FailureClass;
use crate::plan::Direction;
use crate::spec::OnDrainTimeout;
use crate::traits::{AdminState, PoolState, Server};

/// How long sessions that were closed may take to disappear.
const AFTER_CLOSE: Duration = Duration::from_secs(10);

pub(super) async fn run(cx: &StepCx<'_>) -> StepOutcome {
    let (pool, server) = cx.server().await?;
    let was_out = server.admin != AdminState::Ready;
    if server.serving() {
        capacity(cx, pool).await?;
    }
    let policy = &cx.plan.spec.drain;
    match idle(cx, server, policy.timeout).await {
        Ok(()) => {}
        Err(failure) if failure.class == FailureClass::TimedOut && closes(cx) => {
            let node = cx.node()?;
            cx.call(|| cx.backends.lb.close_sessions(node)).await?;
            cx.fact("sessions_closed", failure.message);
            let (_, server) = cx.server().await?;
            idle(cx, server, AFTER_CLOSE).await?;
        }
        Err(failure) => return Err(failure),
    }
    Ok(!was_out)
}

/// A bad canary must not keep its node for the sake of requests that never end.
fn closes(cx: &StepCx<'_>) -> bool {
    let wanted = cx.plan.spec.drain.on_timeout == OnDrainTimeout::CloseSessions
        || cx.step.direction == Direction::Back;
    wanted && cx.backends.lb.capabilities().close_sessions
}

/// Waits until enough other servers take requests: a condition, not a pause.
async fn capacity(cx: &StepCx<'_>, mut pool: PoolState) -> Result<(), Failure> {
    let node = cx.node()?;
    let needed = usize::try_from(cx.plan.spec.min_available).unwrap_or(usize::MAX);
    let limit = cx.plan.spec.drain.capacity_timeout;
    let mut wait = cx.waiting(format!("{needed} other server(s) to be ready and up"), limit);
    loop {
        let serving = pool.serving_besides(node);
        if serving >= needed {
            cx.fact("others_serving", serving);
            return Ok(());
        }
        wait.pause(format!("{serving} serving"))
            .await
            .map_err(|failure| Failure::new(FailureClass::Capacity, failure.message))?;
        pool = cx.pool().await?;
    }
}

/// Asks for the drain until it is read back, and waits until two looks in a row see nothing in progress.
///
/// A balancer that restarts in between comes back with its configured state: the drain is then asked for again.
pub(super) async fn idle(cx: &StepCx<'_>, mut server: Server, limit: Duration) -> Result<(), Failure> {
    let mut wait = cx.waiting("no request in progress", limit);
    let mut idle_looks = 0;
    let mut asked = 0_u32;
    loop {
        if server.admin == AdminState::Ready {
            asked += 1;
            cx.fact("drain_asked", asked);
            (_, server) = cx.set_admin(AdminState::Drain).await?;
            idle_looks = 0;
        }
        let idle = server.admin != AdminState::Ready && server.sessions == 0 && server.queued == 0;
        idle_looks = if idle { idle_looks + 1 } else { 0 };
        if idle_looks == 2 {
            return Ok(());
        }
        wait.pause(in_progress(&server)).await?;
        (_, server) = cx.server().await?;
    }
}

fn in_progress(server: &Server) -> String {
    format!("{}, {} in progress, {} queued", server.admin, server.sessions, server.queued)
}

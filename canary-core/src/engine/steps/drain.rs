//! Drain: enough others serve; the node is out of rotation; nothing is in progress on it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::engine::cx::{Failure, StepCx, StepOutcome, Waiting};
use crate::engine::outcome::FailureClass;
use crate::fleet::NodeId;
use crate::plan::{Action, Direction};
use crate::spec::OnDrainTimeout;
use crate::traits::{AdminState, PoolState, Server};

/// How long sessions that were closed may take to disappear.
const AFTER_CLOSE: Duration = Duration::from_secs(10);

pub(super) async fn run(cx: &StepCx<'_>) -> StepOutcome {
    let (pool, server) = cx.server().await?;
    let was_out = server.admin != AdminState::Ready;
    let policy = &cx.plan.spec.drain;
    match idle(cx, pool, server, policy.timeout).await {
        Ok(()) => {}
        Err(failure) if failure.class == FailureClass::TimedOut && closes(cx) => {
            let node = cx.node()?;
            cx.call(|| cx.backends.lb.close_sessions(node)).await?;
            cx.fact("sessions_closed", failure.message);
            let (pool, server) = cx.server().await?;
            idle(cx, pool, server, AFTER_CLOSE).await?;
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

/// Asks for the drain once enough others take requests, and gives the pool and the server as read back.
///
/// How many serve is read again before every further try: one that got no answer may have taken a minute.
async fn take_out(
    cx: &StepCx<'_>,
    mut pool: PoolState,
    server: &Server,
) -> Result<(PoolState, Server), Failure> {
    let (node, lb, needed) = (cx.node()?, &cx.backends.lb, needed(cx));
    let mut wait = cx
        .waiting(format!("{needed} other server(s) to be ready and up"), cx.plan.spec.drain.capacity_timeout);
    let mut serves = server.serving();
    loop {
        if serves {
            pool = capacity(cx, pool, &mut wait).await?;
            cx.fact("others_serving", pool.serving_besides(node));
        }
        let tried = AtomicBool::new(false);
        let asked = cx.call(async || {
            if tried.swap(true, Ordering::Relaxed) {
                let now = lb.servers().await?;
                if too_few(&now, node, needed) {
                    return Ok(Err(now));
                }
            }
            lb.set_admin(node, AdminState::Drain).await.map(Ok)
        });
        match asked.await? {
            Ok(after) => return cx.in_pool(after).await,
            Err(fewer) => (pool, serves) = (fewer, true),
        }
    }
}

/// How many other servers must serve.
fn needed(cx: &StepCx<'_>) -> usize {
    usize::try_from(cx.plan.spec.min_available).unwrap_or(usize::MAX)
}

/// Whether taking `node` out would leave too few. One that takes no requests is missed by nobody.
fn too_few(pool: &PoolState, node: &NodeId, needed: usize) -> bool {
    pool.server(node).is_some_and(Server::serving) && pool.serving_besides(node) < needed
}

/// Waits until enough other servers take requests: a condition, not a pause.
async fn capacity(
    cx: &StepCx<'_>,
    mut pool: PoolState,
    wait: &mut Waiting<'_, '_>,
) -> Result<PoolState, Failure> {
    let node = cx.node()?;
    while too_few(&pool, node, needed(cx)) {
        let failed = |failure: Failure| Failure::new(FailureClass::Capacity, failure.message);
        wait.pause(format!("{} serving", pool.serving_besides(node))).await.map_err(failed)?;
        pool = cx.pool().await?;
    }
    Ok(pool)
}

/// How often a node is put back because others failed, until the drain is given up.
const PUT_BACK: u32 = 3;

/// Whether the pool misses a node that was taken out: too few others serve, it could, and nothing was done to it yet.
fn missed(cx: &StepCx<'_>, pool: &PoolState, server: &Server) -> bool {
    let could_serve = Server { admin: AdminState::Ready, ..server.clone() }.serving();
    server.admin == AdminState::Drain
        && could_serve
        && pool.serving_besides(&server.node) < needed(cx)
        && cx.step.direction == Direction::Forward
        && cx.history().status(&cx.step.sibling(Action::Install)).is_none()
}

/// Puts a missed node back as it was; false when it is not healthy and stays out.
///
/// # Errors
/// [`FailureClass::Capacity`] when that has happened too often; when the node cannot be asked for its health.
async fn put_back(cx: &StepCx<'_>, times: &mut u32, serving: usize) -> Result<bool, Failure> {
    let (node, lb) = (cx.node()?, &cx.backends.lb);
    if *times == PUT_BACK {
        let message = format!(
            "others of the pool failed {} times while {node} was being drained; {serving} serve besides it, {} must",
            *times + 1,
            needed(cx)
        );
        return Err(Failure::new(FailureClass::Capacity, message));
    }
    let check = &cx.plan.spec.health.check;
    if !cx.call(|| cx.backends.nodes.check(node, check)).await?.healthy {
        return Ok(false);
    }
    cx.call(|| lb.set_admin(node, AdminState::Ready)).await?;
    *times += 1;
    cx.fact("put_back", *times);
    Ok(true)
}

/// Takes the node out, and waits until two looks in a row see it so and nothing in progress.
///
/// It is asked for at least once, whatever is read: a state that was asked for before may take effect late. A balancer that
/// restarts in between comes back with its configured state: the drain is then asked for again. Others that fail meanwhile
/// are waited for with the node back in rotation.
pub(super) async fn idle(
    cx: &StepCx<'_>,
    mut pool: PoolState,
    mut server: Server,
    limit: Duration,
) -> Result<(), Failure> {
    let mut wait = None;
    let mut idle_looks = 0;
    let (mut asked, mut times_back, mut comes_back) = (0_u32, 0, false);
    let mut in_rotation = false;
    loop {
        in_rotation |= server.admin == AdminState::Ready;
        if server.admin == AdminState::Ready || asked == 0 && server.admin == AdminState::Drain {
            asked += 1;
            cx.fact("drain_asked", asked);
            (pool, server) = take_out(cx, pool, &server).await?;
            // What the guard waited for is not the requests' time.
            wait = wait.filter(|_| !comes_back);
            (idle_looks, comes_back) = (0, false);
        }
        if in_rotation && !comes_back && missed(cx, &pool, &server) {
            comes_back = put_back(cx, &mut times_back, pool.serving_besides(&server.node)).await?;
            wait = wait.filter(|_| !comes_back);
        }
        let idle =
            !comes_back && server.admin != AdminState::Ready && server.sessions == 0 && server.queued == 0;
        idle_looks = if idle { idle_looks + 1 } else { 0 };
        if idle_looks == 2 {
            return Ok(());
        }
        let wait = wait.get_or_insert_with(|| cx.waiting("no request in progress", limit));
        wait.pause(in_progress(&server)).await?;
        (pool, server) = cx.server().await?;
    }
}

fn in_progress(server: &Server) -> String {
    format!("{}, {} in progress, {} queued", server.admin, server.sessions, server.queued)
}

//! Out of rotation: what the drain reached holds while the node is worked on.
//!
//! A balancer that restarts comes back with its configured state, in which the node takes requests: of a service that is
//! about to be restarted, or has not come up yet.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::drain;
use crate::engine::cx::{Failure, StepCx};
use crate::engine::outcome::FailureClass;
use crate::journal::StepStatus;
use crate::plan::{Action, Direction};
use crate::traits::{AdminState, BackendError};

/// For how long a look at the balancer is trusted. A shorter time would cost a look at every node that is rolled.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// How often a drain that the balancer refuses is asked for on the way back.
const ASKED_AGAIN: u32 = 3;

/// Keeps the step's node out of rotation while the step lasts.
pub(super) struct OutOfRotation<'c, 'a> {
    cx: &'c StepCx<'a>,
    looks: Mutex<Looks>,
}

/// When the balancer was looked at last, and how often the drain was lost.
struct Looks {
    last: Duration,
    lost: u32,
}

impl<'c, 'a> OutOfRotation<'c, 'a> {
    /// From now on; the step before has just seen the node drained.
    pub(super) fn new(cx: &'c StepCx<'a>) -> Self {
        Self { cx, looks: Mutex::new(Looks { last: cx.backends.clock.monotonic(), lost: 0 }) }
    }

    /// Asks for the drain again when it was lost. A balancer that does not answer sends nobody anywhere, so its errors
    /// are left to the steps that need it.
    pub(super) async fn look(&self) {
        if !self.due() {
            return;
        }
        let Ok(node) = self.cx.node() else { return };
        let lb = &self.cx.backends.lb;
        let Ok(pool) = lb.servers().await else { return };
        let lost = pool.server(node).is_some_and(|server| server.admin == AdminState::Ready);
        if lost && lb.set_admin(node, AdminState::Drain).await.is_err() {
            return;
        }
        self.looked_at(lost);
    }

    /// Before the service is touched: the node is drained, or is drained and emptied again.
    ///
    /// # Errors
    /// When the balancer cannot be asked, or requests do not end in time; on the way back neither stops the step.
    pub(super) async fn ensure(&self) -> Result<(), Failure> {
        if !self.due() {
            return Ok(());
        }
        for _ in 0..ASKED_AGAIN {
            match self.drained().await {
                Err(failure) if self.cx.step.direction == Direction::Forward => return Err(failure),
                // One refusal may be a passing one: a balancer that answers, and sends requests there, is asked again.
                Err(failure) if failure.class != FailureClass::TimedOut && self.in_rotation().await => {}
                _ => break,
            }
        }
        Ok(())
    }

    async fn in_rotation(&self) -> bool {
        let Ok(node) = self.cx.node() else { return false };
        let pool = self.cx.backends.lb.servers().await;
        pool.is_ok_and(|pool| pool.server(node).is_some_and(|server| server.admin == AdminState::Ready))
    }

    /// As [`StepCx::call`], for what changes the node: before every further try it is seen out of rotation, since one that
    /// got no answer may have taken a minute.
    pub(super) async fn call<T, F>(&self, call: impl Fn() -> F + Send + Sync) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, BackendError>> + Send,
        T: Send,
    {
        let tried = AtomicBool::new(false);
        let (tried, call) = (&tried, &call);
        let attempt = || async move {
            if tried.swap(true, Ordering::Relaxed)
                && let Err(failure) = self.ensure().await
            {
                return Ok(Err(failure));
            }
            call().await.map(Ok)
        };
        self.cx.call(attempt).await?
    }

    async fn drained(&self) -> Result<(), Failure> {
        let (pool, server) = self.cx.server().await?;
        let lost = server.admin == AdminState::Ready;
        if lost {
            drain::idle(self.cx, pool, server, self.cx.plan.spec.drain.timeout).await?;
        }
        self.looked_at(lost);
        Ok(())
    }

    /// Whether the last look is too old. A node that this rollout did not drain is not its to keep out.
    fn due(&self) -> bool {
        let drain = self.cx.step.sibling(Action::Drain);
        matches!(self.cx.history().status(&drain), Some(StepStatus::Done { .. }))
            && self.cx.backends.clock.monotonic().saturating_sub(self.looks().last) >= TRUSTED_FOR
    }

    fn looked_at(&self, lost: bool) {
        let mut looks = self.looks();
        looks.last = self.cx.backends.clock.monotonic();
        if lost {
            looks.lost += 1;
            self.cx.fact("drained_again", looks.lost);
        }
    }

    fn looks(&self) -> MutexGuard<'_, Looks> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

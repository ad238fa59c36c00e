//! Out of rotation: what the drain reached holds while the node is worked on.
//!
//! A balancer that restarts comes back with its configured state, in which the node takes requests: of a service that is
//! about to be restarted, or has not come up yet.

use std::time::Duration;

use super::drain;
use crate::engine::cx::{Failure, StepCx};
use crate::journal::StepStatus;
use crate::plan::{Action, Direction};
use crate::traits::AdminState;

/// For how long a look at the balancer is trusted. A shorter time would cost a look at every node that is rolled.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// Keeps the step's node out of rotation while the step lasts.
pub(super) struct OutOfRotation<'c, 'a> {
    cx: &'c StepCx<'a>,
    looked: Duration,
    again: u32,
}

impl<'c, 'a> OutOfRotation<'c, 'a> {
    /// From now on; the step before has just seen the node drained.
    pub(super) fn new(cx: &'c StepCx<'a>) -> Self {
        Self { cx, looked: cx.backends.clock.monotonic(), again: 0 }
    }

    /// Asks for the drain again when it was lost. A balancer that does not answer sends nobody anywhere, so its errors
    /// are left to the steps that need it.
    pub(super) async fn look(&mut self) {
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
    pub(super) async fn ensure(&mut self) -> Result<(), Failure> {
        if !self.due() {
            return Ok(());
        }
        match self.drained().await {
            Err(failure) if self.cx.step.direction == Direction::Forward => Err(failure),
            _ => Ok(()),
        }
    }

    async fn drained(&mut self) -> Result<(), Failure> {
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
            && self.cx.backends.clock.monotonic().saturating_sub(self.looked) >= TRUSTED_FOR
    }

    fn looked_at(&mut self, lost: bool) {
        self.looked = self.cx.backends.clock.monotonic();
        if lost {
            self.again += 1;
            self.cx.fact("drained_again", self.again);
        }
    }
}

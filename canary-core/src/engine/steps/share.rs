//! The canary's share while it is watched: its planned weight stays in force, and the balancer's counters bear it out.

use super::weigh;
use crate::analysis::{ShareHold, ShareMemory};
use crate::engine::cx::StepCx;

/// Follows the share of a step's node from look to look.
#[derive(Debug, Default)]
pub(super) struct Share {
    memory: ShareMemory,
}

impl Share {
    /// Looks at the balancer, sets a planned weight again where it was lost, and says why there is nothing to be judged now.
    ///
    /// A balancer that does not answer is a reason to hold only where the plan sets the weight: whether the canary has it is not
    /// known then.
    pub(super) async fn look(&mut self, cx: &StepCx<'_>) -> Option<ShareHold> {
        let node = cx.step.node.as_ref()?;
        let pool = match weigh::keep(cx).await {
            Ok(pool) => pool,
            Err(error) => return cx.plan.stage_at(cx.step).map(|_| ShareHold::Unknown { error }),
        };
        if pool.server(node).is_none() && cx.plan.stage_at(cx.step).is_some() {
            let error = format!("pool {} has no server {node} now", pool.pool);
            return Some(ShareHold::Unknown { error });
        }
        let planned = pool.server(node).and_then(|server| weigh::wanted(cx, server));
        self.memory.look(&pool, node, planned);
        self.memory.hold(&pool, node, planned)
    }
}

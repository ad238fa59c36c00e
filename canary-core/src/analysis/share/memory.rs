//! The fold over readings of the pool.

use super::{ShareHold, ShareSeen, TOLERANCE, causes, follows_weights};
use crate::fleet::NodeId;
use crate::traits::{PoolState, Weight};

/// One server in a reading.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Counted {
    node: NodeId,
    weight: Weight,
    /// Whether it took requests, and is no backup.
    takes: bool,
    served: u64,
}

/// A reading that later ones are counted from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Base {
    epoch: String,
    servers: Vec<Counted>,
}

impl Base {
    fn of(pool: &PoolState) -> Self {
        let counted = |server: &crate::traits::Server| Counted {
            node: server.node.clone(),
            weight: server.weight,
            takes: server.serving() && !server.backup,
            served: server.served,
        };
        Self { epoch: pool.epoch.clone(), servers: pool.servers.iter().map(counted).collect() }
    }

    /// What each server was sent since `self`; `None` when the two cannot be compared: another process, a counter that was
    /// cleared, other servers, other weights, or others that take requests.
    fn until(&self, now: &Self) -> Option<Vec<u64>> {
        if self.epoch != now.epoch || self.servers.len() != now.servers.len() {
            return None;
        }
        let pair = |(then, now): (&Counted, &Counted)| {
            let same = (&then.node, then.weight, then.takes) == (&now.node, now.weight, now.takes);
            same.then(|| now.served.checked_sub(then.served)).flatten()
        };
        self.servers.iter().zip(&now.servers).map(pair).collect()
    }
}

/// Follows the canary's share from reading to reading.
///
/// A reading counts from the one that was judged before; while there are too few requests in between, the next one counts from
/// there as well, so that a quiet pool is judged late and not never.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShareMemory {
    base: Option<Base>,
    /// The last judgement, until there is a newer one or it no longer holds.
    latest: Option<ShareSeen>,
    another_process: bool,
}

impl ShareMemory {
    /// Takes a reading into account. `planned` is the weight that a plan gives the canary, where one does.
    ///
    /// Gives the last judgement that still stands. There is none while there were too few requests, while the canary takes none,
    /// or alone takes all, and where nothing was planned and the algorithm does not share by weights.
    pub fn look(&mut self, pool: &PoolState, canary: &NodeId, planned: Option<Weight>) -> Option<&ShareSeen> {
        let now = Base::of(pool);
        let since = self.base.as_ref().map(|base| (base.until(&now), base.epoch != now.epoch));
        let Some((Some(served), _)) = since else {
            self.another_process |= matches!(since, Some((_, true)));
            (self.base, self.latest) = (Some(now), None);
            return None;
        };
        let unplanned = planned.is_none() && !follows_weights(pool.algorithm.as_deref());
        let expected = now.expected(canary, planned).filter(|_| !unplanned)?;
        let takes = |(server, served): (&Counted, u64)| if server.takes { served } else { 0 };
        let taken = now.servers.iter().zip(served.iter().copied()).map(takes);
        let requests = taken.fold(0, u64::saturating_add);
        let own = now.servers.iter().position(|server| server.node == *canary).map_or(0, |i| served[i]);
        if let Some(seen) = ShareSeen::of(expected, own, requests, TOLERANCE) {
            (self.base, self.latest) = (Some(now), Some(seen));
        }
        self.latest.as_ref()
    }

    /// Why the share forbids to judge now, if it does: the last judgement, with what `pool` shows.
    #[must_use]
    pub fn hold(&self, pool: &PoolState, canary: &NodeId, planned: Option<Weight>) -> Option<ShareHold> {
        let share = self.latest.as_ref().filter(|seen| seen.off())?.clone();
        let causes = causes(pool, canary, planned, self.another_process);
        Some(ShareHold::Off { share, causes })
    }
}

impl Base {
    /// The canary's part of the weights that take requests; `None` when it takes none.
    fn expected(&self, canary: &NodeId, planned: Option<Weight>) -> Option<f64> {
        let own = self.servers.iter().find(|server| server.node == *canary && server.takes)?;
        let others = self.servers.iter().filter(|server| server.node != *canary && server.takes);
        let others: u32 = others.map(|server| u32::from(server.weight.value())).sum();
        let own = u32::from(planned.unwrap_or(own.weight).value());
        Some(f64::from(own) / f64::from(own + others))
    }
}

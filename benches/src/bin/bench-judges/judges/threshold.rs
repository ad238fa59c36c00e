//! The runbook's rule, and Argo Rollouts' failure limit on the same probes.

use super::{Judge, Says, value};
use crate::stream::{Arm, Poll};

/// The runbook's bounds.
const ERROR_RATIO: f64 = 0.005;
const P95_SECONDS: f64 = 0.5;

/// A bound on what the last minute read. More than `limit` red probes in all roll back: none for the runbook, three
/// for Argo Rollouts (`failureLimit: 3`, analysis run of that project, `metricutil` and `assessMetricStatus`).
pub(crate) struct Threshold {
    latency: bool,
    pool: bool,
    limit: u32,
    red: u32,
    before: Option<Arm>,
}

impl Threshold {
    pub(crate) const fn of_pool(latency: bool) -> Self {
        Self { latency, pool: true, limit: 0, red: 0, before: None }
    }

    pub(crate) const fn of_canary(latency: bool, limit: u32) -> Self {
        Self { latency, pool: false, limit, red: 0, before: None }
    }
}

impl Judge for Threshold {
    fn poll(&mut self, poll: &Poll) -> Says {
        let now = if self.pool { poll.canary.plus(&poll.baseline) } else { poll.canary };
        let minute = self.before.map_or(now, |before| before.plus(&now));
        self.before = Some(now);
        let bound = if self.latency { P95_SECONDS } else { ERROR_RATIO };
        if value(self.latency, &minute).is_some_and(|value| value >= bound) {
            self.red += 1;
        }
        if self.red > self.limit { Says::RollBack } else { Says::GoOn }
    }
}

//! The judges that are compared: each sees the same polls and says whether it would roll back.

mod kayenta;
mod odds;
mod threshold;

use canary_core::analysis::simulate::Random;

use crate::scenario::Scenario;
use crate::stream::Poll;

/// What a judge says after a poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    GoOn,
    /// It looks bad, but a person has to decide.
    Holds,
    RollBack,
}

/// A way to judge a canary.
pub(crate) trait Judge {
    fn poll(&mut self, poll: &Poll) -> Says;
}

/// Names of the judges, in the order of [`all`].
pub(crate) const NAMES: [&str; 5] =
    ["runbook, pool", "runbook, canary", "Argo, limit 3", "Kayenta 98", "**odds**"];

/// The place of ours.
pub(crate) const OURS: usize = 4;

/// Fresh judges for one hour of a scenario; ours reads a history drawn from the same generator.
pub(crate) fn all(scenario: &Scenario, random: &mut Random) -> [Box<dyn Judge>; 5] {
    let latency = scenario.is_latency();
    [
        Box::new(threshold::Threshold::of_pool(latency)),
        Box::new(threshold::Threshold::of_canary(latency, 0)),
        Box::new(threshold::Threshold::of_canary(latency, 3)),
        Box::new(kayenta::Kayenta::new(latency)),
        Box::new(odds::Odds::new(scenario, random)),
    ]
}

/// The 95th percentile of one arm's polls, as Prometheus reads it from buckets.
pub(crate) fn p95(arm: &crate::stream::Arm) -> Option<f64> {
    use canary_core::analysis::{Bucket, Quantile, quantile};
    let mut buckets: Vec<Bucket> = crate::stream::BOUNDS
        .iter()
        .zip(arm.beyond)
        .map(|(bound, slower)| Bucket { bound: *bound, count: (arm.requests - slower) as f64 })
        .collect();
    buckets.push(Bucket { bound: f64::INFINITY, count: arm.requests as f64 });
    match quantile(0.95, &buckets) {
        Ok(Quantile::Value(value) | Quantile::AtLeast(value)) => Some(value),
        Ok(Quantile::Empty) | Err(_) => None,
    }
}

/// The SLI's value over some polls of one arm; `None` without requests.
pub(crate) fn value(latency: bool, arm: &crate::stream::Arm) -> Option<f64> {
    if latency {
        return p95(arm);
    }
    (arm.requests > 0).then(|| arm.beyond[0] as f64 / arm.requests as f64)
}

//! Which bounds of a latency histogram are watched.

/// Shares of slower requests near which a bound is wanted, from the middle to the far tail.
const TARGETS: [f64; 7] = [0.5, 0.2, 0.1, 0.05, 0.02, 0.005, 0.001];

/// Picks the finite bounds (`le`) to watch, by index, ascending.
///
/// `slower` holds, for each finite bound in ascending order, the bound in seconds and the share of the baseline's
/// requests that were slower before the release (0 to 1). For each target the bound nearest in log odds is taken, and
/// the one nearest to the objective `slo` (seconds). Without any usable share, all bounds.
#[must_use]
pub fn choose_boundaries(slower: &[(f64, f64)], slo: Option<f64>) -> Vec<usize> {
    let mut chosen: Vec<usize> = TARGETS.iter().filter_map(|target| nearest_share(slower, *target)).collect();
    if chosen.is_empty() {
        return (0..slower.len()).collect();
    }
    chosen.extend(slo.and_then(|slo| nearest_bound(slower, slo)));
    chosen.sort_unstable();
    chosen.dedup();
    chosen
}

/// The bound whose share of slower requests is nearest to `target` in log odds; shares of 0 and 1 are infinitely far.
#[must_use]
pub(super) fn nearest_share(slower: &[(f64, f64)], target: f64) -> Option<usize> {
    let far = |share: f64| (logit(share) - logit(target)).abs();
    let usable = slower.iter().enumerate().filter(|(_, (_, share))| *share > 0.0 && *share < 1.0);
    usable.min_by(|(_, a), (_, b)| far(a.1).total_cmp(&far(b.1))).map(|(index, _)| index)
}

/// The bound that is the objective, or the nearest to it.
#[must_use]
pub(super) fn nearest_bound(slower: &[(f64, f64)], slo: f64) -> Option<usize> {
    let far = |bound: f64| (bound - slo).abs();
    let by_distance = |a: &(usize, &(f64, f64)), b: &(usize, &(f64, f64))| far(a.1.0).total_cmp(&far(b.1.0));
    slower.iter().enumerate().min_by(by_distance).map(|(index, _)| index)
}

fn logit(share: f64) -> f64 {
    (share / (1.0 - share)).ln()
}

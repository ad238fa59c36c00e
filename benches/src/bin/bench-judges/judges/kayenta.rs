//! Kayenta's judge, asked again every minute.

use super::{Judge, Says, value};
use crate::stream::{Arm, POLL, Poll};

/// Points before the first judgement.
const FIRST: usize = 5;

/// Its tolerance: an effect counts when the confidence interval is beyond this part of the estimate.
const TOLERANCE: f64 = 0.25;

/// The two-sided 98 % quantile of the normal law.
const Z: f64 = 2.326_347_874;

/// Mann–Whitney with the Hodges–Lehmann estimate on per-minute points (`NetflixACAJudge`, confidence 0.98, direction
/// "increase"): bad when the lower confidence bound of the shift is above a quarter of the estimate. The bound comes from
/// the normal approximation of the rank sum.
pub(crate) struct Kayenta {
    latency: bool,
    half: Option<Poll>,
    canary: Vec<f64>,
    baseline: Vec<f64>,
    shifts: Vec<f64>,
}

impl Kayenta {
    pub(crate) const fn new(latency: bool) -> Self {
        Self { latency, half: None, canary: Vec::new(), baseline: Vec::new(), shifts: Vec::new() }
    }

    fn bad(&mut self) -> bool {
        let (m, n) = (self.canary.len(), self.baseline.len());
        if m.min(n) < FIRST {
            return false;
        }
        self.shifts.clear();
        for canary in &self.canary {
            self.shifts.extend(self.baseline.iter().map(|baseline| canary - baseline));
        }
        let pairs = (m * n) as f64;
        let margin = Z * (pairs * (m + n + 1) as f64 / 12.0).sqrt();
        let lower = (pairs / 2.0 - margin).floor();
        if lower < 1.0 {
            return false;
        }
        let middle = self.shifts.len() / 2;
        let (below, estimate, _) = self.shifts.select_nth_unstable_by(middle, f64::total_cmp);
        let estimate = *estimate;
        let (_, bound, _) = below.select_nth_unstable_by(lower as usize - 1, f64::total_cmp);
        *bound > TOLERANCE * estimate.abs()
    }
}

impl Judge for Kayenta {
    fn poll(&mut self, poll: &Poll) -> Says {
        const { assert!(POLL == 30, "two polls are a minute") };
        let Some(half) = self.half.take() else {
            self.half = Some(*poll);
            return Says::GoOn;
        };
        let point = |a: &Arm, b: &Arm| value(self.latency, &a.plus(b));
        let (canary, baseline) = (point(&half.canary, &poll.canary), point(&half.baseline, &poll.baseline));
        self.canary.extend(canary);
        self.baseline.extend(baseline);
        if self.bad() { Says::RollBack } else { Says::GoOn }
    }
}

//! Bounds on the canary alone, without a baseline.

use serde::{Deserialize, Serialize};

use super::exact;
use super::logs::ln_sum_exp;
use super::table::ArmCounts;

/// Which side of the bound is to be proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Evidence that events are rarer than the bound: for green.
    Within,
    /// Evidence that events are more frequent: for red where there is no baseline. Trouble that has nothing to do with
    /// the release then counts against it.
    Beyond,
}

impl Side {
    const fn factors(self) -> &'static [f64] {
        match self {
            Self::Within => &[0.5, 0.25, 0.1, 0.02],
            Self::Beyond => &[1.5, 2.0, 4.0, 10.0, 30.0],
        }
    }
}

/// A mixture of binomial likelihood ratios against one event probability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AbsoluteTest {
    #[serde(with = "exact")]
    bound: f64,
    side: Side,
    seen: ArmCounts,
}

impl AbsoluteTest {
    /// The largest probability that is weighed.
    const LARGEST: f64 = 0.999;

    /// A test of an event probability, above 0 and below 1: 0.005 for errors, 0.05 for "95 % faster than the SLO".
    #[must_use]
    pub fn new(bound: f64, side: Side) -> Self {
        Self { bound, side, seen: ArmCounts::default() }
    }

    /// Takes one poll of the canary into account.
    pub fn observe(&mut self, canary: ArmCounts) {
        self.seen += canary;
    }

    /// The natural logarithm of the e-value.
    #[must_use]
    pub fn ln_e(&self) -> f64 {
        let (events, all) = (self.seen.events as f64, self.seen.requests as f64);
        let factors = self.side.factors();
        let ln_weight = -(factors.len() as f64).ln();
        let terms = factors.iter().map(|factor| {
            let p = (factor * self.bound).min(Self::LARGEST.max(self.bound));
            let quiet = ((1.0 - p) / (1.0 - self.bound)).ln();
            ln_weight + events * (p / self.bound).ln() + (all - events) * quiet
        });
        ln_sum_exp(terms)
    }
}

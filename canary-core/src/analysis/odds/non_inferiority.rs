//! The other side of the test: proof that the canary is not much worse.

use serde::{Deserialize, Serialize};

use super::exact;
use super::increments::increments;
use super::logs::ln_sum_exp;
use super::table::Table;

const GRID: usize = 8;

/// Log odds ratios below the one that is to be ruled out.
const DELTAS: [f64; GRID] = [-0.1, -0.2, -0.35, -0.5, -0.7, -1.0, -1.5, -2.3];

/// The e-process against "the canary's odds of an event are at least `ruled_out` times the baseline's".
///
/// When it reaches 1/β, a release that is that bad would have been passed with a chance of at most β, however often it
/// was looked at. It has neither restarts nor cap: one good stretch is no proof for the whole watch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NonInferiority {
    #[serde(with = "exact")]
    ruled_out: f64,
    #[serde(with = "exact")]
    phi: f64,
    #[serde(with = "exact::array")]
    ln_ratios: [f64; GRID],
}

impl NonInferiority {
    /// A test that has seen nothing; `ruled_out` is an odds ratio above 1 (2 for errors, 1.5 for latency), `phi` ≥ 1.
    #[must_use]
    pub const fn new(ruled_out: f64, phi: f64) -> Self {
        Self { ruled_out, phi, ln_ratios: [0.0; GRID] }
    }

    /// Takes the tables of one poll into account, one a stratum.
    pub fn observe(&mut self, strata: &[Table]) {
        self.observe_with(strata, self.phi);
    }

    /// The same with another dispersion than the fixed one.
    pub(super) fn observe_with(&mut self, strata: &[Table], phi: f64) {
        let mut one = [0.0; GRID];
        for table in strata {
            increments(*table, self.ruled_out.ln(), &DELTAS, &mut one);
            for (sum, ln_ratio) in self.ln_ratios.iter_mut().zip(one) {
                *sum += ln_ratio / phi;
            }
        }
    }

    /// The natural logarithm of the e-value.
    #[must_use]
    pub fn ln_e(&self) -> f64 {
        let ln_weight = -(GRID as f64).ln();
        ln_sum_exp(self.ln_ratios.iter().map(|ratio| ratio + ln_weight))
    }
}

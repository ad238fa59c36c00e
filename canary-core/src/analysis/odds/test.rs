//! The sequential test of one table a poll: is the canary worse than the baseline by more than the margin?

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::exact;
use super::increments::increments;
use super::logs::{ln_add, ln_sum_exp};
use super::table::Table;
use crate::time::millis;

/// How many odds ratios above the margin are weighed.
const GRID: usize = 12;

/// The log odds ratios above the margin that are weighed: `0.1·1.5^j`, from 1.1 times to 5,700 times.
const DELTAS: [f64; GRID] = [
    0.1,
    0.15,
    0.225,
    0.3375,
    0.50625,
    0.759_375,
    1.139_062_5,
    1.708_593_75,
    2.562_890_625,
    3.844_335_937_5,
    5.766_503_906_25,
    8.649_755_859_375,
];

/// What an [`OddsTest`] is fixed to before its first table. The bound on false alarms rests on nothing here being
/// chosen by looking at the watch's own data.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OddsSettings {
    /// The odds ratio that is still accepted, ≥ 1: 1.1 for errors, 1.25 for latency.
    #[serde(with = "exact")]
    pub margin: f64,
    /// The natural logarithm of how much worse the canary's node was than the baseline before the release, ≥ 0.
    #[serde(with = "exact")]
    pub ln_offset: f64,
    /// How many times the variance of the counts exceeds that of independent requests, ≥ 1.
    #[serde(with = "exact")]
    pub phi: f64,
    /// The most that one poll may add, in nats; `None` for no limit. ln(1/α) keeps a single poll from deciding.
    #[serde(with = "exact::optional")]
    pub cap: Option<f64>,
    /// The share of the prior on "worse from the first poll", 0 to 1 (ρ₀); the rest is spread over later beginnings.
    #[serde(with = "exact")]
    pub from_start: f64,
    /// How long the watch is planned to be; above zero.
    #[serde(rename = "window_ms", with = "millis")]
    pub window: Duration,
}

/// The exact conditional odds-ratio e-process.
///
/// Null hypothesis: in every poll the canary's odds of an event are at most `margin · e^ln_offset` times the baseline's.
/// The e-value starts at 1 and is a mixture over 12 odds ratios above the margin and over when the trouble began
/// ("restarts"). Under the null it is a nonnegative supermartingale, so `P(it ever reaches 1/α) ≤ α` (Ville's
/// inequality), however often it is looked at. Needed for that: the requests of a poll are routed independently of each
/// other; clustered events are what `phi` is for.
///
/// ```
/// use std::time::Duration;
/// use canary_core::analysis::odds::{OddsSettings, OddsTest, Table};
///
/// let settings = OddsSettings {
///     margin: 1.1,
///     ln_offset: 0.0,
///     phi: 1.0,
///     cap: Some(100_f64.ln()),
///     from_start: 0.5,
///     window: Duration::from_secs(3600),
/// };
/// let mut test = OddsTest::new(settings);
/// // 2 % of the canary's requests fail, none of the baseline's.
/// for _ in 0..2 {
///     test.observe(&[Table::new((450, 9), (450, 0))], Duration::from_secs(30));
/// }
/// assert!(test.ln_e() >= 100_f64.ln(), "worse, with at most one false alarm in a hundred watches");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OddsTest {
    settings: OddsSettings,
    /// The logarithm of each odds ratio's weight times its likelihood ratio so far.
    #[serde(with = "exact::array")]
    ln_weights: [f64; GRID],
    /// The prior on beginnings that are still to come.
    #[serde(with = "exact")]
    reserve: f64,
}

impl OddsTest {
    /// A test that has seen nothing.
    #[must_use]
    pub fn new(settings: OddsSettings) -> Self {
        let ln_weights = [(settings.from_start / GRID as f64).ln(); GRID];
        Self { settings, ln_weights, reserve: 1.0 - settings.from_start }
    }

    /// What it is fixed to.
    #[must_use]
    pub const fn settings(&self) -> &OddsSettings {
        &self.settings
    }

    /// Takes the tables of one poll into account: one a stratum (route, method), or a single one.
    ///
    /// Strata are added before the cap. `elapsed` is the time since the poll before, gaps included.
    pub fn observe(&mut self, strata: &[Table], elapsed: Duration) {
        self.observe_with(strata, elapsed, self.settings.phi);
    }

    /// The same with another dispersion than the fixed one; valid when it does not rest on these tables.
    pub(super) fn observe_with(&mut self, strata: &[Table], elapsed: Duration, phi: f64) {
        self.restart(elapsed);
        let ln_margin = self.settings.margin.ln() + self.settings.ln_offset;
        let (mut sums, mut one) = ([0.0; GRID], [0.0; GRID]);
        for table in strata {
            increments(*table, ln_margin, &DELTAS, &mut one);
            for (sum, ln_ratio) in sums.iter_mut().zip(one) {
                *sum += ln_ratio / phi;
            }
        }
        let cap = self.settings.cap.unwrap_or(f64::INFINITY);
        for (weight, sum) in self.ln_weights.iter_mut().zip(sums) {
            *weight += sum.min(cap);
        }
    }

    /// Moves prior from the reserve to "it began just now".
    fn restart(&mut self, elapsed: Duration) {
        let planned = self.settings.window.as_secs_f64();
        let share = if planned > 0.0 { elapsed.as_secs_f64() / planned } else { 1.0 };
        let moved = self.reserve.min((1.0 - self.settings.from_start) * share);
        if moved > 0.0 {
            self.reserve -= moved;
            let ln_each = (moved / GRID as f64).ln();
            for weight in &mut self.ln_weights {
                *weight = ln_add(*weight, ln_each);
            }
        }
    }

    /// The natural logarithm of the e-value: evidence against "not worse than the margin", in nats.
    #[must_use]
    pub fn ln_e(&self) -> f64 {
        let reserve = (self.reserve > 0.0).then(|| self.reserve.ln());
        ln_sum_exp(self.ln_weights.iter().copied().chain(reserve))
    }
}

//! Noise seen during the watch: a substitute where there is no history, and a check where there is.

use serde::{Deserialize, Serialize};

use super::calibration::score;
use super::exact;
use super::table::Table;

/// A single poll counts for no more than this many variances.
const LARGEST_SQUARE: f64 = 16.0;

/// A poll whose variance is smaller tells nothing about scatter.
const LEAST_VARIANCE: f64 = 0.25;

/// Dispersion learnt during the watch, from the polls before the present one.
///
/// Weaker than a history: measured, not proven. Starts at 4 and needs some six polls before anything can be decided.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct OnlineDispersion {
    #[serde(with = "exact")]
    squares: f64,
    #[serde(with = "exact")]
    over: f64,
    #[serde(with = "exact")]
    variance: f64,
    polls: u64,
}

impl OnlineDispersion {
    /// The dispersion for the next poll, ≥ 1.
    #[must_use]
    pub fn phi(&self) -> f64 {
        ((20.0 + self.squares) / (5.0 + self.polls as f64)).max(1.0)
    }

    /// Learns from one poll, after it was judged.
    pub fn observe(&mut self, strata: &[Table]) {
        let (over, variance) = score(strata);
        if variance > LEAST_VARIANCE {
            let theta = self.over / (self.variance + 4.0);
            let residual = over - theta * variance;
            self.squares += (residual * residual / variance).min(LARGEST_SQUARE);
            self.polls += 1;
        }
        self.over += over;
        self.variance += variance;
    }
}

/// How much the canary's excess moves from one poll to the next, in the variances that the dispersion allows.
///
/// Differences of neighbours, not of each from the mean (von Neumann, "Distribution of the ratio of the mean square
/// successive difference to the variance", 1941): a release that is bad from its first minute, or turns bad once, is a
/// single step and no noise.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct StepScatter {
    #[serde(with = "exact")]
    sum: f64,
    #[serde(with = "exact")]
    sum_of_squares: f64,
    steps: u64,
}

impl StepScatter {
    /// The scatter of polls given as excess and variance, under a dispersion.
    pub(super) fn of(scores: &[(f64, f64)], phi: f64) -> Self {
        let mut scatter = Self::default();
        let informative: Vec<_> = scores.iter().filter(|(_, v)| *v > LEAST_VARIANCE).collect();
        for pair in informative.windows(2) {
            if let [before, now] = pair {
                scatter.add(**before, **now, phi);
            }
        }
        scatter
    }

    /// Adds a step, and gives its square.
    fn add(&mut self, before: (f64, f64), now: (f64, f64), phi: f64) -> f64 {
        let step = now.0 / now.1 - before.0 / before.1;
        let allowed = phi * (1.0 / now.1 + 1.0 / before.1);
        let square = (step * step / allowed).min(LARGEST_SQUARE);
        self.sum += square;
        self.sum_of_squares += square * square;
        self.steps += 1;
        square
    }

    /// The mean square and its standard deviation over steps; where there are too few, those of independent requests
    /// with all of the dispersion.
    fn level(&self, phi: f64) -> (f64, f64) {
        let steps = self.steps as f64;
        if self.steps < 20 {
            return (1.0, std::f64::consts::SQRT_2);
        }
        let mean = (self.sum / steps).max(1.0 / phi);
        let deviation = (self.sum_of_squares / steps - mean * mean).max(0.0).sqrt();
        (mean, deviation.max(mean * std::f64::consts::SQRT_2))
    }
}

/// Holds the scatter of a watch against the one of its history.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NoiseCheck {
    history: StepScatter,
    #[serde(with = "exact")]
    phi: f64,
    watch: StepScatter,
    #[serde(with = "exact")]
    largest: f64,
    last: Option<Last>,
    /// All polls, to tell how much a worse canary scatters more by itself.
    seen: Table,
}

/// The last poll that told something about scatter.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Last {
    #[serde(with = "exact")]
    over: f64,
    #[serde(with = "exact")]
    variance: f64,
}

impl NoiseCheck {
    /// By how many standard errors the watch's mean must exceed the history's. Steps share a poll with their neighbours,
    /// which makes the mean scatter 1.2 times as much; and the check is looked at on every poll.
    const Z: f64 = 3.0;

    /// A check against the scatter and the dispersion of a history.
    #[must_use]
    pub const fn new(history: StepScatter, phi: f64) -> Self {
        let watch = StepScatter { sum: 0.0, sum_of_squares: 0.0, steps: 0 };
        let seen = Table::new((0, 0), (0, 0));
        Self { history, phi, watch, largest: 0.0, last: None, seen }
    }

    /// Takes one poll into account.
    pub fn observe(&mut self, strata: &[Table]) {
        strata.iter().for_each(|table| self.seen += *table);
        let (over, variance) = score(strata);
        if variance > LEAST_VARIANCE {
            if let Some(last) = self.last {
                let phi = self.phi * self.of_a_worse_canary();
                let square = self.watch.add((last.over, last.variance), (over, variance), phi);
                self.largest = self.largest.max(square);
            }
            self.last = Some(Last { over, variance });
        }
    }

    /// How many times the variance is that of arms alike, when the canary's share of the events is what it is so far: a
    /// canary that serves little and fails more scatters more, without any noise.
    fn of_a_worse_canary(&self) -> f64 {
        let binomial = |share: f64| share * (1.0 - share);
        let events = self.seen.canary.events as f64 / self.seen.events().max(1) as f64;
        let requests = self.seen.canary.requests as f64 / self.seen.requests().max(1) as f64;
        (binomial(events) / binomial(requests)).max(1.0)
    }

    /// Whether the watch scatters more than its history allows. One step, the largest, is left out: a release may turn bad
    /// once.
    #[must_use]
    pub fn noisier(&self) -> bool {
        if self.watch.steps == 0 {
            return false;
        }
        let (mean, deviation) = self.history.level(self.phi);
        let steps = self.watch.steps as f64;
        (self.watch.sum - self.largest) / steps > mean + Self::Z * deviation / steps.sqrt()
    }
}

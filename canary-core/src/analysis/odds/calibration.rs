//! What a node's history says about its noise: how much the counts scatter, and how much worse it is by itself.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::exact;
use super::noise::StepScatter;
use super::table::Table;
use crate::time::millis;

/// The shortest history that is taken for one.
pub const SHORTEST_HISTORY: Duration = Duration::from_secs(30 * 60);

/// The time scales at which scatter is looked for besides the single poll: slow wobble of a node shows only here.
const SCALES: [Duration; 2] = [Duration::from_secs(120), Duration::from_secs(360)];

/// What the polls before the release say of one table (errors, or one bucket's bound).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Variance over that of independent requests, ≥ 1 (φ).
    #[serde(with = "exact")]
    pub phi: f64,
    /// The log odds ratio by which the future canary was worse already, beyond its own error, ≥ 0.
    #[serde(with = "exact")]
    pub ln_offset: f64,
    /// How much the canary's excess moved from one poll to the next; what a watch is held against.
    pub steps: StepScatter,
    /// The time the history covers.
    #[serde(rename = "history_ms", with = "millis")]
    pub history: Duration,
}

/// One poll's excess of canary events (u) and its variance between arms that are alike (v), summed over the strata.
pub(super) fn score(strata: &[Table]) -> (f64, f64) {
    let scores = strata.iter().filter_map(|table| table.score());
    scores.fold((0.0, 0.0), |(over, variance), (u, v)| (over + u, variance + v))
}

impl Calibration {
    /// Reads polls of the same nodes, `poll` apart, from before the release; `None` when they cover less than
    /// [`SHORTEST_HISTORY`].
    ///
    /// θ = Σu/Σv is the one-step estimate of the log odds ratio. Dispersion is the largest of Pearson's statistic at three
    /// scales (one poll, 2 min, 6 min), each enlarged by one standard error, since an understated φ breaks the bound on
    /// false alarms while an overstated one costs time only.
    #[must_use]
    pub fn from_history<P: AsRef<[Table]>>(polls: &[P], poll: Duration) -> Option<Self> {
        let history = poll.saturating_mul(u32::try_from(polls.len()).unwrap_or(u32::MAX));
        if history < SHORTEST_HISTORY || poll.is_zero() {
            return None;
        }
        let per_scale =
            |scale: &Duration| (scale.as_secs_f64() / poll.as_secs_f64()).round().max(1.0) as usize;
        let blocks: Vec<usize> = std::iter::once(1).chain(SCALES.iter().map(per_scale)).collect();
        Some(Self { history, ..Self::from_blocks(polls, &blocks) })
    }

    /// The same without a shortest history, with the scales in polls.
    pub(super) fn from_blocks<P: AsRef<[Table]>>(polls: &[P], blocks: &[usize]) -> Self {
        let scores: Vec<(f64, f64)> = polls.iter().map(|strata| score(strata.as_ref())).collect();
        let over: f64 = scores.iter().map(|(u, _)| u).sum();
        let variance: f64 = scores.iter().map(|(_, v)| v).sum();
        if variance <= 0.0 {
            let steps = StepScatter::default();
            return Self { phi: 1.0, ln_offset: 0.0, steps, history: Duration::ZERO };
        }
        let theta = over / variance;
        let scales = blocks.iter().map(|length| scatter(&scores, theta, *length));
        let phi = scales.fold(1.0, f64::max);
        let ln_offset = (theta - (phi / variance).sqrt()).max(0.0);
        Self { phi, ln_offset, steps: StepScatter::of(&scores, phi), history: Duration::ZERO }
    }
}

/// Pearson's statistic over blocks of `length` polls, and one standard error more.
fn scatter(scores: &[(f64, f64)], theta: f64, length: usize) -> f64 {
    let (mut squares, mut variances, mut variances_squared) = (0.0, 0.0, 0.0);
    for block in scores.chunks(length.max(1)) {
        let variance: f64 = block.iter().map(|(_, v)| v).sum();
        let residual: f64 = block.iter().map(|(u, v)| u - theta * v).sum();
        squares += residual * residual;
        variances += variance;
        variances_squared += variance * variance;
    }
    if variances <= 0.0 {
        return 1.0;
    }
    let effective = variances * variances / variances_squared;
    squares / variances * (1.0 + (2.0 / effective).sqrt())
}

//! What a comparison is fixed to before its first poll.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::boundaries::{choose_boundaries, nearest_bound, nearest_share};
use super::calibration::Calibration;
use super::exact;
use crate::time::millis;

/// The bounds on wrong decisions, and when one may be taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OddsPolicy {
    /// The largest chance of rolling a good release back in the whole watch, above 0 and below 1 (α).
    #[serde(with = "exact")]
    pub alpha: f64,
    /// The largest chance of passing early a release that is as bad as what green rules out, above 0 and below 1 (β).
    #[serde(with = "exact")]
    pub beta: f64,
    /// How long the watch is planned to be.
    #[serde(rename = "window_ms", with = "millis")]
    pub window: Duration,
    /// The share of the prior on "worse from the first poll", 0 to 1 (ρ₀).
    #[serde(with = "exact")]
    pub from_start: f64,
    /// Whether green may come before the window's end.
    pub early_green: bool,
    /// The least time before an early green. A regression that begins later than the promotion cannot be seen.
    #[serde(rename = "min_soak_ms", with = "millis")]
    pub min_soak: Duration,
    /// The canary's requests, of every SLI, before an early green.
    pub min_requests: u64,
}

impl Default for OddsPolicy {
    fn default() -> Self {
        Self {
            alpha: 0.01,
            beta: 0.05,
            window: Duration::from_secs(3600),
            from_start: 0.5,
            early_green: false,
            min_soak: Duration::from_secs(600),
            min_requests: 200,
        }
    }
}

impl OddsPolicy {
    /// The same for one of several watches of a rollout, so that α holds for all of them together.
    #[must_use]
    pub fn for_one_of(self, watches: u32) -> Self {
        Self { alpha: self.alpha / f64::from(watches.max(1)), ..self }
    }

    /// The evidence in nats that red takes: ln(1/α).
    #[must_use]
    pub fn ln_needed(&self) -> f64 {
        -self.alpha.ln()
    }
}

/// What the canary is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Against {
    /// The nodes that run the previous release, over the same intervals.
    Baseline,
    /// A fixed share of events alone, as there is no other node. Trouble that all share can then roll back.
    Bound,
}

/// One SLI of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OddsSli {
    /// Its name in reports.
    pub name: String,
    /// Its part of α; the weights of all SLIs are scaled to a sum of 1.
    #[serde(with = "exact")]
    pub weight: f64,
    /// What the canary is held against.
    pub against: Against,
    /// The odds ratio that is still accepted, ≥ 1.
    #[serde(with = "exact")]
    pub margin: f64,
    /// The odds ratio that green rules out, above the margin.
    #[serde(with = "exact")]
    pub ruled_out: f64,
    /// One table for errors; for latency one for each watched bound, all of the same weight.
    pub tables: Vec<OddsTable>,
}

/// One table of an [`OddsSli`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OddsTable {
    /// The bucket's bound (`le`, in seconds) beyond which a request counts; `None` where failed requests do.
    #[serde(with = "exact::optional")]
    pub bound: Option<f64>,
    /// What the history says; `None` without one: wider margin, smaller cap, dispersion learnt on the way.
    pub calibration: Option<Calibration>,
    /// Whether green needs proof from this table.
    pub for_green: bool,
    /// The share of events that is good enough by itself, whatever the baseline has (0.005 for errors, 0.05 for "95 %
    /// are faster than the SLO"); with [`Against::Bound`] the share that is red beyond. 0 to 1.
    #[serde(with = "exact::optional")]
    pub absolute: Option<f64>,
}

impl OddsSli {
    /// Failed requests of all, with the default margins: 1.1, and 2 ruled out by green. `absolute` is a share of
    /// failures that is good enough by itself.
    #[must_use]
    pub fn errors(name: impl Into<String>, calibration: Option<Calibration>, absolute: Option<f64>) -> Self {
        let table = OddsTable { bound: None, calibration, for_green: true, absolute };
        Self {
            name: name.into(),
            weight: 1.0,
            against: Against::Baseline,
            margin: 1.1,
            ruled_out: 2.0,
            tables: vec![table],
        }
    }

    /// Slow requests of all, with the default margins: 1.25, and 1.5 ruled out by green.
    ///
    /// `slower` holds every finite bound (seconds, ascending) with the baseline's share of slower requests before the
    /// release; `calibration` is asked for each chosen bound by its index. `slo` is an objective with the share that may be
    /// slower (0.5 s, 0.05).
    #[must_use]
    pub fn latency(
        name: impl Into<String>,
        slower: &[(f64, f64)],
        slo: Option<(f64, f64)>,
        calibration: impl Fn(usize) -> Option<Calibration>,
    ) -> Self {
        let objective = slo.and_then(|(bound, _)| nearest_bound(slower, bound));
        let mut for_green = [nearest_share(slower, 0.5), nearest_share(slower, 0.1), objective].to_vec();
        for_green.retain(Option::is_some);
        let chosen = choose_boundaries(slower, slo.map(|(bound, _)| bound));
        let table = |index: &usize| OddsTable {
            bound: slower.get(*index).map(|(bound, _)| *bound),
            calibration: calibration(*index),
            for_green: for_green.is_empty() || for_green.contains(&Some(*index)),
            absolute: slo.filter(|_| objective == Some(*index)).map(|(_, share)| share),
        };
        Self {
            name: name.into(),
            weight: 1.0,
            against: Against::Baseline,
            margin: 1.25,
            ruled_out: 1.5,
            tables: chosen.iter().map(table).collect(),
        }
    }
}

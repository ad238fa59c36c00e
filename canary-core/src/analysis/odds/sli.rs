//! The tests of one SLI: one a table, their e-values averaged.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::absolute::{AbsoluteTest, Side};
use super::exact;
use super::logs::ln_sum_exp;
use super::noise::{NoiseCheck, OnlineDispersion};
use super::non_inferiority::NonInferiority;
use super::policy::{Against, OddsPolicy, OddsSli, OddsTable};
use super::table::Table;
use super::test::{OddsSettings, OddsTest};
use crate::time::millis;

/// Where there is no history, the margin is at least this.
const UNCALIBRATED_MARGIN: f64 = 1.25;

/// Where there is no history, one poll adds at most this many nats.
const UNCALIBRATED_CAP: f64 = 1.0;

/// Why a table's evidence cannot roll back by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distrust {
    /// There is no history that says how much the counts scatter.
    Uncalibrated,
    /// The counts scatter more than the history allows.
    NoisierThanHistory,
}

/// The evidence against the canary in one table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Worse {
    Compared(OddsTest),
    Alone(AbsoluteTest),
}

/// What is known of the noise in one table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Noise {
    Calibrated(NoiseCheck),
    Learnt(OnlineDispersion),
    Irrelevant,
}

/// One table's tests, and what it counted in all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct TableTests {
    #[serde(with = "exact::optional")]
    pub(super) bound: Option<f64>,
    worse: Worse,
    noise: Noise,
    not_worse: Option<NonInferiority>,
    good_enough: Option<AbsoluteTest>,
    pub(super) seen: Table,
}

impl TableTests {
    /// Nothing can be told without a baseline and without a bound: `None`.
    fn new(policy: &OddsPolicy, sli: &OddsSli, table: &OddsTable) -> Option<Self> {
        let calibration = table.calibration;
        let margin = if calibration.is_some() { sli.margin } else { sli.margin.max(UNCALIBRATED_MARGIN) };
        let phi = calibration.map_or(1.0, |c| c.phi);
        let settings = OddsSettings {
            margin,
            ln_offset: calibration.map_or(0.0, |c| c.ln_offset),
            phi,
            cap: Some(calibration.map_or(UNCALIBRATED_CAP, |_| policy.ln_needed())),
            from_start: policy.from_start,
            window: policy.window,
        };
        let (worse, noise) = match sli.against {
            Against::Baseline => (Worse::Compared(OddsTest::new(settings)), Self::noise(table)),
            Against::Bound => {
                (Worse::Alone(AbsoluteTest::new(table.absolute?, Side::Beyond)), Noise::Irrelevant)
            }
        };
        let compared = sli.against == Against::Baseline && table.for_green;
        Some(Self {
            bound: table.bound,
            worse,
            noise,
            not_worse: compared.then(|| NonInferiority::new(sli.ruled_out, phi)),
            good_enough: table.absolute.map(|share| AbsoluteTest::new(share, Side::Within)),
            seen: Table::default(),
        })
    }

    fn noise(table: &OddsTable) -> Noise {
        match table.calibration {
            Some(calibration) => Noise::Calibrated(NoiseCheck::new(calibration.steps, calibration.phi)),
            None => Noise::Learnt(OnlineDispersion::default()),
        }
    }

    fn observe(&mut self, strata: &[Table], elapsed: Duration) {
        let learnt = match &self.noise {
            Noise::Learnt(online) => Some(online.phi()),
            Noise::Calibrated(_) | Noise::Irrelevant => None,
        };
        match &mut self.worse {
            Worse::Compared(test) => {
                let phi = learnt.unwrap_or_else(|| test.settings().phi);
                test.observe_with(strata, elapsed, phi);
            }
            Worse::Alone(test) => strata.iter().for_each(|table| test.observe(table.canary)),
        }
        if let Some(test) = &mut self.not_worse {
            match learnt {
                Some(phi) => test.observe_with(strata, phi),
                None => test.observe(strata),
            }
        }
        if let Some(test) = &mut self.good_enough {
            strata.iter().for_each(|table| test.observe(table.canary));
        }
        match &mut self.noise {
            Noise::Calibrated(check) => check.observe(strata),
            Noise::Learnt(online) => online.observe(strata),
            Noise::Irrelevant => {}
        }
        strata.iter().for_each(|table| self.seen += *table);
    }

    pub(super) fn ln_e(&self) -> f64 {
        match &self.worse {
            Worse::Compared(test) => test.ln_e(),
            Worse::Alone(test) => test.ln_e(),
        }
    }

    pub(super) fn distrust(&self) -> Option<Distrust> {
        match &self.noise {
            Noise::Learnt(_) => Some(Distrust::Uncalibrated),
            Noise::Calibrated(check) => check.noisier().then_some(Distrust::NoisierThanHistory),
            Noise::Irrelevant => None,
        }
    }

    /// Whether "much worse than the baseline" is ruled out at 1/β; true where this table is not needed for it.
    fn proven_not_worse(&self, ln_needed: f64) -> bool {
        self.not_worse.as_ref().is_none_or(|test| test.ln_e() >= ln_needed)
    }
}

/// The tests of one SLI.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct SliTests {
    pub(super) name: String,
    #[serde(with = "exact")]
    pub(super) ln_weight: f64,
    pub(super) tables: Vec<TableTests>,
    /// Time that passed since the last poll with data of this SLI.
    #[serde(rename = "waited_ms", with = "millis")]
    waited: Duration,
}

impl SliTests {
    pub(super) fn new(policy: &OddsPolicy, sli: &OddsSli, weight: f64) -> Self {
        let tables = sli.tables.iter().filter_map(|table| TableTests::new(policy, sli, table)).collect();
        Self { name: sli.name.clone(), ln_weight: weight.ln(), tables, waited: Duration::ZERO }
    }

    /// Takes one poll; `tables` holds the strata of each table, and is empty when the SLI had no data.
    pub(super) fn observe(&mut self, tables: &[Vec<Table>], elapsed: Duration) {
        self.waited += elapsed;
        if tables.is_empty() {
            return;
        }
        for (tests, strata) in self.tables.iter_mut().zip(tables) {
            tests.observe(strata, self.waited);
        }
        self.waited = Duration::ZERO;
    }

    /// The logarithm of the tables' average e-value, of those that `include` takes; the others count as zero.
    ///
    /// An average of e-values is an e-value under any dependence (Vovk and Wang, "E-values: calibration, combination and
    /// applications", Annals of Statistics 2021); a product or a maximum is not.
    pub(super) fn ln_e(&self, include: impl Fn(&TableTests) -> bool + Clone) -> f64 {
        let ln_weight = -(self.tables.len() as f64).ln();
        ln_sum_exp(self.tables.iter().filter(|t| include(t)).map(|t| ln_weight + t.ln_e()))
    }

    /// The canary's requests.
    pub(super) fn canary_requests(&self) -> u64 {
        self.tables.first().map_or(0, |table| table.seen.canary.requests)
    }

    /// Whether every table that green needs rules "much worse than the baseline" out.
    pub(super) fn proven_not_worse(&self, ln_needed: f64) -> bool {
        let compared = self.tables.iter().any(|table| table.not_worse.is_some());
        compared && self.tables.iter().all(|table| table.proven_not_worse(ln_needed))
    }

    /// Whether the canary is good enough by itself.
    pub(super) fn proven_good_enough(&self, ln_needed: f64) -> bool {
        let mut tests = self.tables.iter().filter_map(|table| table.good_enough.as_ref()).peekable();
        tests.peek().is_some() && tests.all(|test| test.ln_e() >= ln_needed)
    }
}

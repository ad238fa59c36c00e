//! How the probes of a watch become a decision, beyond the plain bounds.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::defaults;
use crate::analysis::{HoldKind, Number, Ratio, Role, ScoreBounds, ThresholdOptions};
use crate::spec::WatchSubject;
use crate::time::millis;
use crate::traits::SliKind;

/// The judges of a watch. Any red of any of them is red; any hold holds.
///
/// The default is the runbook's rule alone: the first SLI outside its bound decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Judging {
    /// Holds each SLI against its bound; `None`: bounds are told and decide nothing.
    pub threshold: Option<ThresholdOptions>,
    /// Sums the SLIs up by weight, with critical and advisory ones.
    pub score: Option<ScoreBounds>,
    /// Compares the canary with the nodes that still run the previous release; needs a source with raw counters.
    pub odds: Option<OddsRules>,
    /// How long the watch may be held for one reason alone, in all; what is not named has the whole hold budget.
    pub hold_budgets: BTreeMap<HoldKind, HoldBudget>,
    /// Also reads what the baseline has, to be told beside the canary's values.
    pub side_by_side: bool,
    /// What it means when canary and baseline are outside a bound alike; needs `side_by_side`.
    pub common_fault: CommonFault,
}

/// What it means when the baseline is outside the bound, too, and the canary not much worse than it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommonFault {
    /// Red: the bound holds whatever the others do.
    Red,
    /// A hold: trouble that all nodes share says nothing about the release.
    Hold,
}

impl Default for Judging {
    fn default() -> Self {
        Self {
            threshold: Some(ThresholdOptions::default()),
            score: None,
            odds: None,
            hold_budgets: BTreeMap::new(),
            side_by_side: false,
            common_fault: CommonFault::Red,
        }
    }
}

/// A duration of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HoldBudget(#[serde(with = "millis")] pub Duration);

/// What a comparison that proved neither side means at the window's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unproven {
    /// Green, unless there is half of the evidence that red takes.
    Pass,
    /// Inconclusive.
    Inconclusive,
}

/// The rules of the comparison with the baseline; see [`crate::analysis::odds`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OddsRules {
    /// The largest chance of a false rollback in the whole rollout, above 0 and below 1 (α).
    pub alpha: Ratio,
    /// The largest chance of calling a much worse release proven good, above 0 and below 1 (β).
    pub beta: Ratio,
    /// Whether a proof ends the watch before its window does.
    pub early_green: bool,
    /// The least time before that.
    #[serde(rename = "min_soak_ms", with = "millis")]
    pub min_soak: Duration,
    /// The canary's requests before that.
    pub min_requests: u64,
    /// The time after the canary's return that is not compared: caches fill, connections are made.
    #[serde(rename = "warm_up_ms", with = "millis")]
    pub warm_up: Duration,
    /// The time before the rollout that the noise is learnt from.
    #[serde(rename = "history_ms", with = "millis")]
    pub history: Duration,
    /// What it means when neither side is proven at the window's end.
    pub unproven: Unproven,
}

impl Default for OddsRules {
    fn default() -> Self {
        Self {
            alpha: defaults::ratio(defaults::ALPHA),
            beta: defaults::ratio(defaults::BETA),
            early_green: false,
            min_soak: defaults::MIN_SOAK,
            min_requests: defaults::EARLY_REQUESTS,
            warm_up: defaults::WARM_UP,
            history: defaults::HISTORY,
            unproven: Unproven::Pass,
        }
    }
}

impl OddsRules {
    /// What in the rules contradicts itself.
    pub(super) fn problems(&self, window: Duration) -> Vec<String> {
        let mut problems = Vec::new();
        for (name, what, value) in
            [("alpha", "false rollbacks", self.alpha), ("beta", "false greens", self.beta)]
        {
            if value.value() <= 0.0 || value.value() >= 0.5 {
                let value = value.value();
                problems
                    .push(format!("{name} is {value}: the chance of {what} must be above 0 and below 0.5"));
            }
        }
        let show = |d: Duration| humantime::format_duration(d).to_string();
        if self.warm_up >= window {
            let (warm_up, window) = (show(self.warm_up), show(window));
            problems.push(format!(
                "the warm-up of {warm_up} leaves nothing of the window of {window} to compare; shorten it or lengthen the window"
            ));
        }
        problems
    }
}

/// What one SLI is to the judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SliJudging {
    /// Its part in the score, and of the chance of false rollbacks; an advisory one decides nothing anywhere.
    pub role: Role,
    /// Whose it is; `None`: as the watch has it.
    pub subject: Option<WatchSubject>,
    /// The odds ratio to the baseline that is still accepted, ≥ 1; `None`: 1.1 for errors, 1.25 for latency.
    pub margin: Option<Number>,
    /// The odds ratio that a proof of good rules out, above the margin; `None`: 2 for errors, 1.5 for latency.
    pub rules_out: Option<Number>,
}

impl Default for SliJudging {
    fn default() -> Self {
        Self { role: Role::Weighted(1), subject: None, margin: None, rules_out: None }
    }
}

impl SliJudging {
    /// The odds ratio that is much worse than the baseline: 2 for errors, 1.5 for anything else, unless said.
    #[must_use]
    pub fn much_worse(&self, kind: &SliKind) -> f64 {
        let usual = if matches!(kind, SliKind::ErrorRatio { .. }) { 2.0 } else { 1.5 };
        self.rules_out.map_or(usual, Number::value)
    }

    /// What in it contradicts itself.
    pub(super) fn problems(&self, sli: &str) -> Vec<String> {
        let mut problems = Vec::new();
        if let Some(margin) = self.margin.filter(|margin| margin.value() < 1.0) {
            problems.push(format!(
                "SLI {sli:?} has a margin of {margin}: an odds ratio below 1 would roll back a better canary"
            ));
        }
        let margin = self.margin.map_or(1.0, Number::value);
        if let Some(out) = self.rules_out.filter(|out| out.value() <= margin) {
            problems.push(format!("SLI {sli:?} rules out {out}, which is not above its margin {margin}"));
        }
        problems
    }
}

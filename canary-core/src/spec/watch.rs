//! What is watched on the canary, for how long, and within which bounds.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::analysis::Number;
use crate::spec::{Judging, SliJudging};
use crate::time::millis;
use crate::traits::SliKind;

/// The good side of a bound. A value on the bound itself is red: the runbook says "below".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "bound", rename_all = "snake_case")]
pub enum Bound {
    /// Green while below.
    Below(Number),
    /// Green while above.
    Above(Number),
}

impl Bound {
    /// Whether a value is on the good side.
    #[must_use]
    pub fn holds(self, value: f64) -> bool {
        match self {
            Self::Below(bound) => value < bound.value(),
            Self::Above(bound) => value > bound.value(),
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Below(bound) => write!(f, "< {bound}"),
            Self::Above(bound) => write!(f, "> {bound}"),
        }
    }
}

/// One service level indicator with its bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sli {
    /// Its name in reports (`p95`).
    pub name: String,
    /// What is measured.
    pub kind: SliKind,
    /// What is good.
    pub bound: Bound,
    /// The requests a reading must rest on to be judged; where the source tells.
    pub min_requests: u64,
    /// What it is to the judges.
    #[serde(default)]
    pub judging: SliJudging,
}

/// Whose SLIs decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchSubject {
    /// The whole pool's (the runbook's).
    Pool,
    /// The canary's alone; needs a source that can tell nodes apart.
    Canary,
}

/// What happens when a watch went too long without data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnInconclusive {
    /// Leave the canary as it is and stop.
    Keep,
    /// Bring the previous artifact back to the canary.
    RollBack,
}

/// How the canary is watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchPolicy {
    /// How much time with data must have passed.
    #[serde(rename = "window_ms", with = "millis")]
    pub window: Duration,
    /// The time between probes.
    #[serde(rename = "interval_ms", with = "millis")]
    pub interval: Duration,
    /// The time each probe looks back over, at most; never past the watch's start.
    #[serde(rename = "rate_window_ms", with = "millis")]
    pub rate_window: Duration,
    /// Whose SLIs decide.
    pub subject: WatchSubject,
    /// What is watched; at least one.
    pub slis: Vec<Sli>,
    /// How long the watch may go without data, in all.
    #[serde(rename = "hold_budget_ms", with = "millis")]
    pub hold_budget: Duration,
    /// What then.
    pub on_inconclusive: OnInconclusive,
    /// How the probes become a decision.
    #[serde(default)]
    pub judging: Judging,
}

impl WatchPolicy {
    /// Whose an SLI is.
    #[must_use]
    pub fn subject_of(&self, sli: &Sli) -> WatchSubject {
        sli.judging.subject.unwrap_or(self.subject)
    }

    /// What in the policy contradicts itself.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let show = |d: Duration| humantime::format_duration(d).to_string();
        if self.interval.is_zero() {
            problems.push("the probe interval is 0; set it to 1s or more".to_owned());
        } else if self.window < self.interval * 2 {
            problems.push(format!(
                "the watch window {} is shorter than two probes ({} apart): lengthen it, probe more often, or set it \
                 to 0 for no watch",
                show(self.window),
                show(self.interval)
            ));
        }
        if self.rate_window.is_zero() {
            problems.push("the rate window is 0; set it to at least four scrape intervals".to_owned());
        }
        if self.slis.is_empty() {
            problems.push("nothing is watched; name at least one SLI or set the window to 0".to_owned());
        }
        let mut names = std::collections::BTreeSet::new();
        for sli in &self.slis {
            if !names.insert(&sli.name) {
                problems.push(format!("two SLIs are called {:?}; rename one", sli.name));
            }
            problems.extend(impossible(sli));
            problems.extend(sli.judging.problems(&sli.name));
        }
        problems.extend(self.judging.odds.iter().flat_map(|rules| rules.problems(self.window)));
        if self.judging.threshold.is_none() && self.judging.score.is_none() && self.judging.odds.is_none() {
            problems.push("no judge is named, so that nothing could ever be red; name one".to_owned());
        }
        problems
    }
}

/// A bound that cannot be met or cannot be broken.
fn impossible(sli: &Sli) -> Option<String> {
    let (never_green, never_red) = match (&sli.kind, sli.bound) {
        (SliKind::ErrorRatio { .. }, Bound::Below(b)) => (b.value() <= 0.0, b.value() > 1.0),
        (SliKind::ErrorRatio { .. }, Bound::Above(b)) => (b.value() >= 1.0, b.value() < 0.0),
        (SliKind::Quantile { .. }, Bound::Below(b)) => (b.value() <= 0.0, false),
        (SliKind::Quantile { .. }, Bound::Above(b)) => (false, b.value() < 0.0),
        (SliKind::Expression { .. }, _) => (false, false),
    };
    if never_green {
        return Some(format!(
            "SLI {:?} can never be {}: every release would be rolled back",
            sli.name, sli.bound
        ));
    }
    never_red.then(|| format!("SLI {:?} is always {}: the bound can never trip", sli.name, sli.bound))
}

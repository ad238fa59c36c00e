//! What a probe means: green, red with evidence, or a hold with its reason.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::again::{is_open, of_the_reading};
use super::hold::HoldReason;
use crate::analysis::{Number, combined};
use crate::spec::{Bound, Sli};
use crate::traits::{ExecutedQuery, Reading, Sample};

/// What one SLI's reading means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum SliVerdict {
    /// Within its bound.
    Green,
    /// Outside its bound.
    Red,
    /// Decides nothing.
    Hold {
        /// Why.
        why: HoldReason,
    },
}

/// Whose a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// The canary's.
    Canary,
    /// That of the nodes that still run the previous release.
    Baseline,
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Canary => "canary",
            Self::Baseline => "baseline",
        })
    }
}

/// One SLI as judged at one probe, with its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JudgedSli {
    /// The SLI's name.
    pub sli: String,
    /// The value, where there is one; of an open bucket its lower end.
    pub value: Option<Number>,
    /// The bound it was held against.
    pub bound: Bound,
    /// The requests it rests on, where known.
    pub events: Option<u64>,
    /// What it means.
    #[serde(flatten)]
    pub verdict: SliVerdict,
    /// The same over the same time elsewhere; tells, and decides nothing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub beside: BTreeMap<Whose, Number>,
    /// What was asked and answered.
    pub queries: Vec<ExecutedQuery>,
}

impl fmt::Display for JudgedSli {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.verdict, self.value) {
            (SliVerdict::Hold { why }, _) => write!(f, "{} held: {why}", self.sli),
            (_, None) => write!(f, "{} (bound {})", self.sli, self.bound),
            (_, Some(value)) => {
                write!(f, "{} {} (bound {}", self.sli, round(value), self.bound)?;
                for (whose, value) in &self.beside {
                    write!(f, ", {whose} {}", round(*value))?;
                }
                f.write_str(")")
            }
        }
    }
}

/// A number cut to four significant digits, for people.
#[must_use]
pub fn round(number: Number) -> String {
    let value = number.value();
    if value == 0.0 {
        return "0".to_owned();
    }
    let digits = 3 - value.abs().log10().floor().clamp(-12.0, 12.0) as i32;
    let places = usize::try_from(digits.max(0)).unwrap_or(0);
    let text = format!("{value:.places$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// What a probe as a whole means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every SLI is within its bound.
    Green,
    /// At least one is outside.
    Red,
    /// None is outside, and at least one decides nothing.
    Hold,
}

/// Judges one SLI by its bound. `filling` says that the time looked back over is still shorter than a rate takes.
#[must_use]
pub fn judge(sli: &Sli, answer: Result<Sample, String>, filling: bool) -> JudgedSli {
    let hold = |why| SliVerdict::Hold { why };
    let sample = match answer {
        Ok(sample) => sample,
        Err(error) => {
            let verdict = hold(HoldReason::SourceDown { error });
            return JudgedSli {
                sli: sli.name.clone(),
                value: None,
                bound: sli.bound,
                events: None,
                verdict,
                beside: BTreeMap::new(),
                queries: Vec::new(),
            };
        }
    };
    let (value, verdict) = match sample.reading {
        Reading::Absent | Reading::NoTraffic if filling => (None, hold(HoldReason::Filling)),
        Reading::Absent => (None, hold(HoldReason::Absent)),
        Reading::NoTraffic => (None, hold(HoldReason::NoTraffic)),
        Reading::Stale => (None, hold(HoldReason::Stale)),
        Reading::NotANumber => (None, hold(HoldReason::NotANumber)),
        Reading::Infinite => (None, hold(HoldReason::Infinite)),
        Reading::SeveralSeries { count } => (None, hold(HoldReason::SeveralSeries { count })),
        Reading::Value { value } => {
            (Some(value), enough(sli, &sample).unwrap_or_else(|| by_bound(sli.bound.holds(value.value()))))
        }
        Reading::AtLeast { at_least } => {
            (Some(at_least), enough(sli, &sample).unwrap_or_else(|| open_bucket(sli.bound, at_least)))
        }
    };
    JudgedSli {
        sli: sli.name.clone(),
        value,
        bound: sli.bound,
        events: sample.events,
        verdict,
        beside: BTreeMap::new(),
        queries: sample.queries,
    }
}

impl JudgedSli {
    /// Notes what the baseline has. Where it is outside the bound as well and the canary not `much_worse` times as bad, red
    /// becomes a hold; red for the first time (`confirmed` is false) as well, since the baseline may be sampled a little later.
    pub fn share_fault(&mut self, baseline: Number, much_worse: f64, confirmed: bool) {
        let alike = |value: Number| match self.bound {
            Bound::Below(_) => value.value() <= baseline.value() * much_worse,
            Bound::Above(_) => value.value() * much_worse >= baseline.value(),
        };
        let outside = !self.bound.holds(baseline.value());
        if self.verdict == SliVerdict::Red && outside && self.value.is_some_and(alike) {
            self.verdict = SliVerdict::Hold { why: HoldReason::CommonFault { baseline } };
        } else if self.verdict == SliVerdict::Red && !confirmed {
            self.verdict = SliVerdict::Hold { why: HoldReason::Unconfirmed { baseline } };
        }
    }
}

const fn by_bound(holds: bool) -> SliVerdict {
    if holds { SliVerdict::Green } else { SliVerdict::Red }
}

/// A value of which only the lower end is known.
fn open_bucket(bound: Bound, at_least: Number) -> SliVerdict {
    let why = HoldReason::OutOfBuckets { largest: at_least };
    match bound {
        Bound::Below(limit) if at_least >= limit => SliVerdict::Red,
        Bound::Above(limit) if at_least > limit => SliVerdict::Green,
        Bound::Below(_) | Bound::Above(_) => SliVerdict::Hold { why },
    }
}

/// The verdict on a recorded value by a bound, perhaps another than it was recorded with.
pub(super) fn judged_by_bound(sli: &Sli, value: Number, told: &JudgedSli) -> SliVerdict {
    if of_the_reading(&told.verdict) {
        return told.verdict.clone();
    }
    if let Some(seen) = told.events.filter(|seen| *seen < sli.min_requests) {
        return SliVerdict::Hold { why: HoldReason::TooFewRequests { seen, needed: sli.min_requests } };
    }
    if is_open(&told.verdict) {
        open_bucket(sli.bound, value)
    } else {
        by_bound(sli.bound.holds(value.value()))
    }
}

/// How a source marks a remark on the query, which says nothing about the data (Prometheus's `infos`).
const INFO: &str = "info: ";

/// A hold when the reading rests on too little or on partial data.
fn enough(sli: &Sli, sample: &Sample) -> Option<SliVerdict> {
    let partial = |warning: &&String| !warning.starts_with(INFO);
    let warnings: Vec<_> = sample.warnings.iter().filter(partial).cloned().collect();
    if !warnings.is_empty() {
        return Some(SliVerdict::Hold { why: HoldReason::Warnings { warnings } });
    }
    let seen = sample.events?;
    (seen < sli.min_requests)
        .then_some(SliVerdict::Hold { why: HoldReason::TooFewRequests { seen, needed: sli.min_requests } })
}

impl SliVerdict {
    /// Without the reason of a hold.
    pub(super) const fn kind(&self) -> Verdict {
        match self {
            Self::Green => Verdict::Green,
            Self::Red => Verdict::Red,
            Self::Hold { .. } => Verdict::Hold,
        }
    }
}

/// Sums up a probe: any red is red, else any hold holds.
#[must_use]
pub fn overall(slis: &[JudgedSli]) -> Verdict {
    combined(slis.iter().map(|sli| sli.verdict.kind()))
}

//! From counters to a comparison: what it is fixed to before it begins, and what each poll adds.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::odds::{
    Against, ArmHistogram, Calibration, CounterMemory, Distrust, OddsJudgement, OddsPolicy, OddsSli,
    OddsVerdict, OddsWatch, SHORTEST_HISTORY, SeriesReading, Table,
};
use super::{HoldReason, Number, Role};
use crate::fleet::NodeId;
use crate::spec::{Bound, OddsRules, Sli};
use crate::time::millis;
use crate::traits::{CounterHistory, Counters, SliKind};

/// What a comparison is fixed to before its first poll.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The bounds on wrong decisions.
    pub policy: OddsPolicy,
    /// What is compared.
    pub slis: Vec<OddsSli>,
    /// The nodes that still run the previous release; empty when the canary is alone.
    pub baseline: Vec<NodeId>,
    /// Why it knows less than it could, an SLI each.
    pub remarks: Vec<String>,
}

impl Comparison {
    /// A comparison that has seen nothing.
    #[must_use]
    pub fn begin(&self) -> OddsWatch {
        OddsWatch::new(self.policy.clone(), &self.slis)
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slis: Vec<_> = self.slis.iter().map(|sli| sli.name.as_str()).collect();
        write!(f, "{} compared with ", slis.join(" and "))?;
        match self.baseline.as_slice() {
            [] => f.write_str("their bounds alone: trouble of all nodes counts against the release")?,
            [node] => write!(f, "{node}")?,
            nodes => {
                let nodes: Vec<_> = nodes.iter().map(NodeId::as_str).collect();
                write!(f, "{} nodes ({})", nodes.len(), nodes.join(", "))?;
            }
        }
        write!(f, ", at most {} % false rollbacks", 100.0 * self.policy.alpha)?;
        if !self.remarks.is_empty() {
            write!(f, "; without their noise, red only holds: {}", self.remarks.join("; "))?;
        }
        Ok(())
    }
}

/// The most steps that a history is cut into.
const MOST_STEPS: u32 = 2000;

impl OddsRules {
    /// The steps that the past is read in. Coarser ones show more scatter, not less: the noise is rather over- than
    /// understated.
    #[must_use]
    pub fn step(&self, interval: Duration) -> Duration {
        interval.max(self.history / MOST_STEPS)
    }

    /// The policy of one of a rollout's `watches`, planned to last `window`.
    #[must_use]
    pub fn policy(&self, window: Duration, watches: u32) -> OddsPolicy {
        OddsPolicy {
            alpha: self.alpha.value(),
            beta: self.beta.value(),
            window: window.saturating_sub(self.warm_up),
            early_green: self.early_green,
            min_soak: self.min_soak,
            min_requests: self.min_requests,
            ..OddsPolicy::default()
        }
        .for_one_of(watches)
    }
}

/// The part of an SLI in a comparison: none for expressions and for those that only advise.
#[must_use]
pub fn compared(sli: &Sli) -> Option<f64> {
    let weight = match sli.judging.role {
        Role::Weighted(weight) => f64::from(weight),
        Role::Critical => 1.0,
        Role::Advisory => 0.0,
    };
    let counted = !matches!(sli.kind, SliKind::Expression { .. });
    let below = matches!(sli.bound, Bound::Below(_));
    (counted && below && weight > 0.0).then_some(weight)
}

/// Fixes an SLI's tests by what its counters did before the release. `bounds` are those of its histogram.
///
/// Returned with it: why it is not calibrated, where it is not.
#[must_use]
pub fn calibrated(
    sli: &Sli,
    canary: &NodeId,
    baseline: &[NodeId],
    bounds: &[Number],
    history: Result<&CounterHistory, String>,
) -> (OddsSli, Option<String>) {
    let against = if baseline.is_empty() { Against::Bound } else { Against::Baseline };
    let past = history.and_then(|history| Past::of(history, canary, baseline));
    let (past, remark) = match past {
        Ok(past) => (Some(past), None),
        Err(why) => (None, (against == Against::Baseline).then(|| format!("{}: {why}", sli.name))),
    };
    let limit = match sli.bound {
        Bound::Below(bound) => Some(bound.value()),
        Bound::Above(_) => None,
    };
    let calibration = |table: usize| past.as_ref().and_then(|past| past.calibration(table));
    let mut fixed = match &sli.kind {
        SliKind::Quantile { quantile, .. } => {
            let slower = |(at, bound): (usize, &Number)| {
                (bound.value(), past.as_ref().map_or(0.0, |past| past.slower(at)))
            };
            let slower: Vec<_> = bounds.iter().enumerate().map(slower).collect();
            let share = 1.0 - quantile.value();
            let slo = limit.filter(|_| share > 0.0 && share < 1.0).map(|bound| (bound, share));
            OddsSli::latency(&sli.name, &slower, slo, calibration)
        }
        SliKind::ErrorRatio { .. } | SliKind::Expression { .. } => {
            OddsSli::errors(&sli.name, calibration(0), limit.filter(|bound| *bound > 0.0 && *bound < 1.0))
        }
    };
    fixed.against = against;
    fixed.weight = compared(sli).unwrap_or(0.0);
    fixed.margin = sli.judging.margin.map_or(fixed.margin, Number::value);
    fixed.ruled_out =
        sli.judging.rules_out.map_or_else(|| fixed.ruled_out.max(fixed.margin * 1.2), Number::value);
    (fixed, remark)
}

/// The least steps with traffic on both sides that are taken for a history.
const FEWEST_POLLS: usize = 20;

/// The polls before the release, as the watch would have counted them.
pub(super) struct Past {
    step: Duration,
    /// Canary and baseline of each step.
    polls: Vec<(ArmHistogram, ArmHistogram)>,
}

impl Past {
    /// All that the history has, however little.
    pub(super) fn counted(history: &CounterHistory, canary: &NodeId, baseline: &[NodeId]) -> Self {
        let steps = history.nodes.iter().map(|node| node.steps.len()).max().unwrap_or(0);
        let mut polls = vec![(ArmHistogram::default(), ArmHistogram::default()); steps];
        for node in &history.nodes {
            for (poll, grown) in polls.iter_mut().zip(&node.steps) {
                if node.node == *canary {
                    poll.0.add(grown);
                } else if baseline.contains(&node.node) {
                    poll.1.add(grown);
                }
            }
        }
        Self { step: history.step, polls }
    }

    /// A history that is long enough to learn from.
    fn of(history: &CounterHistory, canary: &NodeId, baseline: &[NodeId]) -> Result<Self, String> {
        let Self { step, mut polls } = Self::counted(history, canary, baseline);
        let told = |(one, other): &(ArmHistogram, ArmHistogram)| one.requests() > 0 && other.requests() > 0;
        let (first, last) = (polls.iter().position(told), polls.iter().rposition(told));
        let span = first.zip(last).map_or(0..0, |(first, last)| first..last + 1);
        let covers = step.saturating_mul(u32::try_from(span.len()).unwrap_or(u32::MAX));
        let count = polls.iter().filter(|poll| told(poll)).count();
        if covers < SHORTEST_HISTORY || count < FEWEST_POLLS {
            let show = |d: Duration| humantime::format_duration(Duration::from_secs(d.as_secs())).to_string();
            return Err(format!(
                "{} of history with traffic on canary and baseline, {} are needed",
                show(covers),
                show(SHORTEST_HISTORY)
            ));
        }
        Ok(Self { step, polls: polls.drain(span).collect() })
    }

    fn table(&self, at: usize) -> Vec<[Table; 1]> {
        self.polls.iter().map(|(canary, baseline)| [table(canary, baseline, at)]).collect()
    }

    fn calibration(&self, at: usize) -> Option<Calibration> {
        Calibration::from_history(&self.table(at), self.step)
    }

    /// All requests of both.
    pub(super) fn requests(&self) -> u64 {
        self.polls.iter().map(|(canary, baseline)| canary.requests() + baseline.requests()).sum()
    }

    /// Requests a second while there were any, and the canary's share of them; `None` where one of both had none.
    pub(super) fn traffic(&self) -> Option<(f64, f64)> {
        let busy = self.polls.iter().filter(|(one, other)| one.requests() + other.requests() > 0).count();
        let canary: u64 = self.polls.iter().map(|(canary, _)| canary.requests()).sum();
        let (all, seconds) = (self.requests(), self.step.as_secs_f64() * busy as f64);
        (canary > 0 && canary < all && seconds > 0.0)
            .then(|| (all as f64 / seconds, canary as f64 / all as f64))
    }

    /// The share of the baseline's requests beyond a bound, 0 to 1.
    pub(super) fn slower(&self, at: usize) -> f64 {
        let all: u64 = self.polls.iter().map(|(_, baseline)| baseline.requests()).sum();
        let slower: u64 = self.polls.iter().map(|(_, baseline)| baseline.slower_than(at)).sum();
        if all == 0 { 0.0 } else { slower as f64 / all as f64 }
    }
}

fn table(canary: &ArmHistogram, baseline: &ArmHistogram, at: usize) -> Table {
    let arm = |arm: &ArmHistogram| (arm.requests(), arm.slower_than(at));
    Table::new(arm(canary), arm(baseline))
}

/// What one SLI's counters add since they were last read: its tables, or none where only the canary or only the
/// baseline is known yet.
///
/// # Errors
/// A bound that is watched and that the histogram no longer has.
pub fn tables(
    sli: &OddsSli,
    memory: &mut CounterMemory,
    counters: &Counters,
    canary: &NodeId,
) -> Result<Vec<Table>, String> {
    let places: Vec<usize> = sli
        .tables
        .iter()
        .map(|table| match table.bound {
            None => Ok(0),
            Some(bound) => {
                let place = counters.bounds.iter().position(|known| known.value() == bound);
                place.ok_or_else(|| format!("{}: the histogram no longer has a bucket le={bound}", sli.name))
            }
        })
        .collect::<Result<_, _>>()?;
    let (mut one, mut other) = (ArmHistogram::default(), ArmHistogram::default());
    let readings = counters.series.iter().map(|series| SeriesReading {
        node: series.node.as_str(),
        series: &series.series,
        at: series.at,
        values: &series.values,
    });
    memory.advance(readings, |reading, grown| {
        let arm = if reading.node == canary.as_str() { &mut one } else { &mut other };
        arm.add(grown);
    });
    if one.requests() == 0 && other.requests() == 0 {
        return Ok(Vec::new());
    }
    Ok(places.into_iter().map(|place| table(&one, &other, place)).collect())
}

/// One poll of a comparison, and what it says since.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// For each SLI, for each of its tables, what was counted since the poll before; nothing for one without data.
    pub tables: Vec<Vec<Table>>,
    /// The time since the poll before.
    #[serde(rename = "elapsed_ms", with = "millis")]
    pub elapsed: Duration,
    /// What it says now.
    pub judgement: OddsJudgement,
    /// What it would say if the window ended now.
    pub closing: OddsVerdict,
}

impl Compared {
    /// Takes a poll into account.
    #[must_use]
    pub fn poll(watch: &mut OddsWatch, tables: Vec<Vec<Table>>, elapsed: Duration) -> Self {
        let judgement = take(watch, &tables, elapsed);
        Self { tables, elapsed, judgement, closing: watch.finish().verdict }
    }

    /// Why a comparison that sees a worse canary does not say so, where that is why it holds.
    #[must_use]
    pub fn distrust(&self) -> Option<HoldReason> {
        let evidence = || self.judgement.evidence.to_string();
        match self.judgement.verdict {
            OddsVerdict::Hold(Distrust::Uncalibrated) => {
                Some(HoldReason::Uncalibrated { evidence: evidence() })
            }
            OddsVerdict::Hold(Distrust::NoisierThanHistory) => {
                Some(HoldReason::NoisierThanHistory { evidence: evidence() })
            }
            _ => None,
        }
    }

    /// Takes a recorded poll into account again.
    pub fn replay(&self, watch: &mut OddsWatch) {
        take(watch, &self.tables, self.elapsed);
    }

    /// Whether the canary looks worse by half of the evidence that red takes.
    #[must_use]
    pub fn suspicious(&self) -> bool {
        self.judgement.evidence.ln_e >= self.judgement.evidence.ln_needed / 2.0
    }
}

/// Lets a watch take one poll; one without any data is no time watched.
fn take(watch: &mut OddsWatch, tables: &[Vec<Table>], elapsed: Duration) -> OddsJudgement {
    if tables.iter().all(Vec::is_empty) {
        watch.skip(elapsed);
        return watch.observe(&[], Duration::ZERO);
    }
    // One stratum a table.
    let strata: Vec<Vec<Vec<Table>>> =
        tables.iter().map(|sli| sli.iter().map(|table| vec![*table]).collect()).collect();
    watch.observe(&strata, elapsed)
}

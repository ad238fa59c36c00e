//! One SLI over the watch: what every probe read, beside its bound.

use std::collections::BTreeMap;

use canary_core::analysis::{JudgedSli, Number, Observation, SliVerdict, Whose};
use canary_core::journal::ComparedAccount;
use canary_core::spec::{Bound, Sli};
use canary_core::time::Timestamp;
use canary_core::traits::SliKind;

/// One SLI's readings, in the order of the probes.
#[derive(Debug, Clone)]
pub(crate) struct Track {
    pub(crate) name: String,
    /// What is measured, in words.
    pub(crate) what: String,
    pub(crate) bound: Bound,
    pub(crate) points: Vec<Point>,
}

/// One probe's reading.
#[derive(Debug, Clone)]
pub(crate) struct Point {
    /// The probe before, or the start of the watch.
    pub(crate) since: Timestamp,
    pub(crate) at: Timestamp,
    pub(crate) value: Option<Number>,
    pub(crate) events: Option<u64>,
    pub(crate) verdict: SliVerdict,
    /// The same elsewhere.
    pub(crate) beside: BTreeMap<Whose, Number>,
    /// No engine lived for a while before this probe, or another watch ended: it does not go on from the one before.
    pub(crate) apart: bool,
}

impl Point {
    /// The value, where it decides something.
    pub(crate) fn judged(&self) -> Option<Number> {
        self.value.filter(|_| !self.held())
    }

    pub(crate) const fn held(&self) -> bool {
        matches!(self.verdict, SliVerdict::Hold { .. })
    }

    pub(crate) fn red(&self) -> bool {
        self.verdict == SliVerdict::Red
    }
}

impl Track {
    /// A track without readings, as the plan has it.
    pub(crate) fn planned(sli: &Sli) -> Self {
        let what = match &sli.kind {
            SliKind::Quantile { metric, quantile } => format!("quantile {quantile} of {metric}"),
            SliKind::ErrorRatio { metric, .. } => format!("share of server errors in {metric}"),
            SliKind::Expression { promql } => promql.clone(),
        };
        Self { name: sli.name.clone(), what, bound: sli.bound, points: Vec::new() }
    }

    /// The evidence of a comparison, held against what red takes.
    pub(crate) fn evidence(compared: &ComparedAccount) -> Option<Self> {
        // Nobody reads sixteen digits of a logarithm.
        let short = |nats: f64| Number::new((nats * 1000.0).round() / 1000.0);
        let needed = short(compared.last.evidence.ln_needed)?;
        let mut since = None;
        let points = compared.evidence.iter().filter_map(|seen| {
            let value = short(seen.ln_e)?;
            Some(Point {
                since: since.replace(seen.at).unwrap_or(seen.at),
                at: seen.at,
                value: Some(value),
                events: None,
                verdict: if value >= needed { SliVerdict::Red } else { SliVerdict::Green },
                beside: BTreeMap::new(),
                apart: false,
            })
        });
        Some(Self {
            name: "evidence".to_owned(),
            what: "that the canary is worse: the logarithm of the e-value, red from ln(1/α) on".to_owned(),
            bound: Bound::Below(needed),
            points: points.collect(),
        })
    }

    /// Whose values stand beside its own.
    pub(crate) fn beside(&self) -> Option<Whose> {
        self.points.iter().find_map(|point| point.beside.keys().next().copied())
    }

    /// How many probes were green, red and held.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        let red = self.points.iter().filter(|point| point.red()).count();
        let held = self.points.iter().filter(|point| point.held()).count();
        (self.points.len() - red - held, red, held)
    }

    /// The reading that decided: the first red one, else the last with a value.
    pub(crate) fn decisive(&self) -> Option<&Point> {
        let valued = || self.points.iter().rev().find(|point| point.judged().is_some());
        self.points.iter().find(|point| point.red()).or_else(valued)
    }
}

/// All SLIs of a rollout, in the plan's order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tracks {
    pub(crate) all: Vec<Track>,
    /// The last probe, or what the next one counts from.
    last: Option<Timestamp>,
    apart: bool,
}

impl Tracks {
    pub(crate) fn planned(slis: &[Sli]) -> Self {
        Self { all: slis.iter().map(Track::planned).collect(), ..Self::default() }
    }

    /// The next probe does not go on from the last one; it counts from this instant.
    pub(crate) fn part(&mut self, at: Timestamp) {
        self.last = Some(at);
        self.apart = true;
    }

    pub(crate) fn observe(&mut self, observation: &Observation) {
        let since = self.last.map_or(observation.at, |last| last.min(observation.at));
        for judged in &observation.slis {
            let point = Point {
                since,
                at: observation.at,
                value: judged.value,
                events: judged.events,
                verdict: judged.verdict.clone(),
                beside: judged.beside.clone(),
                apart: self.apart,
            };
            self.track(judged).points.push(point);
        }
        self.last = Some(observation.at);
        self.apart = false;
    }

    fn track(&mut self, judged: &JudgedSli) -> &mut Track {
        let at = self.all.iter().position(|track| track.name == judged.sli).unwrap_or_else(|| {
            let name = judged.sli.clone();
            self.all.push(Track { name, what: String::new(), bound: judged.bound, points: Vec::new() });
            self.all.len() - 1
        });
        &mut self.all[at]
    }
}

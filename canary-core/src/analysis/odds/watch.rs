//! The whole comparison of one watch: every SLI's tests, and what follows from them.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::exact;
use super::logs::ln_sum_exp;
use super::policy::{OddsPolicy, OddsSli};
use super::sli::{Distrust, SliTests, TableTests};
use super::table::Table;
use crate::analysis::Verdict;
use crate::time::millis;

/// What a comparison says after a poll.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", content = "why", rename_all = "snake_case")]
pub enum OddsVerdict {
    /// Nothing is decided yet.
    Watching,
    /// Much worse than the baseline is ruled out for every SLI.
    Green,
    /// The canary is worse than the margin. Stays, whatever comes after.
    Red,
    /// The canary looks worse than the margin, but a person or a policy has to decide.
    Hold(Distrust),
    /// The window ended and neither side is proven.
    Inconclusive,
}

impl OddsVerdict {
    /// What it is to a watch that folds probes: time with data that shows nothing bad is green, what a person has to
    /// decide is a hold.
    #[must_use]
    pub const fn probe(&self) -> Verdict {
        match self {
            Self::Watching | Self::Green => Verdict::Green,
            Self::Red => Verdict::Red,
            Self::Hold(_) | Self::Inconclusive => Verdict::Hold,
        }
    }
}

/// What a verdict rests on: the table with the most evidence, and all of them together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OddsEvidence {
    /// Evidence of all SLIs together, in nats.
    #[serde(with = "exact")]
    pub ln_e: f64,
    /// How much red takes, in nats.
    #[serde(with = "exact")]
    pub ln_needed: f64,
    /// The SLI whose table has most.
    pub sli: String,
    /// The bucket's bound of that table in seconds; `None` for errors.
    #[serde(with = "exact::optional")]
    pub bound: Option<f64>,
    /// That table's own evidence, in nats.
    #[serde(with = "exact")]
    pub ln_e_table: f64,
    /// What that table counted since the watch began.
    pub seen: Table,
    /// The time watched.
    #[serde(rename = "elapsed_ms", with = "millis")]
    pub elapsed: Duration,
}

impl OddsEvidence {
    /// How much there is of what red takes: 0 where the canary looks no worse than the margin, 1 where it is red.
    #[must_use]
    pub fn part(&self) -> f64 {
        (self.ln_e / self.ln_needed).clamp(0.0, 1.0)
    }

    /// The p-value that holds at every look (1/E), 0 to 1.
    #[must_use]
    pub fn p_value(&self) -> f64 {
        (-self.ln_e).exp().min(1.0)
    }
}

impl fmt::Display for OddsEvidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: canary ", self.sli)?;
        let arm = |f: &mut fmt::Formatter<'_>, arm: super::ArmCounts| {
            write!(f, "{} of {} ({:.3} %)", arm.events, arm.requests, 100.0 * arm.ratio())
        };
        arm(f, self.seen.canary)?;
        match self.bound {
            Some(bound) => write!(f, " slower than {bound} s, baseline ")?,
            None => write!(f, " failed, baseline ")?,
        }
        arm(f, self.seen.baseline)?;
        write!(f, "; p at any look {:.2e}", self.p_value())
    }
}

/// A verdict with what it rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OddsJudgement {
    /// What is said.
    pub verdict: OddsVerdict,
    /// Why.
    pub evidence: OddsEvidence,
}

/// A comparison under way. Its serialised form is the whole state: read back, it goes on with the same bits.
///
/// The SLIs' e-values are averaged by weight; red takes an average of 1/α. So α bounds the chance of a false red in the
/// whole watch, at every look, for all SLIs together, as long as each table's null holds (see
/// [`OddsTest`](super::OddsTest)).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OddsWatch {
    policy: OddsPolicy,
    slis: Vec<SliTests>,
    #[serde(rename = "elapsed_ms", with = "millis")]
    elapsed: Duration,
    red: Option<OddsEvidence>,
}

impl OddsWatch {
    /// A comparison that has seen nothing.
    #[must_use]
    pub fn new(policy: OddsPolicy, slis: &[OddsSli]) -> Self {
        let all: f64 = slis.iter().map(|sli| sli.weight).sum();
        let share = |sli: &OddsSli| if all > 0.0 { sli.weight / all } else { 1.0 / slis.len() as f64 };
        let slis = slis.iter().map(|sli| SliTests::new(&policy, sli, share(sli))).collect();
        Self { policy, slis, elapsed: Duration::ZERO, red: None }
    }

    /// Takes one poll, and judges.
    ///
    /// `polled` holds for each SLI, for each of its tables in order, one table a stratum (route, method), or a single
    /// one; nothing for an SLI without data. `elapsed` is the time since the poll before. An interval in which the
    /// balancer's weights changed must not be given: see [`Self::skip`].
    pub fn observe(&mut self, polled: &[Vec<Vec<Table>>], elapsed: Duration) -> OddsJudgement {
        self.elapsed += elapsed;
        for (index, tests) in self.slis.iter_mut().enumerate() {
            tests.observe(polled.get(index).map_or(&[], Vec::as_slice), elapsed);
        }
        let evidence = self.evidence();
        if self.red.is_none() && self.ln_e(|table| table.distrust().is_none()) >= self.policy.ln_needed() {
            self.red = Some(evidence.clone());
        }
        let verdict = match self.against_canary(&evidence) {
            Some(verdict) => verdict,
            None if self.early_green(evidence.ln_e) => OddsVerdict::Green,
            None => OddsVerdict::Watching,
        };
        OddsJudgement { verdict, evidence: self.red.clone().unwrap_or(evidence) }
    }

    /// Lets time pass without tables: warm-up, an interval that mixes two weights (its table would show a difference
    /// that neither weight has, Simpson's paradox), or a source that is down.
    pub fn skip(&mut self, elapsed: Duration) {
        for tests in &mut self.slis {
            tests.observe(&[], elapsed);
        }
    }

    /// Judges at the end of the window.
    #[must_use]
    pub fn finish(&self) -> OddsJudgement {
        let evidence = self.evidence();
        let ln_needed = -self.policy.beta.ln();
        let proven = |sli: &SliTests| sli.proven_not_worse(ln_needed) || sli.proven_good_enough(ln_needed);
        let green = self.unsuspicious(evidence.ln_e) && !self.slis.is_empty() && self.slis.iter().all(proven);
        let open = if green { OddsVerdict::Green } else { OddsVerdict::Inconclusive };
        let verdict = self.against_canary(&evidence).unwrap_or(open);
        OddsJudgement { verdict, evidence: self.red.clone().unwrap_or(evidence) }
    }

    /// What it is fixed to.
    #[must_use]
    pub const fn policy(&self) -> &OddsPolicy {
        &self.policy
    }

    /// The time watched so far, without what was skipped.
    #[must_use]
    pub const fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Red or a hold, when there is as much evidence.
    fn against_canary(&self, evidence: &OddsEvidence) -> Option<OddsVerdict> {
        if self.red.is_some() {
            return Some(OddsVerdict::Red);
        }
        if evidence.ln_e < self.policy.ln_needed() {
            return None;
        }
        // Without the distrusted tables there is too little: at least one of them is distrusted, so one is found.
        let mut distrusted: Vec<_> = self
            .terms()
            .filter_map(|(term, _, table)| table.distrust().map(|distrust| (term, distrust)))
            .collect();
        distrusted.sort_by(|a, b| b.0.total_cmp(&a.0));
        distrusted.first().map(|(_, distrust)| OddsVerdict::Hold(*distrust))
    }

    fn early_green(&self, ln_e: f64) -> bool {
        let ln_needed = -self.policy.beta.ln();
        self.policy.early_green
            && self.elapsed >= self.policy.min_soak
            && self.unsuspicious(ln_e)
            && !self.slis.is_empty()
            && self.slis.iter().all(|sli| {
                sli.canary_requests() >= self.policy.min_requests && sli.proven_not_worse(ln_needed)
            })
    }

    /// Whether there is less than half of the evidence that red takes.
    fn unsuspicious(&self, ln_e: f64) -> bool {
        ln_e < self.policy.ln_needed() / 2.0
    }

    fn ln_e(&self, include: impl Fn(&TableTests) -> bool + Clone) -> f64 {
        ln_sum_exp(self.slis.iter().map(|sli| sli.ln_weight + sli.ln_e(include.clone())))
    }

    /// Every table with its part of the evidence, weights included.
    fn terms(&self) -> impl Iterator<Item = (f64, &SliTests, &TableTests)> {
        self.slis.iter().flat_map(|sli| {
            let ln_weight = sli.ln_weight - (sli.tables.len() as f64).ln();
            sli.tables.iter().map(move |table| (ln_weight + table.ln_e(), sli, table))
        })
    }

    fn evidence(&self) -> OddsEvidence {
        let leading = self.terms().max_by(|a, b| a.0.total_cmp(&b.0));
        OddsEvidence {
            ln_e: self.ln_e(|_| true),
            ln_needed: self.policy.ln_needed(),
            sli: leading.as_ref().map_or_else(String::new, |(_, sli, _)| sli.name.clone()),
            bound: leading.as_ref().and_then(|(_, _, table)| table.bound),
            ln_e_table: leading.as_ref().map_or(0.0, |(_, _, table)| table.ln_e()),
            seen: leading.as_ref().map_or_else(Table::default, |(_, _, table)| table.seen),
            elapsed: self.elapsed,
        }
    }
}

//! The watch as a pure fold: probes in, what to do next out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::compare::{Compared, Comparison};
use super::hold::{HoldKind, HoldReason};
use super::odds::{OddsVerdict, OddsWatch};
use super::score::{Role, Score, combined, score};
use super::threshold::{ThresholdOptions, ThresholdState, ThresholdVerdict};
use super::verdict::{JudgedSli, SliVerdict, Verdict, overall};
use crate::spec::{Unproven, WatchPolicy};
use crate::time::{Timestamp, millis};
use crate::traits::{CheckReport, CheckVerdict};

/// One probe of the watch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// The instant the store was asked about.
    pub at: Timestamp,
    /// The time it looked back over.
    #[serde(rename = "window_ms", with = "millis")]
    pub window: Duration,
    /// What it means as a whole.
    pub verdict: Verdict,
    /// Every SLI.
    pub slis: Vec<JudgedSli>,
    /// How patient the bounds are by now; only where they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<Patience>,
    /// The SLIs as one score, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<Score>,
    /// The comparison with the baseline, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared: Option<Box<Compared>>,
    /// Why the probe as a whole decides nothing, beside what its SLIs say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<HoldReason>,
    /// What checks of one's own found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckReport>,
}

/// What was seen at one probe, before the judges speak.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// The instant the store was asked about.
    pub at: Timestamp,
    /// The time it looked back over.
    pub window: Duration,
    /// Every SLI against its bound.
    pub slis: Vec<JudgedSli>,
    /// The comparison with the baseline, where there is one.
    pub compared: Option<Compared>,
    /// Why the probe as a whole decides nothing, beside what its SLIs say.
    pub holds: Vec<HoldReason>,
    /// What checks of one's own found.
    pub checks: Vec<CheckReport>,
}

/// What a check's answer is to a watch.
fn checked(report: &CheckReport) -> Verdict {
    match report.verdict {
        CheckVerdict::Pass => Verdict::Green,
        CheckVerdict::Fail => Verdict::Red,
        CheckVerdict::Unknown { .. } => Verdict::Hold,
    }
}

/// Patience with SLIs outside their bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patience {
    /// What the probe means with it.
    #[serde(flatten)]
    pub said: ThresholdVerdict,
    /// The counts after it.
    pub state: ThresholdState,
}

impl Observation {
    /// A probe by its SLIs' bounds alone.
    #[must_use]
    pub fn plain(at: Timestamp, window: Duration, slis: Vec<JudgedSli>) -> Self {
        let verdict = overall(&slis);
        Self {
            at,
            window,
            verdict,
            slis,
            patience: None,
            score: None,
            compared: None,
            holds: Vec::new(),
            checks: Vec::new(),
        }
    }

    /// What the judges say of a probe. `before` are the counts of patience up to it; a check that fails is borne as an SLI
    /// outside its bound is.
    #[must_use]
    pub fn judged(policy: &WatchPolicy, before: ThresholdState, seen: Seen) -> Self {
        let Seen { at, window, slis, compared, mut holds, checks } = seen;
        holds.extend(checks.iter().filter_map(|report| match &report.verdict {
            CheckVerdict::Unknown { why } => {
                Some(HoldReason::Check { check: report.check.clone(), why: why.clone() })
            }
            _ => None,
        }));
        let judging = &policy.judging;
        let role = |judged: &JudgedSli| {
            let sli = policy.slis.iter().find(|sli| sli.name == judged.sli);
            sli.map_or(Role::Weighted(1), |sli| sli.judging.role)
        };
        let deciding = || slis.iter().filter(|judged| role(judged) != Role::Advisory);
        let mut verdicts = Vec::new();
        let mut patience = None;
        let bounds = combined(deciding().map(|judged| judged.verdict.kind()));
        let failed = checks.iter().any(|report| checked(report) == Verdict::Red);
        match &judging.threshold {
            Some(options) => {
                let mut state = before;
                let said = state.observe(options, if failed { Verdict::Red } else { bounds });
                verdicts.push(said.probe());
                patience = (*options != ThresholdOptions::default()).then_some(Patience { said, state });
            }
            // Bounds that decide nothing still say that there is no data.
            None if judging.score.is_none() && bounds == Verdict::Hold => verdicts.push(Verdict::Hold),
            None => {}
        }
        verdicts.extend((failed && judging.threshold.is_none()).then_some(Verdict::Red));
        let score = judging.score.as_ref().map(|bounds| {
            score(bounds, slis.iter().map(|judged| (judged.sli.as_str(), role(judged), &judged.verdict)))
        });
        if let Some(score) = &score {
            verdicts.push(score.verdict);
            let data = deciding().all(|judged| judged.verdict.kind() != Verdict::Hold);
            if score.verdict == Verdict::Hold && data {
                holds.push(HoldReason::Score {
                    green: score.green,
                    all: score.green + score.red + score.held,
                });
            }
        }
        if let Some(compared) = &compared {
            verdicts.push(compared.judgement.verdict.probe());
        }
        verdicts.extend((!holds.is_empty()).then_some(Verdict::Hold));
        let verdict = if verdicts.is_empty() { Verdict::Green } else { combined(verdicts) };
        Self { at, window, verdict, slis, patience, score, compared: compared.map(Box::new), holds, checks }
    }

    /// What decides this verdict, as one line.
    #[must_use]
    pub fn reason(&self) -> String {
        let decides = |judged: &&JudgedSli| match self.verdict {
            Verdict::Green => true,
            Verdict::Red => judged.verdict == SliVerdict::Red,
            Verdict::Hold => matches!(judged.verdict, SliVerdict::Hold { .. }),
        };
        let mut parts: Vec<_> = self.slis.iter().filter(decides).map(ToString::to_string).collect();
        match self.verdict {
            Verdict::Red => {
                let red = self.compared.iter().filter(|c| c.judgement.verdict == OddsVerdict::Red);
                parts.extend(red.map(|c| format!("worse than the baseline: {}", c.judgement.evidence)));
                let failed = self.checks.iter().filter(|report| checked(report) == Verdict::Red);
                parts.extend(failed.map(|report| format!("check {report}")));
            }
            Verdict::Hold => parts.extend(self.holds.iter().map(ToString::to_string)),
            Verdict::Green => {
                if let Some(Patience { said: ThresholdVerdict::Borne { in_a_row, failures }, .. }) =
                    self.patience
                {
                    parts.push(format!("borne: {in_a_row} in a row, {failures} not made up for"));
                }
            }
        }
        parts.join(", ")
    }

    /// The SLIs that wait to be confirmed by the next probe.
    pub(super) fn unconfirmed(&self) -> BTreeSet<String> {
        let waits = |judged: &&JudgedSli| {
            matches!(&judged.verdict, SliVerdict::Hold { why: HoldReason::Unconfirmed { .. } })
        };
        self.slis.iter().filter(waits).map(|judged| judged.sli.clone()).collect()
    }

    /// Every kind of reason for which it holds.
    fn held_for(&self) -> BTreeSet<HoldKind> {
        let of_slis = self.slis.iter().filter_map(|judged| match &judged.verdict {
            SliVerdict::Hold { why } => Some(why.kind()),
            _ => None,
        });
        of_slis.chain(self.holds.iter().map(HoldReason::kind)).collect()
    }
}

/// Where a watch stands: a fold over its observations.
#[derive(Debug, Clone, PartialEq)]
pub struct WatchState {
    /// When it began.
    pub started: Timestamp,
    /// The last probe, or the start.
    pub last: Timestamp,
    /// Probes so far.
    pub probes: u64,
    /// Time with data so far.
    pub covered: Duration,
    /// Time without, so far.
    pub held: Duration,
    /// The same by reason; a probe may have several.
    pub held_for: BTreeMap<HoldKind, Duration>,
    /// The last observation's verdict and its reason.
    pub latest: Option<(Verdict, String)>,
    /// The counts of patience.
    pub patience: ThresholdState,
    /// The SLIs whose last probe waits to be confirmed.
    pub unconfirmed: BTreeSet<String>,
    /// What the comparison is fixed to, once it began.
    pub comparison: Option<Comparison>,
    /// Its polls.
    pub polls: Vec<Compared>,
}

/// What a watch asks for next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchNext {
    /// A probe, not before this instant.
    Probe(Timestamp),
    /// The window passed and no probe with data was red, or the canary is proven to be good.
    Green,
    /// The last probe was red.
    Red(String),
    /// Without data for longer than the budget, or undecided at the window's end.
    Inconclusive(String),
}

impl WatchState {
    /// A watch that begins.
    #[must_use]
    pub const fn new(started: Timestamp) -> Self {
        Self {
            started,
            last: started,
            probes: 0,
            covered: Duration::ZERO,
            held: Duration::ZERO,
            held_for: BTreeMap::new(),
            latest: None,
            patience: ThresholdState::new(),
            unconfirmed: BTreeSet::new(),
            comparison: None,
            polls: Vec::new(),
        }
    }

    /// Takes one probe into account.
    ///
    /// A probe with data covers the time since the one before, but not more than its own window: what an engine that
    /// was away did not see does not count.
    pub fn observe(&mut self, observation: &Observation) {
        let passed = observation.at.since(self.last);
        match observation.verdict {
            Verdict::Green | Verdict::Red => self.covered += passed.min(observation.window),
            Verdict::Hold => {
                self.held += passed;
                for kind in observation.held_for() {
                    *self.held_for.entry(kind).or_default() += passed;
                }
            }
        }
        self.probes += 1;
        self.last = self.last.max(observation.at);
        self.latest = Some((observation.verdict, observation.reason()));
        if let Some(patience) = &observation.patience {
            self.patience = patience.state;
        }
        self.unconfirmed = observation.unconfirmed();
        self.polls.extend(observation.compared.as_deref().cloned());
    }

    /// The comparison as far as it is recorded.
    #[must_use]
    pub fn odds(&self) -> Option<OddsWatch> {
        let mut watch = self.comparison.as_ref()?.begin();
        self.polls.iter().for_each(|poll| poll.replay(&mut watch));
        Some(watch)
    }

    /// The time the next probe looks back over: the rate window, but not past the start.
    #[must_use]
    pub fn look_back(&self, policy: &WatchPolicy, at: Timestamp) -> Duration {
        policy.rate_window.max(policy.interval).min(at.since(self.started)).max(Duration::from_millis(1))
    }

    /// What comes next.
    #[must_use]
    pub fn next(&self, policy: &WatchPolicy) -> WatchNext {
        match &self.latest {
            Some((Verdict::Red, reason)) => return WatchNext::Red(reason.clone()),
            Some((Verdict::Hold, reason)) => {
                if let Some(spent) = self.spent(policy, reason) {
                    return WatchNext::Inconclusive(spent);
                }
            }
            Some((Verdict::Green, _)) if self.proven() => return WatchNext::Green,
            _ => {}
        }
        if self.covered >= policy.window {
            return self.close(policy);
        }
        let left = policy.window - self.covered;
        WatchNext::Probe(self.last.plus(policy.interval.min(left.max(Duration::from_millis(1)))))
    }

    /// Which budget for holding is spent, in words.
    fn spent(&self, policy: &WatchPolicy, reason: &str) -> Option<String> {
        let whole = |held: Duration| humantime::format_duration(Duration::from_secs(held.as_secs()));
        if self.held > policy.hold_budget {
            let (held, budget) = (whole(self.held), humantime::format_duration(policy.hold_budget));
            return Some(format!("without data for {held} in all, {budget} were allowed; last: {reason}"));
        }
        let over = |(kind, held): (&HoldKind, &Duration)| {
            let budget = policy.judging.hold_budgets.get(kind)?.0;
            let allowed = humantime::format_duration(budget);
            let text = format!(
                "held for {kind} for {} in all, {allowed} were allowed; last: {reason}",
                whole(*held)
            );
            (*held > budget).then_some(text)
        };
        self.held_for.iter().find_map(over)
    }

    /// Whether the comparison proved the canary good before the window's end.
    fn proven(&self) -> bool {
        self.polls.last().is_some_and(|poll| poll.judgement.verdict == OddsVerdict::Green)
    }

    /// The window's end.
    fn close(&self, policy: &WatchPolicy) -> WatchNext {
        let Some(rules) = &policy.judging.odds else { return WatchNext::Green };
        let Some(last) = self.polls.last() else {
            return match rules.unproven {
                Unproven::Pass => WatchNext::Green,
                Unproven::Inconclusive => {
                    WatchNext::Inconclusive("nothing was compared with the baseline".to_owned())
                }
            };
        };
        if last.closing == OddsVerdict::Green || (rules.unproven == Unproven::Pass && !last.suspicious()) {
            return WatchNext::Green;
        }
        let evidence = &last.judgement.evidence;
        WatchNext::Inconclusive(if last.suspicious() {
            format!("at the window's end the canary looks worse, but not surely: {evidence}")
        } else {
            format!("at the window's end neither side is proven: {evidence}")
        })
    }
}

//! The watch as a pure fold: probes in, what to do next out.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::verdict::{JudgedSli, SliVerdict, Verdict};
use crate::spec::WatchPolicy;
use crate::time::{Timestamp, millis};

/// One probe of the watch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
}

impl Observation {
    /// The SLIs that decide this verdict, as one line.
    #[must_use]
    pub fn reason(&self) -> String {
        let decides = |judged: &&JudgedSli| match self.verdict {
            Verdict::Green => true,
            Verdict::Red => judged.verdict == SliVerdict::Red,
            Verdict::Hold => matches!(judged.verdict, SliVerdict::Hold { .. }),
        };
        self.slis.iter().filter(decides).map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

/// Where a watch stands: a fold over its observations.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// The last observation's verdict and its reason.
    pub latest: Option<(Verdict, String)>,
}

/// What a watch asks for next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchNext {
    /// A probe, not before this instant.
    Probe(Timestamp),
    /// The window passed and every probe with data was green.
    Green,
    /// The last probe was red.
    Red(String),
    /// Without data for longer than the budget.
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
            latest: None,
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
            Verdict::Hold => self.held += passed,
        }
        self.probes += 1;
        self.last = self.last.max(observation.at);
        self.latest = Some((observation.verdict, observation.reason()));
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
            Some((Verdict::Hold, reason)) if self.held > policy.hold_budget => {
                return WatchNext::Inconclusive(format!(
                    "without data for {} in all, {} were allowed; last: {reason}",
                    humantime::format_duration(Duration::from_secs(self.held.as_secs())),
                    humantime::format_duration(policy.hold_budget)
                ));
            }
            _ => {}
        }
        if self.covered >= policy.window {
            return WatchNext::Green;
        }
        let left = policy.window - self.covered;
        WatchNext::Probe(self.last.plus(policy.interval.min(left.max(Duration::from_millis(1)))))
    }
}

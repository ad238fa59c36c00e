//! What a watch can see at all with the traffic there is, told before it begins.

use std::time::Duration;

use super::policy::OddsPolicy;

/// The traffic and the question.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prospect {
    /// Requests a second of canary and baseline together, ≥ 0.
    pub requests_per_second: f64,
    /// The canary's share of them, above 0 and below 1.
    pub canary_share: f64,
    /// The baseline's share of events, above 0 and below 1.
    pub baseline: f64,
    /// The canary's share of events when it is as bad as is asked about, above the baseline's and below 1.
    pub canary: f64,
    /// The odds ratio that is still accepted, ≥ 1.
    pub margin: f64,
    /// The dispersion, ≥ 1.
    pub phi: f64,
    /// How many SLIs share α, ≥ 1.
    pub slis: u32,
}

/// How much it takes to see it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detectability {
    /// Events of both arms that are needed, about.
    pub events: f64,
    /// The time until that many are seen; `None` when it is never.
    pub time: Option<Duration>,
}

impl Detectability {
    /// Whether a watch of this length sees it; where even five times the errors are not seen, the watch is inconclusive by
    /// traffic from its beginning.
    #[must_use]
    pub fn within(&self, window: Duration) -> bool {
        self.time.is_some_and(|time| time <= window)
    }
}

impl Prospect {
    /// How many events, and how long, until a regression of this size is red: about the median.
    ///
    /// Evidence grows by the relative entropy between where the events fall and where the margin would have them, for
    /// each event; the grid of odds ratios and the restarts cost 3.3 nats.
    #[must_use]
    pub fn detectability(&self, policy: &OddsPolicy) -> Detectability {
        let odds = |p: f64| p / (1.0 - p);
        let psi = odds(self.canary) / odds(self.baseline);
        let w = self.canary_share;
        let falls_on_canary = |odds_ratio: f64| w * odds_ratio / (w * odds_ratio + 1.0 - w);
        if psi <= self.margin {
            return Detectability { events: f64::INFINITY, time: None };
        }
        let entropy = relative_entropy(falls_on_canary(psi), falls_on_canary(self.margin));
        let nats = policy.ln_needed() + f64::from(self.slis.max(1)).ln() + 3.3;
        let pooled = w * self.canary + (1.0 - w) * self.baseline;
        let events = self.phi.max(1.0) * nats / ((1.0 - pooled) * entropy);
        let seconds = events / (self.requests_per_second * pooled);
        let time = seconds.is_finite().then(|| Duration::try_from_secs_f64(seconds).ok()).flatten();
        Detectability { events, time }
    }
}

/// Of a coin with `p` against one with `q`, in nats.
fn relative_entropy(p: f64, q: f64) -> f64 {
    p * (p / q).ln() + (1.0 - p) * ((1.0 - p) / (1.0 - q)).ln()
}

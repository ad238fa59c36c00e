//! What one poll counted, of both arms.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// Requests of one arm, and how many of them were events (failed, or slower than a bucket's bound).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ArmCounts {
    /// All requests.
    pub requests: u64,
    /// Those that were events; at most `requests`.
    pub events: u64,
}

impl ArmCounts {
    /// Counts of one arm; more events than requests, as two counters read apart may give, are cut down to the requests.
    #[must_use]
    pub const fn new(requests: u64, events: u64) -> Self {
        Self { requests, events: if events > requests { requests } else { events } }
    }

    /// Events over requests, 0 to 1; zero without requests.
    #[must_use]
    pub fn ratio(self) -> f64 {
        if self.requests == 0 { 0.0 } else { self.events as f64 / self.requests as f64 }
    }
}

impl AddAssign for ArmCounts {
    fn add_assign(&mut self, other: Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.events = self.events.saturating_add(other.events);
    }
}

/// Canary and baseline over the same interval: a 2×2 table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Table {
    /// The canary's counts (n₁, x₁).
    pub canary: ArmCounts,
    /// The counts of the baseline's nodes together (n₀, x₀).
    pub baseline: ArmCounts,
}

impl Table {
    /// A table of requests and events, the canary's first.
    #[must_use]
    pub const fn new(canary: (u64, u64), baseline: (u64, u64)) -> Self {
        Self { canary: ArmCounts::new(canary.0, canary.1), baseline: ArmCounts::new(baseline.0, baseline.1) }
    }

    /// Events of both arms (x).
    #[must_use]
    pub const fn events(self) -> u64 {
        self.canary.events.saturating_add(self.baseline.events)
    }

    /// Requests of both arms (n).
    #[must_use]
    pub const fn requests(self) -> u64 {
        self.canary.requests.saturating_add(self.baseline.requests)
    }

    /// Whether it can tell the arms apart at all: requests in both, and both events and non-events among them.
    #[must_use]
    pub const fn informs(self) -> bool {
        let events = self.events();
        self.canary.requests > 0 && self.baseline.requests > 0 && events > 0 && events < self.requests()
    }

    /// The canary's events over what they would be by its share of the requests (u), and the variance of that when both
    /// arms are alike (v, the hypergeometric law's); `None` when the table tells nothing.
    #[must_use]
    pub(super) fn score(self) -> Option<(f64, f64)> {
        if !self.informs() {
            return None;
        }
        let (n1, n0) = (self.canary.requests as f64, self.baseline.requests as f64);
        let (n, x) = (n1 + n0, self.events() as f64);
        let over = self.canary.events as f64 - x * n1 / n;
        Some((over, n1 * n0 * x * (n - x) / (n * n * (n - 1.0))))
    }
}

impl AddAssign for Table {
    fn add_assign(&mut self, other: Self) {
        self.canary += other.canary;
        self.baseline += other.baseline;
    }
}

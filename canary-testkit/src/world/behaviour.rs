//! How a binary behaves once it runs.

use std::time::Duration;

/// What a service that runs a binary does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Behaviour {
    /// From its start until it answers its health check.
    pub start_up: Duration,
    /// Whether it then answers 200.
    pub healthy: bool,
    /// Whether its process ends by itself right after each start.
    pub crashes: bool,
    /// The part of its requests that it answers 5xx, 0 to 1.
    pub error_ratio: f64,
    /// What the 95th percentile of its latency is, in seconds.
    pub p95_s: f64,
}

impl Behaviour {
    /// A binary without faults, healthy at once.
    #[must_use]
    pub const fn good() -> Self {
        Self { start_up: Duration::ZERO, healthy: true, crashes: false, error_ratio: 0.0, p95_s: 0.02 }
    }

    /// Never answers its health check with 200.
    #[must_use]
    pub const fn unhealthy() -> Self {
        Self { healthy: false, ..Self::good() }
    }

    /// Ends right after each start.
    #[must_use]
    pub const fn crashing() -> Self {
        Self { crashes: true, ..Self::good() }
    }

    /// Healthy, but answers that part of its requests 5xx.
    #[must_use]
    pub const fn failing(error_ratio: f64) -> Self {
        Self { error_ratio, ..Self::good() }
    }

    /// Healthy, but slow.
    #[must_use]
    pub const fn slow(p95_s: f64) -> Self {
        Self { p95_s, ..Self::good() }
    }

    /// The same, healthy only after `start_up`.
    #[must_use]
    pub const fn after(mut self, start_up: Duration) -> Self {
        self.start_up = start_up;
        self
    }
}

//! Rules for emptying, proving and putting back one node.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::defaults;
use crate::fleet::{HttpPath, NodeId};
use crate::time::millis;
use crate::traits::HealthCheck;

/// What to do with requests that outlast the drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDrainTimeout {
    /// Put the node back as it was and stop.
    GiveUp,
    /// Close the sessions that are left: their requests are lost.
    CloseSessions,
}

/// How a node is emptied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainPolicy {
    /// How long requests in progress may take.
    #[serde(rename = "timeout_ms", with = "millis")]
    pub timeout: Duration,
    /// What then. A rollback's drain always closes what is left.
    pub on_timeout: OnDrainTimeout,
    /// How long to wait for enough other servers before draining at all.
    #[serde(rename = "capacity_timeout_ms", with = "millis")]
    pub capacity_timeout: Duration,
}

impl Default for DrainPolicy {
    fn default() -> Self {
        Self {
            timeout: defaults::DRAIN_TIMEOUT,
            on_timeout: OnDrainTimeout::GiveUp,
            capacity_timeout: defaults::CAPACITY_TIMEOUT,
        }
    }
}

/// How a node's health is proven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthPolicy {
    /// What is asked.
    pub check: HealthCheck,
    /// By when the answer must have been good.
    #[serde(rename = "timeout_ms", with = "millis")]
    pub timeout: Duration,
}

impl Default for HealthPolicy {
    fn default() -> Self {
        let path = HttpPath::new(defaults::HEALTH_PATH);
        #[expect(clippy::expect_used, reason = "a constant that a test parses")]
        let path = path.expect("the default health path is valid");
        Self {
            check: HealthCheck {
                port: defaults::HEALTH_PORT,
                path,
                attempt_timeout: defaults::HEALTH_ATTEMPT_TIMEOUT,
            },
            timeout: defaults::HEALTH_TIMEOUT,
        }
    }
}

/// How a node is put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnablePolicy {
    /// How long the balancer may take to find it up.
    #[serde(rename = "up_timeout_ms", with = "millis")]
    pub up_timeout: Duration,
    /// How long it may take until it was sent a request.
    #[serde(rename = "traffic_timeout_ms", with = "millis")]
    pub traffic_timeout: Duration,
}

impl Default for EnablePolicy {
    fn default() -> Self {
        Self { up_timeout: defaults::UP_TIMEOUT, traffic_timeout: defaults::TRAFFIC_TIMEOUT }
    }
}

/// Where a rollout waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PausePolicy {
    /// The nodes after which it waits; the last node's pause is left out, since nothing follows it.
    pub after: Vec<NodeId>,
    /// How long one pause may last; then the rollout ends as after a watch without a verdict.
    #[serde(rename = "limit_ms", with = "millis")]
    pub limit: Duration,
}

impl Default for PausePolicy {
    fn default() -> Self {
        Self { after: Vec::new(), limit: defaults::PAUSE_LIMIT }
    }
}

/// How calls that can succeed later are tried again: delays double from `first` to `cap`, within `budget`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// For how long in all.
    #[serde(rename = "budget_ms", with = "millis")]
    pub budget: Duration,
    /// The first delay.
    #[serde(rename = "first_ms", with = "millis")]
    pub first: Duration,
    /// The longest delay.
    #[serde(rename = "cap_ms", with = "millis")]
    pub cap: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { budget: defaults::RETRY_BUDGET, first: defaults::RETRY_FIRST, cap: defaults::RETRY_CAP }
    }
}

impl RetryPolicy {
    /// The delay before try number `attempt` (from 1), at least `floor`.
    #[must_use]
    pub fn delay(&self, attempt: u32, floor: Duration) -> Duration {
        let doubled =
            self.first.saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX));
        doubled.min(self.cap).max(floor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_cap() {
        let policy = RetryPolicy::default();
        let delays: Vec<_> = [1, 2, 3, 5, 6, 40].map(|n| policy.delay(n, Duration::ZERO).as_millis()).into();
        assert_eq!(delays, [200, 400, 800, 3200, 5000, 5000]);
        assert_eq!(policy.delay(1, Duration::from_secs(9)), Duration::from_secs(9));
    }

    #[test]
    fn the_default_health_path_parses() {
        assert_eq!(HealthPolicy::default().check.path.as_str(), defaults::HEALTH_PATH);
    }
}

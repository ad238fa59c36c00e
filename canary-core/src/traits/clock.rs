//! Time as a role, so that a rollout can be run in a simulator.

use std::fmt::{Debug, Display};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use crate::time::Timestamp;

/// Tells the time and waits.
#[async_trait]
pub trait Clock: Display + Debug + Send + Sync + 'static {
    /// The time now, UTC. May jump; records carry it.
    fn now(&self) -> Timestamp;

    /// Time passed since some fixed point. Never goes back; deadlines are measured with it.
    fn monotonic(&self) -> Duration;

    /// Returns when `duration` has passed. Cancel-safe.
    async fn sleep(&self, duration: Duration);
}

/// The machine's own clock.
#[derive(Debug, Clone)]
pub struct SystemClock {
    start: std::time::Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    #[must_use]
    pub fn new() -> Self {
        Self { start: std::time::Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Display for SystemClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("system clock")
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

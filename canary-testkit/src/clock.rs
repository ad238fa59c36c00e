//! Time that passes only when somebody waits for it.

use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use canary_core::time::Timestamp;
use canary_core::traits::Clock;

/// When every virtual clock starts: 2024-01-01T00:00:00Z.
const EPOCH_MS: u64 = 1_704_067_200_000;

/// A clock that jumps to the end of a wait as soon as everything else that can run has run once.
///
/// Waits that begin together overlap, as they do in reality; a wait always yields once, so that a `select!` around it
/// sees its other branches.
#[derive(Debug, Default)]
pub struct VirtualClock {
    passed_ms: AtomicU64,
}

impl VirtualClock {
    /// A clock at the start.
    #[must_use]
    pub const fn new() -> Self {
        Self { passed_ms: AtomicU64::new(0) }
    }

    /// When every virtual clock starts.
    #[must_use]
    pub const fn start() -> Timestamp {
        Timestamp::from_millis(EPOCH_MS)
    }

    /// Milliseconds since the start.
    #[must_use]
    pub fn passed_ms(&self) -> u64 {
        self.passed_ms.load(Ordering::Relaxed)
    }

    /// Lets time pass without a wait, as a call does that takes long.
    pub fn advance(&self, duration: Duration) {
        self.passed_ms.fetch_add(whole_ms(duration), Ordering::Relaxed);
    }
}

/// A duration in milliseconds; what is not zero is at least one.
pub(crate) fn whole_ms(duration: Duration) -> u64 {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 4);
    if ms == 0 && !duration.is_zero() { 1 } else { ms }
}

impl fmt::Display for VirtualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("virtual clock")
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(EPOCH_MS + self.passed_ms())
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.passed_ms())
    }

    async fn sleep(&self, duration: Duration) {
        let until = self.passed_ms() + whole_ms(duration);
        let mut yielded = false;
        poll_fn(|cx| {
            if yielded {
                self.passed_ms.fetch_max(until, Ordering::Relaxed);
                return Poll::Ready(());
            }
            yielded = true;
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waits_that_begin_together_overlap() {
        let clock = VirtualClock::new();
        let (long, short) = (Duration::from_secs(3600), Duration::from_secs(60));
        tokio::join!(clock.sleep(long), clock.sleep(short));
        assert_eq!(clock.monotonic(), long);
        clock.sleep(short).await;
        assert_eq!(clock.monotonic(), long + short);
        assert_eq!(clock.now().to_string(), "2024-01-01T01:01:00.000Z");
    }
}

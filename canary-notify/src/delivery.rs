//! One delivery: tries, delays, and what an answer means.

use std::time::{Duration, SystemTime};

use canary_core::time::Timestamp;

use crate::config::RetrySchedule;
use crate::notice::Notice;
use crate::target::Target;

/// Why a notice did not arrive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{target}: {why}")]
pub struct DeliveryError {
    /// The receiver, as it may be shown.
    pub target: String,
    /// What came back, without secrets.
    pub why: String,
    /// Whether trying again can help.
    pub again: bool,
    /// The delay that the receiver asked for.
    pub after: Option<Duration>,
}

/// How one receiver fared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Its name.
    pub name: &'static str,
    /// The receiver, as it may be shown.
    pub target: String,
    /// Notices that arrived.
    pub delivered: u64,
    /// Notices that can never arrive: the receiver refused them for good.
    pub failed: u64,
    /// Notices that were dropped because the queue was full.
    pub dropped: u64,
    /// Notices that were still waiting when time was up; with a ledger, the next notifier sends them.
    pub left: u64,
    /// Since when the oldest of those waits.
    pub oldest: Option<Timestamp>,
    /// What went wrong last.
    pub error: Option<String>,
}

impl Report {
    /// Whether every notice arrived.
    #[must_use]
    pub const fn complete(&self) -> bool {
        self.failed + self.dropped + self.left == 0
    }
}

/// Tries until it arrives, cannot arrive, or the schedule is used up.
pub(crate) async fn deliver(
    target: &Target,
    notice: &Notice,
    schedule: &RetrySchedule,
) -> Result<(), DeliveryError> {
    let mut attempt = 1;
    loop {
        let error = match attempt_once(target, notice, schedule.timeout).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        tracing::warn!(target_name = target.name(), kind = notice.kind.as_str(), attempt, why = %error.why, "not delivered");
        if !error.again || attempt >= schedule.attempts {
            return Err(error);
        }
        tokio::time::sleep(schedule.delay(attempt, error.after)).await;
        attempt += 1;
    }
}

/// One try.
pub(crate) async fn attempt_once(
    target: &Target,
    notice: &Notice,
    timeout: Duration,
) -> Result<(), DeliveryError> {
    target.carry(notice, SystemTime::now().into(), timeout).await.map_err(|error| DeliveryError {
        target: target.to_string(),
        why: target.redact(&error.why),
        again: error.again,
        after: error.after,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::courier::seconds;

    #[test]
    fn delays_grow_to_the_cap_and_honour_what_is_asked() {
        let schedule = RetrySchedule::default();
        let ms: Vec<_> = (1..9).map(|attempt| schedule.delay(attempt, None).as_millis()).collect();
        assert_eq!(ms, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        assert_eq!(schedule.delay(1, seconds("7")), Duration::from_secs(7));
        assert_eq!(schedule.delay(1, seconds("86400")), schedule.cap);
        assert_eq!(seconds("Wed, 21 Oct 2015 07:28:00 GMT"), None);
    }
}

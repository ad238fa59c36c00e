//! What a notifier needs to know; plain values, read by whoever embeds it.

use std::path::PathBuf;
use std::time::Duration;

use crate::notice::{Importance, Notice};

/// What every notice says of where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// The service.
    pub service: String,
    /// The balancer's pool.
    pub pool: String,
    /// The environment (`production`).
    pub environment: String,
    /// The deploying host.
    pub host: String,
}

/// Which notices are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Every one.
    All,
    /// Whatever is not good: beginnings and completions are left out.
    Problems,
    /// The ends alone, the good ones included.
    Ends,
}

impl Choice {
    /// Whether a notice is sent.
    #[must_use]
    pub fn wants(self, notice: &Notice) -> bool {
        match self {
            Self::All => true,
            Self::Problems => !notice.is_good(),
            Self::Ends => notice.importance() == Importance::End,
        }
    }
}

/// How often and how long a delivery is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetrySchedule {
    /// Tries in a row, at least 1; then the receiver is left alone for [`Self::cap`].
    pub attempts: u32,
    /// The delay after the first failed try; it doubles from there.
    pub first: Duration,
    /// The longest delay; a receiver's `Retry-After` is honoured up to this, too.
    pub cap: Duration,
    /// How long one try may take, from connecting to the answer's head.
    pub timeout: Duration,
}

impl Default for RetrySchedule {
    /// Seven tries within about a minute.
    fn default() -> Self {
        Self {
            attempts: 7,
            first: Duration::from_millis(500),
            cap: Duration::from_secs(30),
            timeout: Duration::from_secs(10),
        }
    }
}

impl RetrySchedule {
    /// The delay after try number `attempt` (from 1), deterministic: one sender to one receiver needs no jitter.
    #[must_use]
    pub fn delay(&self, attempt: u32, asked: Option<Duration>) -> Duration {
        let doubled = self.first.saturating_mul(1 << attempt.saturating_sub(1).min(16));
        doubled.max(asked.unwrap_or_default()).min(self.cap)
    }
}

/// How a notifier behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifyConfig {
    /// Where notices come from.
    pub about: About,
    /// Which are sent.
    pub choice: Choice,
    /// A hold or a wait is told once it lasts this long.
    pub hold_after: Duration,
    /// Notices that may wait for one receiver; beyond, the least important is dropped and counted.
    pub queue: usize,
    /// How deliveries are tried again.
    pub retry: RetrySchedule,
    /// Where it is kept how far each receiver got, so that what was not delivered is sent by the next command; `None` to
    /// forget it at exit.
    pub ledger: Option<PathBuf>,
}

impl NotifyConfig {
    /// The defaults: everything, holds after five minutes, 256 in a queue, no ledger.
    #[must_use]
    pub fn new(about: About) -> Self {
        Self {
            about,
            choice: Choice::All,
            hold_after: Duration::from_secs(300),
            queue: 256,
            retry: RetrySchedule::default(),
            ledger: None,
        }
    }
}

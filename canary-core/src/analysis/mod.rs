//! Judging: pure functions from what was observed to a verdict.

mod again;
mod compare;
mod foresight;
mod histogram;
mod hold;
mod number;
pub mod odds;
mod score;
mod share;
pub mod simulate;
mod threshold;
mod verdict;
mod watch;

#[cfg(test)]
mod tests;

pub use again::Carried;
pub use compare::{Compared, Comparison, calibrated, compared, tables};
pub use foresight::{Foresight, Sight, foresee};
pub use histogram::{Bucket, HistogramError, Quantile, quantile};
pub use hold::{HoldKind, HoldReason};
pub use number::{Number, NumberError, Ratio};
pub use score::{Role, Score, ScoreBounds, combined, score};
pub use share::{ShareCause, ShareHold, ShareMemory, ShareSeen, TOLERANCE as SHARE_TOLERANCE};
pub use threshold::{FailureBudget, ThresholdOptions, ThresholdState, ThresholdVerdict};
pub use verdict::{JudgedSli, SliVerdict, Verdict, Whose, judge, overall, round};
pub use watch::{Observation, Patience, Seen, WatchNext, WatchState};

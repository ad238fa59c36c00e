//! Judging: pure functions from what was observed to a verdict.

mod histogram;
mod number;
pub mod odds;
mod score;
pub mod simulate;
mod threshold;
mod verdict;
mod watch;

#[cfg(test)]
mod tests;

pub use histogram::{Bucket, HistogramError, Quantile, quantile};
pub use number::{Number, NumberError, Ratio};
pub use score::{Role, Score, ScoreBounds, combined, score};
pub use threshold::{FailureBudget, ThresholdOptions, ThresholdState, ThresholdVerdict};
pub use verdict::{HoldReason, JudgedSli, SliVerdict, Verdict, judge, overall, round};
pub use watch::{Observation, WatchNext, WatchState};

//! Judging: pure functions from what was observed to a verdict.

mod histogram;
mod number;

pub use histogram::{Bucket, HistogramError, Quantile, quantile};
pub use number::{Number, NumberError, Ratio};

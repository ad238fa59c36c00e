//! Numbers and times as people write them: the report's words.

pub use canary_report::words::{action, bytes, clock, count, exact, left, passing, step, time};

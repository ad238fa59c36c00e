//! What is known of a tenant where samples are missing: pure functions from what was found to a code, a value and its bounds.
//!
//! Nothing here decides. A value that is not known has the score interval 0 to 1, whatever the reason.

mod bounds;
mod code;
mod judge;

#[cfg(test)]
mod tests;

pub use bounds::rate_bounds;
pub use code::GapCode;
pub use judge::{Breach, Found, Judged, Measured, OPEN, Promise, judge, score};

//! Invariants hold over many seeds and every crash point, and every planted mutant breaks one.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails where it panics")]

mod crash_points;
mod mutants;
mod seeds;

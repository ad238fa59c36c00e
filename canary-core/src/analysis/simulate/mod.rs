//! Simulated streams: what a judge would do with a given traffic, before it is relied on.

mod random;

pub use random::Random;

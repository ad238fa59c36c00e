//! Simulated streams: what a judge would do with a given traffic, before it is relied on.

mod hour;
mod random;

pub use hour::{Answer, Judged, Question, simulate};
pub use random::Random;

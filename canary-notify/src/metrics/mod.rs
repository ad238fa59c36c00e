//! The engine's own metrics: a fold over the journal, written as a text file or served.

mod encode;
mod listen;
mod sink;
mod tally;

pub use encode::Dialect;
pub use listen::{Listening, listen};
pub use sink::{MetricsSink, TextfileError};
pub use tally::Tally;

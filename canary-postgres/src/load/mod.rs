//! How long do the service's queries take under load, and does the server have room for its pools?
//!
//! Requests arrive at a fixed rate, whatever the answers take, and go through a pool of the size that the service has. Waiting
//! for a connection is told apart from the query: past saturation the wait *is* the latency.

mod limits;
mod measure;
mod pool;
mod seeds;

pub use limits::{Demand, Limits, read_limits};
pub use measure::{Load, LoadReport, measure};

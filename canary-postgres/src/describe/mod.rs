//! Does what the service's queries give fit what its sources make of it, on every shard?
//!
//! ```text
//!  contract's queries ─► PREPARE + describe on each shard (pipelined) ─► types, NULL, names ─► held against structs and tuples
//! ```

mod ask;
mod compare;
mod constraints;
mod prepare;

pub use compare::{Gravity, Mismatch};
pub use prepare::{Describe, Described, Violation, describe};

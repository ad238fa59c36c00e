//! What every backend must do, as tests of its own: one suite a trait.
//!
//! A backend's author writes a *bench*: it makes a fresh backend, and does what cannot be done through the trait (stop a
//! server, send a request as a client). What a bench or a backend cannot do is said beforehand, and its cases are then
//! absent from the list, never green. [`main`] runs suites as a test program (`harness = false`).
//!
//! Each case names the line of the trait's contract it checks; a failing case shows it.

#![expect(clippy::future_not_send, reason = "a case runs where it is made, in a runtime of its own")]

mod balancer;
mod check;
mod counters;
mod gate;
mod journal;
mod runtime;
mod sli;
mod suite;

pub use balancer::{BalancerBench, BalancerSkills, load_balancer};
pub use check::{CheckBench, CheckSkills, release_check};
pub use gate::{GateBench, GateSkills, migration_gate};
pub use journal::{JournalBench, JournalSkills, journal};
pub use runtime::{RuntimeBench, RuntimeSkills, node_runtime};
pub use sli::{Expected, Known, SliBench, SliSkills, sli_source};
pub use suite::{Suite, main, skipped};

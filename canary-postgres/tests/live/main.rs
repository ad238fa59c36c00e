//! What reads from running servers, on real ones.
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod checks;
mod connection;
mod describe;
mod drift;
mod isolation;
mod load;
mod routing;
mod server;
mod service;

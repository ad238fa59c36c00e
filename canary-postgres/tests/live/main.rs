//! What reads from running servers, on real ones.
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod bases;
mod checks;
mod connection;
#[path = "../contracts/mod.rs"]
mod contracts;
mod describe;
mod drift;
mod hashes;
mod isolation;
mod load;
mod locks;
#[path = "../repository/mod.rs"]
mod repository;
mod routing;
mod server;
mod service;
mod several;
mod tls;

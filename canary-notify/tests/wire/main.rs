//! Deliveries to a real server on loopback, well and badly behaved.

#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on fails it")]

mod deliveries;
mod log;
mod metrics;
mod outbox;
mod receiver;

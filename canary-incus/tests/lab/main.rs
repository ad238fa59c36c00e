//! The runtime against a real Incus daemon, in an instance of its own. Needs the lab: `eval "$(lab/lab env)"`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a helper of a test that cannot go on fails it, and says what was skipped"
)]

mod daemon;
mod exec;
mod fixture;
mod health;
mod install;
mod meddler;
mod service;

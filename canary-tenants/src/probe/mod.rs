//! Probes: one request a tenant to its own endpoint, what is asked, in which batches, and what the answers mean.
//!
//! Nothing here connects to anything. Runners ([`ProbeRunner`]) live in crates of their own; what they are given
//! ([`ProbeBatch`]) and give back ([`ProbeResult`]) has one JSON form, so that a batch can run in another process.

mod breaker;
mod brief;
mod judged;
mod lines;
mod round;
mod runner;
mod template;
mod wire;

#[cfg(test)]
mod tests;

pub use breaker::Breaker;
pub use brief::{brief, read_brief};
pub use judged::judged;
pub use lines::{lines, read_lines};
pub use round::{BACKOFF_BASE, BACKOFF_CAP, ProbeRound, SPREAD};
pub use runner::{ProbeProgress, ProbeRunner};
pub use template::{Endpoint, TemplateError, UrlTemplate};
pub use wire::{
    BodyMatch, MAX_BODY, Meaning, ProbeBatch, ProbeCheck, ProbeResult, ProbeTarget, SCHEMA, Tally, Try,
    TryEnd, Verdict,
};

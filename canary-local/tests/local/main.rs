//! Real processes, a real balancer, real rollouts.
#![expect(clippy::unwrap_used, reason = "the helpers of a test fail the test")]

mod balancer;
mod holder;
mod nodes;
mod program;
mod rollout;
mod support;
mod upheaval;

//! The conformance suites on real processes and the balancer in this process.
#![expect(clippy::unwrap_used, reason = "a bench fails its case")]

mod balancer;
mod nodes;
#[expect(dead_code, reason = "the other tests use all of it")]
#[path = "../local/support.rs"]
mod support;

use std::process::ExitCode;

fn main() -> ExitCode {
    let suites = [balancer::suite(), nodes::suite()];
    let trials = suites.into_iter().flat_map(|suite| suite.trials("local::")).collect();
    canary_testkit::conformance::main(trials)
}

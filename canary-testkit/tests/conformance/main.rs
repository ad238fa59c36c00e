//! The suites against the fakes and the core's journals, and against broken ones: each of those fails a named case.
#![expect(clippy::unwrap_used, reason = "a bench that cannot do its part fails its case")]

mod fakes;
mod journals;
mod mutants;

use std::process::ExitCode;

fn main() -> ExitCode {
    let suites = fakes::suites().into_iter().chain(journals::suites());
    let trials = suites.flat_map(|(name, suite)| suite.trials(&format!("{name}::")));
    canary_testkit::conformance::main(trials.chain(mutants::trials()).collect())
}

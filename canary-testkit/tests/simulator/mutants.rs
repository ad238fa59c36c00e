//! An engine that omits something is caught: by an invariant, within a bounded number of seeds that the real one passes.

use canary_testkit::invariants::{broken, same_journal};
use canary_testkit::sim::{Mutant, Scenario, Simulator};

/// Seeds until which every mutant must be caught.
const SEEDS: u64 = 1000;

/// The first seed at which the mutant breaks an invariant, and which.
fn caught(simulator: &Simulator, mutant: Mutant) -> Option<(u64, String)> {
    (1..=SEEDS).find_map(|seed| {
        let scenario = Scenario::from_seed(seed);
        let run = simulator.run_mutated(&scenario, Some(mutant))?;
        let found = broken(&run).first().map(|broken| broken.invariant.to_owned());
        let twice = || same_journal(simulator, &scenario, Some(mutant)).err();
        Some((seed, found.or_else(twice)?))
    })
}

#[test]
fn every_mutant_is_caught_where_the_real_engine_passes() {
    let simulator = Simulator::new().unwrap();
    for mutant in Mutant::ALL {
        let (seed, how) = caught(&simulator, mutant).unwrap_or_else(|| panic!("{mutant:?} was not caught"));
        println!("{mutant:?}: seed {seed}, {how}");
        let healthy = simulator.run(&Scenario::from_seed(seed)).expect("a plan");
        assert!(broken(&healthy).is_empty(), "the real engine breaks seed {seed} too");
    }
}

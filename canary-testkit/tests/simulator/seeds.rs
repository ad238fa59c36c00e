//! A bounded slice of what `make sim` runs: the first seeds, whole.

use std::collections::BTreeMap;

use canary_core::engine::replay;
use canary_core::journal::rollouts;
use canary_testkit::invariants::{broken, same_journal};
use canary_testkit::sim::{Scenario, Simulator};

/// Seeds run in a test; a million are run by `make sim`.
const SEEDS: u64 = 1500;

#[test]
fn no_seed_breaks_an_invariant() {
    let simulator = Simulator::new().unwrap();
    let mut ends = BTreeMap::<_, u64>::new();
    for seed in 1..=SEEDS {
        let run = simulator.run(&Scenario::from_seed(seed)).expect("a plan");
        let broken = broken(&run);
        assert!(broken.is_empty(), "seed {seed}: {broken:#?}\nsee it: canary-sim --seed {seed} --trace");
        *ends.entry(run.outcome.as_ref().map_or("none", |outcome| outcome.as_str())).or_default() += 1;
    }
    // What never happens is not tested by it.
    for end in ["completed", "rolled back", "halted", "inconclusive", "stuck"] {
        assert!(ends.get(end).is_some_and(|count| *count >= 10), "{end}: {ends:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_journal() {
    let simulator = Simulator::new().unwrap();
    for seed in 1..=100 {
        same_journal(&simulator, &Scenario::from_seed(seed), None)
            .unwrap_or_else(|how| panic!("seed {seed}: {how}"));
    }
}

#[test]
fn every_journal_decides_once_more_as_it_did() {
    let simulator = Simulator::new().unwrap();
    let mut decisions = 0;
    for seed in 1..=300 {
        let run = simulator.run(&Scenario::from_seed(seed)).expect("a plan");
        for view in rollouts(&run.records) {
            let replayed = replay(&run.records, &view.id).expect("it was started");
            assert_eq!(replayed.divergence, None, "seed {seed}");
            decisions += replayed.decisions;
        }
    }
    assert!(decisions > 5_000, "{decisions} decisions are too few to tell");
}

//! What must be true of every run, one file each.

mod admin;
mod capacity;
mod effects;
mod health;
mod journal;
mod one_by_one;
mod outcome;
mod requests;
mod restarts;
mod rolled_back;
mod verdict;
mod watched;
mod weights;

use crate::sim::{Run, Scenario, Simulator};

/// One thing that must be true of every run.
#[derive(Debug, Clone, Copy)]
pub struct Invariant {
    /// What must be true, in a few words.
    pub name: &'static str,
    check: fn(&Run) -> Result<(), String>,
}

impl Invariant {
    /// Holds a run against it.
    ///
    /// # Errors
    /// What breaks it.
    pub fn check(&self, run: &Run) -> Result<(), String> {
        (self.check)(run)
    }
}

macro_rules! invariants {
    ($($name:literal => $check:path),* $(,)?) => {
        /// All of them.
        pub const ALL: &[Invariant] = &[$(Invariant { name: $name, check: $check }),*];
    };
}

invariants! {
    "never fewer than min_available serving" => capacity::check,
    "a node that failed health is never enabled" => health::check,
    "one node at a time, in the plan's order" => one_by_one::check,
    "no effect without an intent before it" => effects::check,
    "no request is lost" => requests::check,
    "every terminal outcome is true" => outcome::check,
    "rolled back means the old binary everywhere" => rolled_back::check,
    "the journal folds to the live state" => journal::check,
    "a release that is red does not spread" => verdict::check,
    "nobody is left out of rotation unsaid" => admin::check,
    "nobody passes the watch unseen" => watched::check,
    "one restart for one intent" => restarts::check,
    "every weight is the plan's" => weights::check,
}

/// An invariant that a run breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub invariant: &'static str,
    /// How.
    pub how: String,
}

/// Everything that a run breaks.
#[must_use]
pub fn broken(run: &Run) -> Vec<Broken> {
    let one =
        |invariant: &Invariant| Some(Broken { invariant: invariant.name, how: invariant.check(run).err()? });
    ALL.iter().filter_map(one).collect()
}

/// Same scenario, same journal.
///
/// # Errors
/// The first record that differs.
pub fn same_journal(
    simulator: &Simulator,
    scenario: &Scenario,
    mutant: Option<crate::sim::Mutant>,
) -> Result<(), String> {
    let records = || simulator.run_mutated(scenario, mutant).map(|run| run.records).unwrap_or_default();
    let (one, two) = (records(), records());
    match one.iter().zip(&two).find(|(a, b)| a != b) {
        Some((a, b)) => {
            Err(format!("record {}: {:?} at {}, then {:?} at {}", a.seq, a.entry, a.time, b.entry, b.time))
        }
        None if one.len() != two.len() => Err(format!("{} records, then {}", one.len(), two.len())),
        None => Ok(()),
    }
}

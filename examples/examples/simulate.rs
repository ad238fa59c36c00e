//! A rollout in the simulator: no fleet, no waiting. The engine is killed half-way; the same rollout is resumed and ends.
//!
//! ```sh
//! cargo run -p canary-examples --example simulate
//! ```
//!
//! Then a thousand random ones, each with faults of its own, against every invariant.

use anyhow::{Context as _, ensure};
use canary_core::journal::{Entry, StepResult};
use canary_testkit::faults::Fault;
use canary_testkit::invariants::broken;
use canary_testkit::sim::{Run, Scenario, Simulator};
use canary_testkit::world::Behaviour;

/// How many random rollouts are run.
const SEEDS: u64 = 1000;

#[expect(clippy::print_stdout, reason = "what the example shows")]
fn main() -> anyhow::Result<()> {
    let simulator = Simulator::new()?;

    println!("a good release on two nodes; the engine dies right after the restart of the second");
    let mut scenario = Scenario::calm(2);
    let undisturbed = simulator.run(&scenario).context("a plan")?;
    scenario
        .faults
        .insert(call_of_second_restart(&simulator, &scenario, undisturbed.calls)?, Fault::DieAfter);
    tell(&simulator.run(&scenario).context("a plan")?)?;

    println!("a release that answers every third request with 500");
    let mut scenario = Scenario::calm(2);
    scenario.release = Behaviour::failing(0.33);
    tell(&simulator.run(&scenario).context("a plan")?)?;

    for seed in 1..=SEEDS {
        let run = simulator.run(&Scenario::from_seed(seed)).context("a plan")?;
        ensure!(broken(&run).is_empty(), "seed {seed}: {:?}", broken(&run));
    }
    println!("{SEEDS} seeds: no invariant is broken");
    Ok(())
}

/// The number of the call that restarts the second node: found by dying at each until its trace ends with one.
fn call_of_second_restart(simulator: &Simulator, scenario: &Scenario, calls: u64) -> anyhow::Result<u64> {
    use canary_testkit::world::Happening::{EngineDied, Restarted};
    let dies_there = |call: &u64| {
        let mut scenario = scenario.clone();
        scenario.faults.insert(*call, Fault::DieAfter);
        simulator.run(&scenario).is_some_and(|run| {
            let lines = run.trace.windows(2).find(|pair| pair[1].what == EngineDied);
            lines.is_some_and(|pair| matches!(&pair[0].what, Restarted { node, .. } if node.as_str() == "n1"))
        })
    };
    (0..calls).find(dies_there).context("the second node is never restarted")
}

/// One line a step, as the journal has them, and the outcome.
#[expect(clippy::print_stdout, reason = "what the example shows")]
fn tell(run: &Run) -> anyhow::Result<()> {
    for record in &run.records {
        match &record.entry {
            Entry::StepFinished { step, result: StepResult::Done { .. }, .. } => println!("  ok    {step}"),
            Entry::StepFinished { step, result: StepResult::Failed { message, .. }, .. } => {
                println!("  FAIL  {step}: {message}");
            }
            Entry::Resumed { .. } => println!("  ----  killed, and resumed"),
            _ => {}
        }
    }
    let (first, last) = (run.records.first().context("records")?, run.records.last().context("records")?);
    let minutes = last.time.since(first.time).as_secs() / 60;
    println!("=> {} ({minutes} minutes of the simulator's)", run.outcome.as_ref().context("an outcome")?);
    ensure!(broken(run).is_empty(), "{:?}", broken(run));
    Ok(())
}

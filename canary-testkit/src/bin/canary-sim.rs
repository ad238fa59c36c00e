//! Runs many seeds: `canary-sim --seeds 1000000`, or one: `canary-sim --seed N --trace`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program")]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use canary_testkit::invariants::{broken, same_journal};
use canary_testkit::sim::{Scenario, Simulator};

const USAGE: &str =
    "usage: canary-sim [--seeds COUNT] [--from SEED] [--threads N] | canary-sim --seed SEED [--trace]";
/// Every how many seeds one is run twice to compare its journals.
const TWICE_EVERY: u64 = 100;
/// Failing seeds shown; the rest is counted.
const SHOWN: usize = 20;

struct Arguments {
    seeds: u64,
    from: u64,
    threads: usize,
    seed: Option<u64>,
    trace: bool,
}

fn arguments() -> Option<Arguments> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut found = Arguments { seeds: 100_000, from: 1, threads, seed: None, trace: false };
    let mut rest = std::env::args().skip(1);
    while let Some(name) = rest.next() {
        match name.as_str() {
            "--seeds" => found.seeds = rest.next()?.parse().ok()?,
            "--from" => found.from = rest.next()?.parse().ok()?,
            "--threads" => found.threads = rest.next()?.parse().ok()?,
            "--seed" => found.seed = Some(rest.next()?.parse().ok()?),
            "--trace" => found.trace = true,
            _ => return None,
        }
    }
    Some(found)
}

fn main() -> ExitCode {
    let Some(arguments) = arguments() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let result = match arguments.seed {
        Some(seed) => one(seed, arguments.trace),
        None => many(&arguments),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("error: cannot start the simulator: {e}");
            ExitCode::FAILURE
        }
    }
}

/// One seed, with everything that happened when `trace` is set; false when it breaks an invariant.
fn one(seed: u64, trace: bool) -> std::io::Result<bool> {
    let simulator = Simulator::new()?;
    let scenario = Scenario::from_seed(seed);
    let Some(run) = simulator.run(&scenario) else {
        println!("seed {seed}: the plan was refused");
        return Ok(true);
    };
    if trace {
        println!("{scenario:#?}");
        let mut records = run.records.iter();
        for happened in &run.trace {
            match &happened.what {
                canary_testkit::world::Happening::Recorded { .. } => {
                    let entry = records.next().map(|record| &record.entry);
                    println!("{:>10} ms  recorded {}", happened.at_ms, shortened(&format!("{entry:?}")));
                }
                other => println!("{:>10} ms    {}", happened.at_ms, shortened(&format!("{other:?}"))),
            }
        }
    }
    println!("seed {seed}: {} calls, struck {:?}, ended {:?}", run.calls, run.struck, run.outcome);
    let broken = broken(&run);
    for one in &broken {
        println!("  BROKEN: {}: {}", one.invariant, one.how);
    }
    if let Err(how) = same_journal(&simulator, &scenario, None) {
        println!("  BROKEN: same seed, same journal: {how}");
        return Ok(false);
    }
    Ok(broken.is_empty())
}

fn shortened(text: &str) -> String {
    text.chars().take(400).collect()
}

/// What all threads found.
#[derive(Default)]
struct Found {
    runs: u64,
    ends: BTreeMap<&'static str, u64>,
    failing: Vec<(u64, String)>,
}

fn many(arguments: &Arguments) -> std::io::Result<bool> {
    let begun = Instant::now();
    let next = AtomicU64::new(arguments.from);
    let end = arguments.from + arguments.seeds;
    let found = Mutex::new(Found::default());
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..arguments.threads).map(|_| scope.spawn(|| work(&next, end, &found))).collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err(std::io::Error::other("a run panicked")))
        })
    })?;
    let found = found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let seconds = begun.elapsed().as_secs_f64();
    let rate = arguments.seeds as f64 / seconds;
    println!("{} seeds in {seconds:.1} s, {rate:.0} a second; {} rollouts ran", arguments.seeds, found.runs);
    for (end, count) in &found.ends {
        println!("  {count:>9}  {end}");
    }
    for (seed, how) in found.failing.iter().take(SHOWN) {
        println!("BROKEN by seed {seed}: {how}\n  replay: canary-sim --seed {seed} --trace");
    }
    println!("{} seed(s) broke an invariant", found.failing.len());
    Ok(found.failing.is_empty())
}

fn work(next: &AtomicU64, end: u64, found: &Mutex<Found>) -> std::io::Result<()> {
    /// Seeds taken at once.
    const BATCH: u64 = 64;
    let simulator = Simulator::new()?;
    loop {
        let first = next.fetch_add(BATCH, Ordering::Relaxed);
        if first >= end {
            return Ok(());
        }
        let mut mine = Found::default();
        for seed in first..(first + BATCH).min(end) {
            one_of_many(&simulator, seed, &mut mine);
        }
        let mut all = found.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        all.runs += mine.runs;
        for (end, count) in mine.ends {
            *all.ends.entry(end).or_default() += count;
        }
        all.failing.extend(mine.failing);
    }
}

fn one_of_many(simulator: &Simulator, seed: u64, found: &mut Found) {
    let scenario = Scenario::from_seed(seed);
    let Some(run) = simulator.run(&scenario) else {
        *found.ends.entry("plan refused").or_default() += 1;
        return;
    };
    found.runs += 1;
    *found.ends.entry(run.outcome.as_ref().map_or("never begun", |end| end.as_str())).or_default() += 1;
    if let Some(broken) = broken(&run).first() {
        found.failing.push((seed, format!("{}: {}", broken.invariant, broken.how)));
    }
    if seed.is_multiple_of(TWICE_EVERY)
        && let Err(how) = same_journal(simulator, &scenario, None)
    {
        found.failing.push((seed, format!("same seed, same journal: {how}")));
    }
}

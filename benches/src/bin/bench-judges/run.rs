//! Runs every judge over the same simulated hours of a scenario.

use canary_core::analysis::simulate::Random;

use crate::judges::{self, NAMES, Says};
use crate::scenario::{Effect, Scenario};
use crate::stream::{POLL, Poll, Stream};

/// Polls of an hour.
const POLLS: u32 = 3600 / POLL;

/// What one judge did in all runs of a scenario.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) runs: usize,
    /// Seconds from the release turning bad to the rollback, of the runs that were rolled back, ascending.
    pub(crate) delays: Vec<u32>,
    /// Runs that were never rolled back, but held for a person.
    pub(crate) held: usize,
    /// Failed requests of the canary (latency: its requests) from when it turned bad to the rollback or the hour's end.
    pub(crate) bad: u64,
}

impl Tally {
    /// The part of the runs that was rolled back, in per cent.
    pub(crate) fn rolled_back(&self) -> f64 {
        percent(self.delays.len(), self.runs)
    }

    /// The part of the runs that was held, in per cent.
    pub(crate) fn held(&self) -> f64 {
        percent(self.held, self.runs)
    }

    /// A quantile of the delay over all runs; `None` when fewer were rolled back.
    pub(crate) fn delay(&self, quantile: f64) -> Option<u32> {
        let place = (quantile * self.runs as f64).ceil() as usize;
        self.delays.get(place.max(1) - 1).copied()
    }

    /// Bad requests, on average.
    pub(crate) fn bad(&self) -> f64 {
        self.bad as f64 / self.runs.max(1) as f64
    }
}

fn percent(part: usize, all: usize) -> f64 {
    100.0 * part as f64 / all.max(1) as f64
}

/// What all judges did, in the order of [`NAMES`].
pub(crate) type Tallies = [Tally; NAMES.len()];

/// Runs a scenario. The streams depend on the seed and on the scenario alone, not on what ran before.
pub(crate) fn run(scenario: &Scenario, runs: usize, seed: u64) -> Tallies {
    let mut tallies = Tallies::default();
    let from = format!("{seed} {scenario:?}").bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    for run in 0..runs {
        hour(scenario, &mut Random::new(from.wrapping_add(run as u64)), &mut tallies);
    }
    for tally in &mut tallies {
        tally.runs = runs;
        tally.delays.sort_unstable();
    }
    tallies
}

fn hour(scenario: &Scenario, random: &mut Random, tallies: &mut Tallies) {
    let mut judges = judges::all(scenario, random);
    let mut stream = Stream::watch(scenario);
    let (mut ended, mut held) = ([false; NAMES.len()], [false; NAMES.len()]);
    for index in 0..POLLS {
        let poll = stream.poll(random);
        let now = (index + 1) * POLL;
        let bad = if index * POLL >= scenario.onset { bad_requests(scenario, &poll) } else { 0 };
        for (place, judge) in judges.iter_mut().enumerate() {
            if ended[place] {
                continue;
            }
            tallies[place].bad += bad;
            match judge.poll(&poll) {
                Says::GoOn => {}
                Says::Holds => held[place] = true,
                Says::RollBack => {
                    ended[place] = true;
                    tallies[place].delays.push(now.saturating_sub(scenario.onset));
                }
            }
        }
        if ended.iter().all(|ended| *ended) {
            break;
        }
    }
    for (tally, (ended, held)) in tallies.iter_mut().zip(ended.iter().zip(held)) {
        tally.held += usize::from(held && !ended);
    }
}

fn bad_requests(scenario: &Scenario, poll: &Poll) -> u64 {
    match scenario.effect {
        Effect::None => 0,
        _ if scenario.is_latency() => poll.canary.requests,
        _ => poll.canary.beyond[0],
    }
}

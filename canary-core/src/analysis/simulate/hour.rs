//! One watch with the operator's own numbers, judged by the bound alone and by comparison.

use std::time::Duration;

use super::Random;
use crate::analysis::odds::{ArmCounts, Calibration, OddsSli, OddsVerdict, OddsWatch, Table};
use crate::analysis::{ThresholdOptions, ThresholdState, ThresholdVerdict, Verdict};
use crate::spec::OddsRules;

/// Traffic, a service's ordinary errors, and a watch.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Requests a second of all nodes, above 0.
    pub requests_per_second: f64,
    /// The canary's share of them, above 0 and below 1.
    pub canary_share: f64,
    /// The part of the requests that fails on an ordinary day, above 0 and below 1.
    pub errors: f64,
    /// How many times as many fail on the bad canary, above 1.
    pub times: f64,
    /// How much failures come together within a poll of one node, 0 to below 1: 0 for independent ones.
    pub correlation: f64,
    /// The time watched.
    pub window: Duration,
    /// The time between probes, above 0.
    pub interval: Duration,
    /// The time each reading of the ratio looks back over.
    pub rate_window: Duration,
    /// The ratio that is red, by the bound alone.
    pub bound: f64,
    /// Whether the bound is on all nodes together instead of the canary.
    pub pool: bool,
    /// How many red readings it takes.
    pub patience: ThresholdOptions,
    /// The rules of the comparison.
    pub rules: OddsRules,
    /// The odds ratio to the baseline that is still accepted, ≥ 1.
    pub margin: f64,
    /// How many SLIs share α.
    pub slis: u32,
    /// How many watches of one rollout share α: one, and one more for each step of the canary's weight; this is the last, at its
    /// whole weight.
    pub watches: u32,
    /// Simulated watches, each of a good and of a bad release.
    pub runs: u32,
    /// Which stream of random numbers.
    pub seed: u64,
}

/// What one way to judge did.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The part of the good releases that was rolled back, 0 to 1.
    pub good_rolled_back: f64,
    /// The time to the rollback of each bad release that was, ascending.
    pub found: Vec<Duration>,
    /// Bad releases in all.
    pub runs: u32,
    /// Failed requests of the bad canary until its rollback or the window's end, on average.
    pub failed_requests: f64,
}

impl Judged {
    /// The part of the bad releases that was rolled back within a time, 0 to 1.
    #[must_use]
    pub fn found_within(&self, time: Duration) -> f64 {
        self.found.iter().filter(|found| **found <= time).count() as f64 / f64::from(self.runs.max(1))
    }

    /// The time within which this part of the bad releases, above 0 and at most 1, was rolled back; `None` when fewer were.
    #[must_use]
    pub fn delay(&self, part: f64) -> Option<Duration> {
        let place = (part * f64::from(self.runs)).ceil() as usize;
        self.found.get(place.max(1) - 1).copied()
    }
}

/// What both ways did with the same streams.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The readings of the ratio on or over its bound: the first of them, unless patience was asked for.
    pub bound: Judged,
    /// The canary against the baseline, calibrated from the history.
    pub odds: Judged,
}

/// Simulates watches of good and of bad releases. The same question gives the same answer.
///
/// ```
/// use std::time::Duration;
/// use canary_core::analysis::ThresholdOptions;
/// use canary_core::analysis::simulate::{Question, simulate};
/// use canary_core::spec::OddsRules;
///
/// let answer = simulate(&Question {
///     requests_per_second: 200.0,
///     canary_share: 0.5,
///     errors: 0.001,
///     times: 20.0,
///     correlation: 0.0,
///     window: Duration::from_secs(600),
///     interval: Duration::from_secs(30),
///     rate_window: Duration::from_secs(60),
///     bound: 0.005,
///     pool: true,
///     patience: ThresholdOptions::default(),
///     rules: OddsRules { warm_up: Duration::ZERO, ..OddsRules::default() },
///     margin: 1.1,
///     slis: 2,
///     watches: 1,
///     runs: 20,
///     seed: 1,
/// });
/// assert!(answer.odds.delay(0.5) <= Some(Duration::from_secs(90)));
/// assert_eq!(answer.odds.good_rolled_back, 0.0);
/// ```
#[must_use]
pub fn simulate(question: &Question) -> Answer {
    let mut random = Random::new(question.seed);
    let (mut bound, mut odds) = (Tally::default(), Tally::default());
    for _ in 0..question.runs {
        let calibration = history(question, &mut random);
        for times in [1.0, question.times] {
            let mut hour = Hour::new(question, calibration, times);
            hour.run(&mut random);
            bound.add(&hour.bound, times > 1.0);
            odds.add(&hour.odds, times > 1.0);
        }
    }
    Answer { bound: bound.judged(question.runs), odds: odds.judged(question.runs) }
}

/// What one judge did in one watch.
#[derive(Debug, Clone, Default)]
struct Ended {
    at: Option<Duration>,
    failed: u64,
}

/// What one judge did in all watches.
#[derive(Debug, Default)]
struct Tally {
    good_rolled_back: u32,
    found: Vec<Duration>,
    failed: u64,
}

impl Tally {
    fn add(&mut self, ended: &Ended, bad: bool) {
        if bad {
            self.found.extend(ended.at);
            self.failed += ended.failed;
        } else {
            self.good_rolled_back += u32::from(ended.at.is_some());
        }
    }

    fn judged(mut self, runs: u32) -> Judged {
        self.found.sort_unstable();
        let all = f64::from(runs.max(1));
        Judged {
            good_rolled_back: f64::from(self.good_rolled_back) / all,
            found: self.found,
            runs,
            failed_requests: self.failed as f64 / all,
        }
    }
}

fn poll(question: &Question, random: &mut Random, times: f64) -> Table {
    let expected = question.requests_per_second * question.interval.as_secs_f64();
    let mut arm = |share: f64, errors: f64| {
        let requests = random.poisson(expected * share);
        let errors = random.share(errors.min(0.999), question.correlation);
        (requests, random.binomial(requests, errors))
    };
    let canary = arm(question.canary_share, question.errors * times);
    Table::new(canary, arm(1.0 - question.canary_share, question.errors))
}

fn history(question: &Question, random: &mut Random) -> Option<Calibration> {
    let polls = question.rules.history.as_secs_f64() / question.interval.as_secs_f64();
    let polls: Vec<[Table; 1]> = (0..polls as u64).map(|_| [poll(question, random, 1.0)]).collect();
    Calibration::from_history(&polls, question.interval)
}

/// One watch and both judges.
struct Hour<'a> {
    question: &'a Question,
    times: f64,
    watch: OddsWatch,
    latest: std::collections::VecDeque<ArmCounts>,
    patience: ThresholdState,
    bound: Ended,
    odds: Ended,
}

impl<'a> Hour<'a> {
    fn new(question: &'a Question, calibration: Option<Calibration>, times: f64) -> Self {
        let policy = question.rules.policy(question.window, question.watches);
        // Green decides nothing here, and the other SLIs only take their part of α.
        let mut slis = vec![OddsSli::errors("errors", calibration, None)];
        for sli in &mut slis {
            sli.margin = question.margin;
            sli.tables.iter_mut().for_each(|table| table.for_green = false);
        }
        slis.extend((1..question.slis).map(|_| OddsSli::errors("another", None, None)));
        let watch = OddsWatch::new(policy, &slis);
        let (bound, odds) = (Ended::default(), Ended::default());
        let (latest, patience) = (std::collections::VecDeque::new(), ThresholdState::new());
        Self { question, times, watch, latest, patience, bound, odds }
    }

    fn run(&mut self, random: &mut Random) {
        let interval = self.question.interval;
        let mut now = Duration::ZERO;
        while now < self.question.window && (self.bound.at.is_none() || self.odds.at.is_none()) {
            now += interval;
            let table = poll(self.question, random, self.times);
            if self.bound.at.is_none() {
                self.bound.failed += table.canary.events;
                self.bound.at = self.over_bound(table).then_some(now);
            }
            if self.odds.at.is_none() {
                self.odds.failed += table.canary.events;
                // The first requests after the canary's return are not compared.
                if now > self.question.rules.warm_up {
                    let verdict = self.watch.observe(&[vec![vec![table]]], interval).verdict;
                    self.odds.at = (verdict == OddsVerdict::Red).then_some(now);
                }
            }
        }
    }

    /// Whether the ratio over the rate window is red, and often enough.
    fn over_bound(&mut self, table: Table) -> bool {
        let mut counted = table.canary;
        if self.question.pool {
            counted += table.baseline;
        }
        self.latest.push_back(counted);
        let kept = self.question.rate_window.as_secs_f64() / self.question.interval.as_secs_f64();
        while self.latest.len() > (kept.round() as usize).max(1) {
            self.latest.pop_front();
        }
        let mut sum = ArmCounts::default();
        self.latest.iter().for_each(|counts| sum += *counts);
        let probe = match sum.ratio() >= self.question.bound {
            _ if sum.requests == 0 => Verdict::Hold,
            true => Verdict::Red,
            false => Verdict::Green,
        };
        self.patience.observe(&self.question.patience, probe) == ThresholdVerdict::Red
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question() -> Question {
        Question {
            requests_per_second: 100.0,
            canary_share: 0.5,
            errors: 0.001,
            times: 5.0,
            correlation: 0.0,
            window: Duration::from_secs(1800),
            interval: Duration::from_secs(30),
            rate_window: Duration::from_secs(60),
            bound: 0.005,
            pool: true,
            patience: ThresholdOptions::default(),
            rules: OddsRules::default(),
            margin: 1.1,
            slis: 2,
            watches: 1,
            runs: 30,
            seed: 3,
        }
    }

    #[test]
    fn a_regression_that_the_pools_ratio_hides_is_found_by_comparison() {
        let answer = simulate(&question());
        assert_eq!(answer.bound.good_rolled_back, 0.0);
        assert_eq!(answer.odds.good_rolled_back, 0.0);
        let median = answer.odds.delay(0.5).unwrap();
        assert!((60..=300).contains(&median.as_secs()), "{median:?}");
        assert!(answer.odds.failed_requests < answer.bound.failed_requests);
        assert_eq!(answer.odds.found_within(Duration::from_secs(1800)), 1.0);
        assert_eq!(answer.odds.found_within(Duration::ZERO), 0.0);
        assert_eq!(simulate(&question()), answer, "the same question, the same answer");
    }

    #[test]
    fn patience_margin_and_alpha_are_the_operators() {
        let base = Question { times: 20.0, pool: false, ..question() };
        let plain = simulate(&base);
        let patience = ThresholdOptions { consecutive: std::num::NonZeroU32::new(4), ..base.patience };
        let patient = simulate(&Question { patience, ..base.clone() });
        assert!(patient.bound.delay(0.5) >= plain.bound.delay(0.5).map(|delay| delay + 3 * base.interval));
        let one_of_many = simulate(&Question { watches: 1_000_000, ..question() });
        assert!(
            simulate(&question()).odds.delay(0.5) < one_of_many.odds.delay(0.5),
            "more evidence is needed"
        );
        let tolerant = simulate(&Question { margin: 30.0, ..base.clone() });
        assert!(plain.odds.delay(0.5).is_some() && tolerant.odds.delay(0.5).is_none());
        let warm_up = Duration::from_secs(600);
        let late = simulate(&Question { rules: OddsRules { warm_up, ..OddsRules::default() }, ..base });
        assert!(late.odds.found.iter().all(|found| *found > warm_up) && !late.odds.found.is_empty());
    }

    #[test]
    fn quiet_traffic_trips_the_bound_and_not_the_comparison() {
        let quiet = Question { requests_per_second: 2.0, ..question() };
        let answer = simulate(&quiet);
        assert!(answer.bound.good_rolled_back > 0.5, "{}", answer.bound.good_rolled_back);
        assert_eq!(answer.odds.good_rolled_back, 0.0);
        assert_eq!(answer.odds.delay(0.9), None);
    }
}

//! Simulated requests: what canary and baseline count in each poll.

use canary_core::analysis::simulate::Random;

use crate::normal::beyond;
use crate::scenario::{Common, Effect, Noise, Scenario, Sli};

/// Seconds between polls.
pub(crate) const POLL: u32 = 30;

/// Finite bounds of the simulated histograms, in seconds: the default ones of Prometheus's clients.
pub(crate) const BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What one arm counted in one poll. For errors only the first of `beyond` is used: failed requests.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Arm {
    pub(crate) requests: u64,
    /// Requests slower than each bound.
    pub(crate) beyond: [u64; BOUNDS.len()],
}

impl Arm {
    pub(crate) fn plus(&self, other: &Self) -> Self {
        let beyond = std::array::from_fn(|i| self.beyond[i] + other.beyond[i]);
        Self { requests: self.requests + other.requests, beyond }
    }
}

/// One poll of both arms.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Poll {
    pub(crate) canary: Arm,
    pub(crate) baseline: Arm,
}

/// A node's slow wobble, and its cache of bucket probabilities.
#[derive(Debug, Default)]
struct Node {
    wobble: Option<f64>,
    cached: Option<(f64, [f64; BOUNDS.len()])>,
}

/// A stream of polls, of a watch or of the history before it.
#[derive(Debug)]
pub(crate) struct Stream<'a> {
    scenario: &'a Scenario,
    noise: Noise,
    watch: bool,
    at: u32,
    canary: Node,
    baseline: Node,
}

impl<'a> Stream<'a> {
    pub(crate) fn watch(scenario: &'a Scenario) -> Self {
        Self::new(scenario, scenario.noise, true)
    }

    pub(crate) fn history(scenario: &'a Scenario) -> Self {
        Self::new(scenario, scenario.history.unwrap_or(scenario.noise), false)
    }

    fn new(scenario: &'a Scenario, noise: Noise, watch: bool) -> Self {
        Self { scenario, noise, watch, at: 0, canary: Node::default(), baseline: Node::default() }
    }

    pub(crate) fn poll(&mut self, random: &mut Random) -> Poll {
        let (scenario, at) = (self.scenario, self.at);
        self.at += POLL;
        let common = if self.watch { scenario.common } else { Common::None };
        let moment = common.at(at, scenario.share);
        let effect = if self.watch && at >= scenario.onset { scenario.effect } else { Effect::None };
        let expected = scenario.rps * moment.traffic * f64::from(POLL);
        let bias = self.noise.bias.max(1.0);
        let requests = random.poisson(expected * moment.share);
        let canary = self.arm(random, true, requests, moment.level * bias, effect);
        let requests = random.poisson(expected * (1.0 - moment.share));
        let baseline = self.arm(random, false, requests, moment.level, Effect::None);
        Poll { canary, baseline }
    }

    fn arm(&mut self, random: &mut Random, canary: bool, requests: u64, level: f64, effect: Effect) -> Arm {
        let node = if canary { &mut self.canary } else { &mut self.baseline };
        match self.scenario.sli {
            Sli::Errors { ratio } => {
                let ratio = effect.on_errors(ratio * level).min(0.9);
                let mut arm = Arm { requests, ..Arm::default() };
                arm.beyond[0] = errors(random, &self.noise, requests, ratio).min(requests);
                arm
            }
            Sli::Latency { p50, sigma } => {
                let median = p50 * level * node.wobble(random, &self.noise);
                let shares = match node.cached {
                    Some((of, shares)) if of == median => shares,
                    _ => BOUNDS.map(|bound| {
                        effect.on_latency(|slower| beyond(((bound / (median * slower)).ln()) / sigma))
                    }),
                };
                if effect == Effect::None {
                    node.cached = Some((median, shares));
                } else {
                    node.cached = None;
                }
                histogram(random, requests, &shares)
            }
        }
    }
}

impl Node {
    /// The factor on the node's latency in this poll.
    fn wobble(&mut self, random: &mut Random, noise: &Noise) -> f64 {
        if noise.jitter <= 0.0 {
            return 1.0;
        }
        let fresh = random.normal();
        let keep = noise.correlation;
        let now = self.wobble.map_or(fresh, |before| keep * before + (1.0 - keep * keep).sqrt() * fresh);
        self.wobble = Some(now);
        (noise.jitter * now).exp()
    }
}

/// Failed requests of one arm.
fn errors(random: &mut Random, noise: &Noise, requests: u64, ratio: f64) -> u64 {
    if noise.cluster > 1.0 {
        let clusters = random.poisson(requests as f64 * ratio / noise.cluster);
        if !noise.geometric {
            return clusters * noise.cluster as u64;
        }
        let stop = (-1.0 / noise.cluster).ln_1p();
        return (0..clusters).map(|_| (random.uniform().ln() / stop).ceil() as u64).sum();
    }
    let share = random.share(ratio, noise.icc);
    random.binomial(requests, share)
}

/// How many requests were slower than each bound, from the shares; a multinomial draw bound by bound.
fn histogram(random: &mut Random, requests: u64, shares: &[f64; BOUNDS.len()]) -> Arm {
    let mut arm = Arm { requests, ..Arm::default() };
    let (mut left, mut share) = (requests, 1.0);
    for (slower, next) in arm.beyond.iter_mut().zip(shares) {
        let stays = if share > 0.0 { (next / share).clamp(0.0, 1.0) } else { 0.0 };
        left = random.binomial(left, stays);
        share = *next;
        *slower = left;
    }
    arm
}

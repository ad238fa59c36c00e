//! What a seed stands for: a fleet, a release, a spec, and everything that goes wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use canary_core::analysis::Number;
use canary_core::fleet::NodeId;
use canary_core::journal::Wish;
use canary_core::spec::{
    Bound, Judging, OnDrainTimeout, OnInconclusive, Percent, ProgressiveWeights, RolloutSpec, Sli,
    SliJudging, WatchPolicy, WatchSubject,
};
use canary_core::traits::{ErrorKind, SliKind};

use super::rng::Rng;
use crate::faults::Fault;
use crate::world::{Behaviour, REQUESTS_METRIC};

/// The bound of the error ratio that every watch has.
pub const ERROR_BOUND: f64 = 0.005;

/// How long a node goes unscraped at most: two such spans are shorter than the watch, whose last probe looks past them.
const LONGEST_GAP_MS: u64 = 1_200_000;

/// How long nobody looked after an engine's death or a stop, and what happened meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Absence {
    /// Milliseconds until the rollout is resumed.
    pub ms: u64,
    /// Whether the balancer restarts with its configured states; only when the engine died.
    pub balancer_restarts: bool,
}

/// One run: the same scenario gives the same journal.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The seed it was made from, or 0.
    pub seed: u64,
    /// How many nodes the rollout names, 1 to 6.
    pub nodes: usize,
    /// How many more servers the pool has.
    pub bystanders: usize,
    /// How the release behaves.
    pub release: Behaviour,
    /// What is asked for.
    pub spec: RolloutSpec,
    /// Requests a second.
    pub requests_per_s: u64,
    /// Milliseconds between health checks of the balancer.
    pub check_interval_ms: u64,
    /// Milliseconds that every call takes.
    pub call_ms: u64,
    /// Spans in which a node does not answer, by its number.
    pub ailing: Vec<(usize, u64, u64)>,
    /// Requests that take long at the start: on which node, and until when.
    pub long_requests: Vec<(usize, u64)>,
    /// Faults and deaths by the number of the call that they strike.
    pub faults: BTreeMap<u64, Fault>,
    /// Deaths by the number of the wait that they come in.
    pub deaths_asleep: BTreeSet<u64>,
    /// What comes between lives of the engine, again and again in this order; not empty.
    pub absences: Vec<Absence>,
    /// Restarts of the balancer, with its configured states, by the number of the call before which.
    pub balancer_restarts: BTreeSet<u64>,
    /// Keys that the operator presses, by the number of the call before which.
    pub keys: BTreeMap<u64, Wish>,
    /// Milliseconds until an acknowledged admin state takes effect.
    pub admin_lag_ms: u64,
    /// Spans in which the pool does not have a server, by its number.
    pub away: Vec<(usize, u64, u64)>,
    /// Spans in which a node is not scraped, by its number, or none is.
    pub scrape_gaps: Vec<(Option<usize>, u64, u64)>,
    /// Bytes left on a node's disk.
    pub full_disk: Option<usize>,
}

/// The name of the `i`-th node.
pub(crate) fn name(i: usize) -> NodeId {
    #[expect(clippy::expect_used, reason = "a letter and a number are a name")]
    NodeId::new(format!("n{i}")).expect("a name")
}

impl Scenario {
    /// A release that goes well on that many nodes, with one more server in the pool, watched for an hour.
    #[must_use]
    pub fn calm(nodes: usize) -> Self {
        Self {
            seed: 0,
            nodes,
            bystanders: 1,
            release: Behaviour::good(),
            spec: spec(nodes, &mut Rng::new(0)),
            requests_per_s: 100,
            check_interval_ms: 2000,
            call_ms: 1,
            ailing: Vec::new(),
            long_requests: Vec::new(),
            faults: BTreeMap::new(),
            deaths_asleep: BTreeSet::new(),
            balancer_restarts: BTreeSet::new(),
            absences: vec![Absence { ms: 10_000, balancer_restarts: false }],
            keys: BTreeMap::new(),
            admin_lag_ms: 0,
            away: Vec::new(),
            scrape_gaps: Vec::new(),
            full_disk: None,
        }
    }

    /// What the seed stands for.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let nodes = 1 + usize::try_from(rng.below(6)).unwrap_or(0);
        let mut it = Self::calm(nodes);
        it.seed = seed;
        it.bystanders =
            if nodes == 1 { 1 + usize::from(rng.once_in(2)) } else { usize::from(rng.once_in(3)) };
        it.release = release(&mut rng);
        it.spec = spec(nodes, &mut rng);
        let others = nodes + it.bystanders - 1;
        it.spec.min_available = match rng.below(8) {
            0 => u32::try_from(others).unwrap_or(1),
            1 | 2 if others > 1 => 2,
            _ => 1,
        };
        it.requests_per_s = rng.pick(&[0, 1, 50, 100, 2000]);
        it.check_interval_ms = rng.pick(&[100, 1000, 2000, 5000]);
        it.call_ms = rng.pick(&[0, 1, 5, 40]);
        it.trouble(&mut rng);
        it.grow(&mut rng);
        it
    }

    /// The canary comes to its weight in steps, sometimes.
    fn grow(&mut self, rng: &mut Rng) {
        let Some(watch) = self.spec.watch.as_ref().filter(|_| rng.once_in(3)) else { return };
        let steps: &[u16] = rng.pick(&[&[500], &[100, 2500], &[1000, 3000, 5000]]);
        let steps = steps.iter().filter_map(|hundredths| Percent::from_hundredths(*hundredths)).collect();
        self.spec.weights = Some(ProgressiveWeights { steps, window: Some(watch.interval * 2) });
    }

    /// What goes wrong.
    fn trouble(&mut self, rng: &mut Rng) {
        let all = (self.nodes + self.bystanders) as u64;
        let any = |rng: &mut Rng| usize::try_from(rng.below(all)).unwrap_or(0);
        for _ in 0..rng.pick(&[0, 0, 0, 1, 3]) {
            // Around the canary's drain, while it is watched, around the peers' drains after an hour's watch.
            let from = match rng.below(3) {
                0 => rng.below(10_000),
                1 => rng.below(300_000),
                _ => 3_600_000 + rng.below(60_000),
            };
            let node = any(rng);
            self.ailing.push((node, from, from + 1 + rng.below(40_000)));
        }
        for _ in 0..rng.pick(&[0, 0, 1, 4]) {
            let (node, long) = (any(rng), rng.pick(&[500, 5_000, 59_000, 100_000, 4_000_000]));
            self.long_requests.push((node, rng.below(long)));
        }
        let calls = 60 + 40 * self.nodes as u64;
        for _ in 0..rng.pick(&[0, 0, 1, 2, 5, 12]) {
            let struck = fault(rng, self.nodes);
            self.faults.insert(rng.below(calls), struck);
        }
        for _ in 0..rng.pick(&[0, 0, 1, 1, 2, 4]) {
            let death = if rng.once_in(2) { Fault::DieBefore } else { Fault::DieAfter };
            self.faults.insert(rng.below(calls), death);
        }
        for _ in 0..rng.pick(&[0, 0, 0, 0, 1, 2]) {
            self.keys
                .insert(rng.below(calls), rng.pick(&[Wish::Stop, Wish::Abort, Wish::Pause, Wish::Promote]));
        }
        if rng.once_in(6) {
            self.balancer_restarts.insert(rng.below(calls));
        }
        if rng.once_in(6) {
            self.deaths_asleep.insert(rng.below(300));
        }
        let absence = |_| Absence { ms: 1 + rng.below(200_000), balancer_restarts: rng.once_in(6) };
        self.absences = (0..3).map(absence).collect();
        if rng.once_in(20) {
            self.full_disk = Some(usize::try_from(rng.below(self.nodes as u64)).unwrap_or(0));
        }
        // An outage of one backend for a while: a row of calls, each of which may be tried again.
        if rng.once_in(8) {
            let (first, error) =
                (rng.below(calls), Fault::Error { kind: ErrorKind::Unreachable, transient: true });
            self.faults.extend((first..first + rng.below(30)).map(|call| (call, error.clone())));
        }
        self.half_truths(rng);
    }

    /// What is read late, in part, or not at all.
    fn half_truths(&mut self, rng: &mut Rng) {
        let all = (self.nodes + self.bystanders) as u64;
        let any = |rng: &mut Rng| usize::try_from(rng.below(all)).unwrap_or(0);
        self.admin_lag_ms = rng.pick(&[0, 0, 0, 0, 30, 400, 2500, 20_000]);
        if rng.once_in(10) {
            let (node, from) = (any(rng), rng.pick(&[0, 100, 5_000, 600_000, 3_600_000]));
            let from = from + rng.below(500);
            self.away.push((node, from, from + 1 + rng.below(90_000)));
        }
        for _ in 0..rng.pick(&[0, 0, 0, 1, 2]) {
            let node = (!rng.once_in(3)).then(|| any(rng));
            let from = rng.below(4_000_000);
            self.scrape_gaps.push((node, from, from + 1 + rng.below(LONGEST_GAP_MS)));
        }
    }
}

fn release(rng: &mut Rng) -> Behaviour {
    let start_up = Duration::from_millis(rng.pick(&[0, 0, 200, 3_000, 20_000, 70_000]));
    match rng.below(8) {
        0 => Behaviour::unhealthy(),
        1 => Behaviour::crashing(),
        2 => Behaviour::failing(0.5),
        3 => Behaviour::failing(1.0),
        _ => Behaviour::good(),
    }
    .after(start_up)
}

fn fault(rng: &mut Rng, nodes: usize) -> Fault {
    match rng.below(8) {
        7 => Fault::Partial(vec![name(usize::try_from(rng.below(nodes as u64)).unwrap_or(0))]),
        0 => Fault::Error { kind: ErrorKind::Refused, transient: false },
        1 | 2 => Fault::Error { kind: ErrorKind::Unreachable, transient: true },
        3 => Fault::Delay(Duration::from_millis(rng.pick(&[1, 300, 1500]))),
        4 => Fault::Timeout { after: Duration::from_secs(rng.pick(&[1, 10, 50])), applied: rng.once_in(2) },
        _ => Fault::ReplyLost,
    }
}

fn spec(nodes: usize, rng: &mut Rng) -> RolloutSpec {
    let peers = (1..nodes).map(name).collect();
    #[expect(clippy::expect_used, reason = "constants that are names and numbers")]
    let (service, pool, metric, label, bound) = (
        "app".parse().expect("a constant"),
        "api_pool".parse().expect("a constant"),
        REQUESTS_METRIC.parse().expect("a constant"),
        "status".parse().expect("a constant"),
        Number::new(ERROR_BOUND).expect("a constant"),
    );
    let mut spec = RolloutSpec::new(service, pool, name(0), peers);
    spec.roll_back_peers = rng.once_in(4);
    spec.drain.on_timeout =
        if rng.once_in(4) { OnDrainTimeout::CloseSessions } else { OnDrainTimeout::GiveUp };
    spec.pause.limit = Duration::from_secs(60);
    if rng.once_in(10) {
        spec.pause.after = vec![name(0)];
    }
    let interval = Duration::from_secs(rng.pick(&[300, 600, 600, 1200]));
    let sli = Sli {
        name: "error_ratio".to_owned(),
        kind: SliKind::ErrorRatio { metric, status_label: label },
        bound: Bound::Below(bound),
        min_requests: 1,
        judging: SliJudging::default(),
    };
    spec.watch = (!rng.once_in(5)).then(|| WatchPolicy {
        window: Duration::from_secs(3600),
        interval,
        rate_window: Duration::from_secs(60),
        subject: if rng.once_in(3) { WatchSubject::Canary } else { WatchSubject::Pool },
        slis: vec![sli],
        hold_budget: Duration::from_secs(1800),
        on_inconclusive: if rng.once_in(2) { OnInconclusive::Keep } else { OnInconclusive::RollBack },
        judging: Judging::default(),
    });
    spec
}

//! What clients send, where it goes, and what a store that scrapes the nodes can know of it.

use canary_core::fleet::Digest;

/// What one node did from some moment on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Share {
    /// Whether it takes requests.
    pub(super) serving: bool,
    pub(super) weight: u16,
    /// What it answers them with.
    pub(super) running: Option<Digest>,
    /// When its process began, in milliseconds since the clock's start: its counters begin at zero then.
    pub(super) started_ms: u64,
    pub(super) error_ratio: f64,
    pub(super) p95_s: f64,
}

/// How requests are spread from some moment on.
#[derive(Debug, Clone)]
struct Segment {
    from_ms: u64,
    shares: Vec<Share>,
}

impl Segment {
    /// The weight of all that take requests.
    fn weight(&self) -> u64 {
        let serving = self.shares.iter().filter(|share| share.serving);
        serving.map(|share| u64::from(share.weight)).sum()
    }
}

/// How requests were spread, from the start until now.
#[derive(Debug, Clone, Default)]
pub(super) struct Spread {
    segments: Vec<Segment>,
}

/// What was counted over a span of time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Counted {
    pub(super) requests: f64,
    pub(super) errors: f64,
    /// The largest 95th percentile among nodes that answered at least a twentieth of the requests.
    pub(super) p95_s: f64,
}

impl Counted {
    /// Adds what other nodes counted.
    pub(super) fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.p95_s = self.p95_s.max(other.p95_s);
    }
}

/// The finite bounds of the latency histogram's buckets, in seconds: the defaults of Prometheus's client libraries.
pub(super) const BOUNDS_S: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Millionths of a request: what a node counted is kept in them, so that long spans lose nothing.
const MICRO: u64 = 1_000_000;

/// What a node's own counters hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// When its process began.
    pub(super) started_ms: u64,
    requests: u64,
    errors: u64,
    /// Requests that were not slower than each of [`BOUNDS_S`].
    faster: [u64; BOUNDS_S.len()],
}

impl Tally {
    /// Requests answered well, and failed ones.
    pub(super) const fn answered(&self) -> (u64, u64) {
        // Rounded by themselves: their difference could fall, which no counter does.
        ((self.requests - self.errors) / MICRO, self.errors / MICRO)
    }

    /// The cumulative buckets, the count last.
    pub(super) fn buckets(&self) -> Vec<u64> {
        self.faster.iter().chain([&self.requests]).map(|count| count / MICRO).collect()
    }

    /// Counts requests as a share answers them: latencies are spread exponentially, their 95th percentile as it says.
    fn count(&mut self, requests: u64, share: &Share) {
        let part = |ratio: f64| (requests as f64 * ratio).floor() as u64;
        self.requests += requests;
        self.errors += part(share.error_ratio);
        for (count, bound) in self.faster.iter_mut().zip(BOUNDS_S) {
            let slower = if share.p95_s > 0.0 { 0.05_f64.powf(bound / share.p95_s) } else { 0.0 };
            *count += part(1.0 - slower);
        }
    }
}

impl Spread {
    /// What the counters of the node of that index held at a moment; `None` where no process ran.
    pub(super) fn tally(&self, node: usize, at_ms: u64, requests_per_s: u64) -> Option<Tally> {
        let past = self.segments.partition_point(|segment| segment.from_ms <= at_ms);
        let now = self.segments[..past].last()?.shares.get(node)?;
        now.running?;
        let mut tally = Tally { started_ms: now.started_ms, ..Tally::default() };
        let mut end = at_ms;
        for segment in self.segments[..past].iter().rev() {
            let begin = segment.from_ms.max(now.started_ms);
            let share = &segment.shares[node];
            if share.serving && begin < end {
                // An hour of a million requests a second, at a weight of 256, is far from the end of 128 bits.
                let whole = u128::from((end - begin) * requests_per_s * (MICRO / 1000));
                let own = whole * u128::from(share.weight) / u128::from(segment.weight().max(1));
                tally.count(u64::try_from(own).unwrap_or(u64::MAX), share);
            }
            end = segment.from_ms.min(end);
            if segment.from_ms <= now.started_ms {
                break;
            }
        }
        Some(tally)
    }

    /// Notes how requests are spread from `now_ms` on.
    pub(super) fn note(&mut self, now_ms: u64, shares: Vec<Share>) {
        if self.segments.last().is_none_or(|last| last.shares != shares) {
            self.segments.push(Segment { from_ms: now_ms, shares });
        }
    }

    /// What was counted in `from_ms..to_ms` on the nodes that `wanted` names by their index.
    pub(super) fn counted(
        &self,
        from_ms: u64,
        to_ms: u64,
        requests_per_s: u64,
        wanted: impl Fn(usize) -> bool,
    ) -> Counted {
        let mut all = Counted::default();
        let mut by_latency: Vec<(f64, f64)> = Vec::new();
        let mut end = to_ms;
        for segment in self.segments.iter().rev() {
            let begin = segment.from_ms.max(from_ms);
            if begin < end {
                let whole = (end - begin) as f64 / 1000.0 * requests_per_s as f64;
                let of_weight = whole / segment.weight().max(1) as f64;
                for (_, share) in
                    segment.shares.iter().enumerate().filter(|(i, share)| share.serving && wanted(*i))
                {
                    let each = of_weight * f64::from(share.weight);
                    all.requests += each;
                    all.errors += each * share.error_ratio;
                    by_latency.push((share.p95_s, each));
                }
                end = begin;
            }
            if segment.from_ms <= from_ms {
                break;
            }
        }
        let twentieth = all.requests / 20.0;
        for (p95_s, _) in &by_latency {
            let share: f64 = by_latency.iter().filter(|(other, _)| other == p95_s).map(|(_, n)| n).sum();
            if share >= twentieth {
                all.p95_s = all.p95_s.max(*p95_s);
            }
        }
        all
    }
}

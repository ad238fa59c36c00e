//! What clients send, where it goes, and what a store that scrapes the nodes can know of it.

use canary_core::fleet::Digest;

/// What one node did from some moment on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Share {
    /// Whether it takes requests.
    pub(super) serving: bool,
    /// What it answers them with.
    pub(super) running: Option<Digest>,
    pub(super) error_ratio: f64,
    pub(super) p95_s: f64,
}

/// How requests are spread from some moment on.
#[derive(Debug, Clone)]
struct Segment {
    from_ms: u64,
    shares: Vec<Share>,
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

impl Spread {
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
                let serving = segment.shares.iter().filter(|share| share.serving).count();
                let each = (end - begin) as f64 / 1000.0 * requests_per_s as f64 / serving.max(1) as f64;
                for (_, share) in
                    segment.shares.iter().enumerate().filter(|(i, share)| share.serving && wanted(*i))
                {
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

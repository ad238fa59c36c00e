//! One tenant, one objective, one source: what was found against what is promised.

use serde::{Deserialize, Serialize};

use super::bounds::{family_bounds, rate_bounds};
use super::code::GapCode;
use crate::policy::{GapKey, ONE};

/// The share of the expected samples above which none counts as missing: one of a window's edge may be.
const WHOLE: u64 = 950_000;
/// Fewer bad events than this at the bound are few: the bounds of the rate are judged by, not the rate.
const FEW: u128 = 10;

/// What queries found; its fields are in the order of the journal's form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The age of the newest sample, in microseconds.
    pub age: Option<u64>,
    /// Whether there were samples before the window.
    pub before: bool,
    /// As many samples as there would be in the window.
    pub expected: u64,
    /// Whether there was a sample within the last hour.
    pub lately: bool,
    /// What they say.
    pub measured: Measured,
    /// The samples in the window, of the series that has most; `None` without a row.
    pub samples: Option<u64>,
    /// What is the matter with the whole source, or with the tenant's rows in it: [`GapCode::SourceDown`],
    /// [`GapCode::Partial`] or [`GapCode::Duplicate`].
    pub trouble: Option<GapCode>,
}

impl Found {
    /// Nothing at all: no row in the window and none in the hour before.
    #[must_use]
    pub const fn nothing(expected: u64) -> Self {
        Self {
            age: None,
            before: false,
            expected,
            lately: false,
            measured: Measured::Nothing,
            samples: None,
            trouble: None,
        }
    }

    /// Whether anything says that the tenant is there: a row, a sample of the last hour, or more than one row.
    #[must_use]
    pub const fn present(&self) -> bool {
        self.samples.is_some() || self.age.is_some() || self.lately || self.trouble.is_some()
    }
}

/// What samples say; the fields are in the order of the journal's form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measured {
    /// Counters.
    Events {
        /// The bad ones; `None` when no such series was ever there.
        bad: Option<u64>,
        /// All.
        total: u64,
    },
    /// Latencies as a cumulative histogram.
    Latencies {
        /// Upper bounds in microseconds and how many were at most that, rising; the last is the open bucket, [`OPEN`].
        buckets: Vec<(u64, u64)>,
        /// The quantile that is asked for, in ppm.
        q: u64,
    },
    /// A gauge's largest value, in ppm; `None` without a sample.
    Gauge(Option<u64>),
    /// No row at all.
    Nothing,
}

/// The bound of the open bucket; the largest number of the journal's form, no time is as long.
pub const OPEN: u64 = 1 << 53;

/// What is promised, for one tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promise {
    /// The most that is allowed: a rate in ppm, a time in microseconds, a gauge in ppm; above 0.
    pub limit: u64,
    /// What a widened limit stays below.
    pub hard_limit: Option<u64>,
    /// Whether missing samples widen the limit: of ratios and quantiles, not of budgets and gauges.
    pub widens: bool,
    /// The interval of scraping, in microseconds.
    pub scrape: u64,
    /// The settings for gaps, by [`GapKey`].
    pub gap: [u64; GapKey::ALL.len()],
    /// How many promises have a veto like this one: what is certain is so among all of them. 1 for a promise of its own.
    pub family: u64,
}

/// Whether the promise is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breach {
    /// It is kept, as far as is known.
    No,
    /// It is broken beyond what chance or missing samples explain.
    Proven,
    /// It cannot be told.
    Open,
}

/// What is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// What was the matter.
    pub code: GapCode,
    /// The share of the expected samples that was there, in ppm.
    pub coverage: u64,
    /// The limit as promised.
    pub limit: u64,
    /// The limit that was judged by.
    pub limit_adj: u64,
    /// What was observed, in the limit's unit; `None` when it is not known.
    pub observed: Option<u64>,
    /// What it may be at least and at most, in the same unit; `u64::MAX` for no bound.
    pub bounds: Option<(u64, u64)>,
    /// The events it rests on.
    pub events: u64,
    /// The least and the most score, in ppm.
    pub score: (u64, u64),
    /// Whether the promise is broken.
    pub breach: Breach,
    /// Whether it is broken beyond what chance explains in as many promises as have a veto.
    pub certain: bool,
}

/// Judges.
#[must_use]
pub fn judge(found: &Found, promise: &Promise) -> Judged {
    let coverage = coverage(found);
    let mut judged = Judged {
        code: found.trouble.unwrap_or_else(|| gap(found, promise, coverage)),
        coverage,
        limit: promise.limit,
        limit_adj: promise.limit,
        observed: None,
        bounds: None,
        events: events(&found.measured),
        score: (0, ONE),
        breach: Breach::Open,
        certain: false,
    };
    if judged.code.known() {
        judged.limit_adj = widened(promise, judged.code, coverage);
        value(found, &mut judged);
        judged.certain = judged.breach == Breach::Proven && certain(found, promise.family, judged.limit_adj);
    }
    judged
}

fn setting(promise: &Promise, key: GapKey) -> u64 {
    promise.gap[key as usize]
}

fn coverage(found: &Found) -> u64 {
    let samples = u128::from(found.samples.unwrap_or(0));
    let share = samples * u128::from(ONE) / u128::from(found.expected.max(1));
    u64::try_from(share.min(u128::from(ONE))).unwrap_or(ONE)
}

fn events(measured: &Measured) -> u64 {
    match measured {
        Measured::Events { total, .. } => *total,
        Measured::Latencies { buckets, .. } => buckets.last().map_or(0, |bucket| bucket.1),
        Measured::Gauge(_) | Measured::Nothing => 0,
    }
}

/// The first thing that is the matter, from the grave to the harmless.
fn gap(found: &Found, promise: &Promise, coverage: u64) -> GapCode {
    let nothing = found.samples.is_none() && found.age.is_none();
    if nothing {
        return if found.lately { GapCode::Stale } else { GapCode::Absent };
    }
    let oldest = setting(promise, GapKey::MaxAge).saturating_mul(promise.scrape);
    if found.age.is_none_or(|age| age > oldest) {
        return GapCode::Stale;
    }
    if coverage < WHOLE && !found.before {
        return GapCode::New;
    }
    if coverage < setting(promise, GapKey::MinCoverage) {
        return GapCode::Thin;
    }
    let gauge = matches!(found.measured, Measured::Gauge(_));
    if !gauge && events(&found.measured) < setting(promise, GapKey::MinEvents) {
        return GapCode::NoTraffic;
    }
    match found.measured {
        // What a gauge was between its samples is not known; a counter remembers.
        Measured::Gauge(None) => GapCode::Thin,
        _ if coverage < WHOLE => GapCode::Sparse,
        Measured::Events { bad: None, .. } => GapCode::NoErrorSeries,
        _ => GapCode::Ok,
    }
}

/// `min(hard limit, limit × (1 + widen × (1 − coverage)))`, where samples are missing.
fn widened(promise: &Promise, code: GapCode, coverage: u64) -> u64 {
    if !promise.widens || code != GapCode::Sparse {
        return promise.limit;
    }
    let (one, limit) = (u128::from(ONE), u128::from(promise.limit));
    let more = limit * u128::from(setting(promise, GapKey::Widen)) * u128::from(ONE - coverage) / (one * one);
    let wide = u64::try_from(limit + more).unwrap_or(u64::MAX);
    promise.hard_limit.map_or(wide, |hard| wide.min(hard)).max(promise.limit)
}

fn value(found: &Found, judged: &mut Judged) {
    match &found.measured {
        Measured::Events { bad, total } => {
            let bad = bad.unwrap_or(0).min(*total);
            let rate = ratio(bad, *total);
            let few = u128::from(*total) * u128::from(judged.limit_adj) < FEW * u128::from(ONE);
            settle(judged, rate, rate_bounds(bad, *total), few);
        }
        Measured::Latencies { q, buckets } => latencies(judged, *q, buckets),
        Measured::Gauge(Some(seen)) => {
            // The largest that was seen; what was not seen can only be more.
            let most = if judged.code == GapCode::Sparse { u64::MAX } else { *seen };
            settle(judged, *seen, (*seen, most), judged.code == GapCode::Sparse);
        }
        Measured::Gauge(None) | Measured::Nothing => {}
    }
}

/// Whether the limit lies below even the wider bound of a family of promises.
fn certain(found: &Found, family: u64, limit: u64) -> bool {
    match &found.measured {
        Measured::Events { bad, total } => {
            family_bounds(bad.unwrap_or(0).min(*total), *total, family).0 > limit
        }
        Measured::Latencies { q, buckets } => {
            let (below, total) = below(*q, buckets);
            let low = family_bounds(below, total, family).0;
            quantile(buckets, low).unwrap_or_else(|at_least| at_least) > limit
        }
        // No sample of it is a matter of chance.
        Measured::Gauge(_) | Measured::Nothing => true,
    }
}

/// How many events a quantile has below it, and how many there are.
fn below(q: u64, buckets: &[(u64, u64)]) -> (u64, u64) {
    let total = buckets.last().map_or(0, |bucket| bucket.1);
    (u64::try_from(u128::from(total) * u128::from(q) / u128::from(ONE)).unwrap_or(total), total)
}

fn ratio(part: u64, total: u64) -> u64 {
    let ppm = u128::from(part) * u128::from(ONE) / u128::from(total.max(1));
    u64::try_from(ppm).unwrap_or(u64::MAX)
}

/// A quantile of few events lies between two others: those at the bounds of the share below it.
fn latencies(judged: &mut Judged, q: u64, buckets: &[(u64, u64)]) {
    let (below, total) = below(q, buckets);
    let (low_q, high_q) = rate_bounds(below, total);
    let low = quantile(buckets, low_q).unwrap_or_else(|at_least| at_least);
    let high = quantile(buckets, high_q).unwrap_or(u64::MAX);
    let few = u128::from(total) * u128::from(ONE - q) < FEW * u128::from(ONE);
    match quantile(buckets, q) {
        Ok(value) => settle(judged, value, (low, high), few),
        Err(at_least) => {
            judged.bounds = Some((low, u64::MAX));
            if at_least >= judged.limit_adj {
                // However slow the rest is, it is slower than the limit.
                judged.observed = Some(at_least);
                judged.score = (0, score(at_least, judged.limit_adj));
                judged.breach = if low > judged.limit_adj { Breach::Proven } else { Breach::Open };
            } else {
                judged.code = GapCode::TopBucket;
            }
        }
    }
}

/// The quantile by linear interpolation, as `histogram_quantile` does it (Prometheus documentation, query functions); an error
/// is the largest finite bound, when it lies beyond.
fn quantile(buckets: &[(u64, u64)], q: u64) -> Result<u64, u64> {
    let total = buckets.last().map_or(0, |bucket| bucket.1);
    // A rank in millionths of an event.
    let rank = u128::from(total) * u128::from(q);
    let (mut start, mut below) = (0_u64, 0_u64);
    for &(bound, count) in buckets.iter().filter(|bucket| bucket.0 < OPEN) {
        // Small dips, as rounding of increases makes, are levelled out.
        let count = count.max(below);
        if u128::from(count) * u128::from(ONE) >= rank && count > 0 {
            let inside = u128::from(count - below) * u128::from(ONE);
            let past = rank.saturating_sub(u128::from(below) * u128::from(ONE));
            let width = u128::from(bound.saturating_sub(start));
            // An empty bucket is gone past whole, and so is one that is wider than any time.
            let part = width.checked_mul(past).and_then(|part| part.checked_div(inside)).unwrap_or(width);
            return Ok(start.saturating_add(u64::try_from(part).unwrap_or(u64::MAX)));
        }
        (start, below) = (bound, count);
    }
    Err(start)
}

/// The score of a value, in ppm: 1 up to the limit, 0 from twice the limit.
#[must_use]
pub fn score(observed: u64, limit: u64) -> u64 {
    if observed <= limit {
        return ONE;
    }
    let times = (u128::from(observed) * u128::from(ONE)).div_ceil(u128::from(limit.max(1)));
    u64::try_from((2 * u128::from(ONE)).saturating_sub(times)).unwrap_or(0)
}

/// A value counts as it is where there are enough events, and by its bounds where there are few.
fn settle(judged: &mut Judged, value: u64, (low, high): (u64, u64), few: bool) {
    let limit = judged.limit_adj;
    judged.observed = Some(value);
    judged.bounds = Some((low, high));
    judged.breach = if low > limit {
        Breach::Proven
    } else if high <= limit || (!few && value <= limit) {
        Breach::No
    } else {
        Breach::Open
    };
    judged.score = match judged.breach {
        Breach::No => (ONE, ONE),
        Breach::Open if few => (0, ONE),
        Breach::Proven | Breach::Open => (score(value, limit), score(value, limit)),
    };
}

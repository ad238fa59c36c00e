//! From numbers to readings, the same for every source.

use canary_core::analysis::{Bucket, HistogramError, Number, Quantile, Ratio, quantile};
use canary_core::traits::Reading;

/// Characters of a reply that are kept as evidence.
const REPLY: usize = 500;

/// A number as a reading; NaN and the infinities have their own.
pub(crate) fn number(value: f64) -> Reading {
    match Number::new(value) {
        Some(value) => Reading::Value { value },
        None if value.is_nan() => Reading::NotANumber,
        None => Reading::Infinite,
    }
}

/// The quantile of buckets in any order; buckets of the same bound (`1` and `1.0`) are added up.
pub(crate) fn of_buckets(q: Ratio, buckets: &[Bucket]) -> Result<Reading, HistogramError> {
    match quantile(q.value(), &merged(buckets)) {
        Ok(Quantile::Value(value)) => Ok(number(value)),
        Ok(Quantile::AtLeast(bound)) => {
            Ok(Number::new(bound).map_or(Reading::Infinite, |at_least| Reading::AtLeast { at_least }))
        }
        Ok(Quantile::Empty) => Ok(Reading::NoTraffic),
        Err(HistogramError::Unusable) => Ok(Reading::NotANumber),
        Err(error) => Err(error),
    }
}

/// The buckets sorted, one a bound.
pub(crate) fn merged(buckets: &[Bucket]) -> Vec<Bucket> {
    let mut sorted = buckets.to_vec();
    sorted.sort_by(|a, b| a.bound.total_cmp(&b.bound));
    sorted.dedup_by(|next, kept| {
        let same = next.bound == kept.bound;
        if same {
            kept.count += next.count;
        }
        same
    });
    sorted
}

/// The errors' share of the total, which must not be zero.
pub(crate) fn ratio(errors: f64, total: f64) -> Reading {
    if total == 0.0 { Reading::NoTraffic } else { number(errors / total) }
}

/// A count of events that may be fractional or not finite, rounded down.
pub(crate) fn events(count: f64) -> Option<u64> {
    (count.is_finite() && count >= 0.0).then_some(count as u64)
}

/// Whether a status is that of a failed request: 5xx.
pub(crate) fn failed(status: &str) -> bool {
    status.starts_with('5') && status.chars().count() == 3
}

/// A text cut to what evidence may hold.
pub(crate) fn evidence(text: &str) -> String {
    if text.chars().count() <= REPLY {
        return text.to_owned();
    }
    text.chars().take(REPLY - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_spelt_differently_are_one() {
        let b = |bound, count| Bucket { bound, count };
        let all = [b(f64::INFINITY, 2.0), b(1.0, 1.0), b(1.0, 1.0)];
        assert_eq!(merged(&all), [b(1.0, 2.0), b(f64::INFINITY, 2.0)]);
        let one = Number::new(0.5).unwrap();
        assert_eq!(of_buckets(Ratio::new(0.5).unwrap(), &all), Ok(Reading::Value { value: one }));
    }

    #[test]
    fn events_are_whole_and_rounded_down() {
        assert_eq!(events(2.9), Some(2));
        assert_eq!((events(f64::NAN), events(-1.0), events(f64::INFINITY)), (None, None, None));
    }

    #[test]
    fn evidence_is_bounded() {
        assert_eq!(evidence(&"ä".repeat(501)).chars().count(), 500);
        assert_eq!(evidence("short"), "short");
    }
}

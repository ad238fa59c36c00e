//! Quantiles of classic histograms, by Prometheus's own rule.

/// One bucket: how many observations (or how many a second) were at most `bound`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// The bucket's upper bound (`le`); `f64::INFINITY` for the last.
    pub bound: f64,
    /// The cumulative count or rate, ≥ 0.
    pub count: f64,
}

/// A quantile as far as the buckets tell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Quantile {
    /// Interpolated within a finite bucket.
    Value(f64),
    /// In the last, open bucket: at least this, the largest finite bound.
    AtLeast(f64),
    /// No observations.
    Empty,
}

/// Why buckets are not a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HistogramError {
    /// Without the open bucket the total is unknown.
    #[error("no +Inf bucket")]
    NoInfinity,
    /// Only the open bucket: nothing can be interpolated.
    #[error("no bucket with a finite bound")]
    NoFiniteBound,
    /// A bound or a count is NaN, or a count is negative or infinite.
    #[error("a bucket's bound or count is not usable")]
    Unusable,
}

/// The `q`-quantile (0..=1) of cumulative buckets in any order.
///
/// Prometheus's rule (documentation, query functions, `histogram_quantile`): linear within a bucket; the lowest
/// bucket starts at 0 when its bound is positive, else the answer is its bound. Differences: the open bucket gives
/// [`Quantile::AtLeast`] rather than the largest finite bound as if it were a value, and no observations give
/// [`Quantile::Empty`] rather than NaN. Small dips between buckets, as rounding of rates makes, are levelled out.
///
/// # Errors
/// [`HistogramError`] when the buckets are not a histogram.
pub fn quantile(q: f64, buckets: &[Bucket]) -> Result<Quantile, HistogramError> {
    if buckets.iter().any(|b| b.bound.is_nan() || !b.count.is_finite() || b.count < 0.0) {
        return Err(HistogramError::Unusable);
    }
    let mut sorted = buckets.to_vec();
    sorted.sort_by(|a, b| a.bound.total_cmp(&b.bound));
    let Some((open, finite)) = sorted.split_last() else {
        return Err(HistogramError::NoInfinity);
    };
    if open.bound != f64::INFINITY {
        return Err(HistogramError::NoInfinity);
    }
    let Some(largest) = finite.last().filter(|b| b.bound.is_finite()) else {
        return Err(HistogramError::NoFiniteBound);
    };
    let total = sorted.iter().map(|b| b.count).fold(0.0, f64::max);
    if total <= 0.0 {
        return Ok(Quantile::Empty);
    }
    let rank = q.clamp(0.0, 1.0) * total;
    let (mut below, mut start) = (0.0_f64, 0.0_f64);
    for (i, bucket) in finite.iter().enumerate() {
        let count = bucket.count.max(below);
        if count >= rank && count > 0.0 {
            if i == 0 && bucket.bound <= 0.0 {
                return Ok(Quantile::Value(bucket.bound));
            }
            let inside = count - below;
            let part = if inside > 0.0 { (rank - below) / inside } else { 1.0 };
            return Ok(Quantile::Value((bucket.bound - start).mul_add(part, start)));
        }
        (below, start) = (count, bucket.bound);
    }
    Ok(Quantile::AtLeast(largest.bound))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(pairs: &[(f64, f64)]) -> Vec<Bucket> {
        pairs.iter().map(|&(bound, count)| Bucket { bound, count }).collect()
    }

    #[test]
    fn interpolates_as_prometheus_does() {
        let b = buckets(&[(0.1, 50.0), (0.5, 90.0), (1.0, 100.0), (f64::INFINITY, 100.0)]);
        assert_eq!(quantile(0.5, &b), Ok(Quantile::Value(0.1)));
        assert_eq!(quantile(0.95, &b), Ok(Quantile::Value(0.75)));
        assert_eq!(quantile(0.25, &b), Ok(Quantile::Value(0.05)));
        assert_eq!(quantile(0.0, &b), Ok(Quantile::Value(0.0)));
    }

    #[test]
    fn the_open_bucket_is_at_least_and_nothing_is_empty() {
        let b = buckets(&[(0.1, 1.0), (1.0, 2.0), (f64::INFINITY, 100.0)]);
        assert_eq!(quantile(0.95, &b), Ok(Quantile::AtLeast(1.0)));
        let b = buckets(&[(0.1, 0.0), (f64::INFINITY, 0.0)]);
        assert_eq!(quantile(0.95, &b), Ok(Quantile::Empty));
    }

    #[test]
    fn broken_histograms_are_named() {
        assert_eq!(quantile(0.5, &buckets(&[(0.1, 1.0)])), Err(HistogramError::NoInfinity));
        assert_eq!(quantile(0.5, &buckets(&[(f64::INFINITY, 1.0)])), Err(HistogramError::NoFiniteBound));
        assert_eq!(quantile(0.5, &[]), Err(HistogramError::NoInfinity));
        let b = buckets(&[(0.1, f64::NAN), (f64::INFINITY, 1.0)]);
        assert_eq!(quantile(0.5, &b), Err(HistogramError::Unusable));
    }
}

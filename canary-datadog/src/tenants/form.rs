//! An objective as Datadog queries, and their numbers as what was measured.

use canary_tenants::gap::{Measured, OPEN};
use canary_tenants::policy::{DatadogForm, ObjectiveKind};

use crate::query::{Query, amount, percent};

/// Percentiles that stand for a distribution's histogram, in hundredths of a percent: those that Datadog names itself.
const PERCENTILES: [u64; 5] = [5_000, 7_500, 9_000, 9_500, 9_900];

/// What is asked for one measure.
#[derive(Debug, Clone)]
pub(super) struct Form {
    /// What its numbers are read from.
    pub(super) numbers: Vec<Query>,
    /// By which it is seen whether points are there.
    pub(super) points: Query,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    /// The count, the largest, then a percentile each.
    Latencies { q: u64, unit: u64, percentiles: Vec<u64> },
    /// All, and a part of them.
    Events { good: bool },
    /// The largest.
    Gauge,
}

impl Form {
    /// The queries of a measure, grouped by `tag`.
    pub(super) fn of(
        form: &DatadogForm,
        kind: &ObjectiveKind,
        tag: &str,
        version: Option<&str>,
    ) -> Result<Self, String> {
        let at = |selector: &canary_tenants::policy::TagSelector| {
            selector.at(version).map_err(|error| error.to_string())
        };
        let count = |aggregator: &str, selector: &str| {
            let text = format!("{aggregator}:{selector} by {{{tag}}}.as_count()");
            Query { text, aggregator: "sum" }
        };
        // Without it Datadog draws a line through minutes without points.
        let unfilled = |query: &Query| Query { text: format!("{}.fill(null)", query.text), ..query.clone() };
        match (form, kind) {
            (DatadogForm::Counts { part, good, total }, ObjectiveKind::Ratio { .. }) => {
                let numbers = vec![count("sum", &at(total)?), count("sum", &at(part)?)];
                Ok(Self { points: unfilled(&numbers[0]), numbers, kind: Kind::Events { good: *good } })
            }
            (DatadogForm::Gauge { metric }, ObjectiveKind::Value { .. }) => {
                let text = format!("max:{} by {{{tag}}}", at(metric)?);
                let largest = Query { text, aggregator: "max" };
                Ok(Self { points: unfilled(&largest), numbers: vec![largest], kind: Kind::Gauge })
            }
            (DatadogForm::Distribution { metric, unit }, ObjectiveKind::Quantile { q, .. }) => {
                let selector = at(metric)?;
                let wanted = *q / 100;
                let mut percentiles: Vec<u64> = PERCENTILES.into_iter().chain([wanted]).collect();
                percentiles.sort_unstable();
                percentiles.dedup();
                let largest = Query { text: format!("max:{selector} by {{{tag}}}"), aggregator: "max" };
                let mut numbers = vec![count("count", &selector), largest];
                numbers.extend(percentiles.iter().map(|p| Query {
                    text: format!("p{}:{selector} by {{{tag}}}", percent(*p)),
                    aggregator: "percentile",
                }));
                let kind = Kind::Latencies { q: *q, unit: *unit, percentiles };
                Ok(Self { points: unfilled(&numbers[0]), numbers, kind })
            }
            _ => Err("its form for Datadog is of another kind".to_owned()),
        }
    }

    /// What a row says.
    pub(super) fn measured(&self, row: &[Option<f64>]) -> Measured {
        let count = |at: usize| row.get(at).copied().flatten().and_then(|value| amount(value, 1.0));
        match &self.kind {
            Kind::Gauge => {
                Measured::Gauge(row.first().copied().flatten().and_then(|value| amount(value, 1e6)))
            }
            Kind::Events { good } => match (count(0), count(1)) {
                (Some(total), Some(part)) => {
                    let bad = if *good { total.saturating_sub(part) } else { part };
                    Measured::Events { bad: Some(bad), total }
                }
                (Some(total), None) if !good => Measured::Events { bad: None, total },
                _ => Measured::Nothing,
            },
            Kind::Latencies { q, unit, percentiles } => {
                latencies(row, *q, *unit, percentiles).unwrap_or(Measured::Nothing)
            }
        }
    }
}

/// A histogram whose bounds are the percentiles: exact at each of them, and at the largest.
fn latencies(row: &[Option<f64>], q: u64, unit: u64, percentiles: &[u64]) -> Option<Measured> {
    #[expect(clippy::cast_precision_loss, reason = "a unit is at most 10^9")]
    let factor = unit as f64 / 1000.0;
    let micros = |at: usize| row.get(at).copied().flatten().and_then(|value| amount(value, factor));
    let total = amount(row.first().copied().flatten()?, 1.0)?;
    let mut buckets: Vec<(u64, u64)> = Vec::new();
    for (at, p) in percentiles.iter().enumerate() {
        let below = (u128::from(total) * u128::from(*p)).div_ceil(10_000);
        buckets.push((micros(at + 2)?, u64::try_from(below).ok()?));
    }
    buckets.push((micros(1)?, total));
    buckets.sort_unstable();
    // Of equal bounds the last has the most; sketches are exact to a percent, and so a later one may be lower by that.
    buckets.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            kept.1 = kept.1.max(later.1);
        }
        same
    });
    buckets.push((OPEN, total));
    Some(Measured::Latencies { q, buckets })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_is_a_histogram_at_its_percentiles() {
        let row = [1000.0, 2.0, 0.05, 0.1, 0.2, 0.4, 1.5].map(Some);
        let percentiles = vec![5_000, 7_500, 9_000, 9_500, 9_900];
        let Some(Measured::Latencies { q, buckets }) = latencies(&row, 950_000, 1_000_000_000, &percentiles)
        else {
            panic!("no latencies")
        };
        assert_eq!(q, 950_000);
        let expected = [
            (50_000, 500),
            (100_000, 750),
            (200_000, 900),
            (400_000, 950),
            (1_500_000, 990),
            (2_000_000, 1000),
            (OPEN, 1000),
        ];
        assert_eq!(buckets, expected);
        // A number that is not there is no latency at all, not zero.
        let mut gap = row;
        gap[3] = None;
        assert_eq!(latencies(&gap, 950_000, 1_000_000_000, &percentiles), None);
    }
}

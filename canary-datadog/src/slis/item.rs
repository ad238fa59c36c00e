//! One SLI as queries, and their numbers as what it reads. Pure.

use std::time::Duration;

use canary_core::analysis::Number;
use canary_core::traits::{ExecutedQuery, Reading, Sample, SliKind, SliQuery};

use super::config::{DatadogSlisConfig, Unaskable};
use crate::query::{Query, Timeseries};

/// What is asked for one SLI.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// What its numbers are read from: first how many events there were.
    pub(super) numbers: Vec<Query>,
    /// By which it is seen whether points are there.
    pub(super) points: Query,
    /// Of a quantile: what one unit of its distribution is.
    unit: Option<f64>,
}

/// What came back for one SLI.
pub(super) struct Found<'a> {
    /// Its numbers, in the order of its queries.
    pub(super) numbers: &'a [Option<f64>],
    /// The points of all.
    pub(super) series: &'a Timeseries,
    /// Which of their queries is its.
    pub(super) query: usize,
    /// The instant asked about, in milliseconds.
    pub(super) at: u64,
    /// What the answers doubt of themselves.
    pub(super) warnings: Vec<String>,
}

impl Item {
    /// The queries of an SLI.
    pub(super) fn of(config: &DatadogSlisConfig, query: &SliQuery) -> Result<Self, Unaskable> {
        let counted = |aggregator: &str, selector: &str| Query {
            text: format!("{aggregator}:{selector}.as_count()"),
            aggregator: "sum",
        };
        let (numbers, unit) = match &query.kind {
            SliKind::ErrorRatio { metric, status_label } => {
                let all = config.selector(metric, None, &query.subject)?;
                let failed = config.selector(metric, Some(status_label), &query.subject)?;
                (vec![counted("sum", &all), counted("sum", &failed)], None)
            }
            SliKind::Quantile { metric, quantile } => {
                let selector = config.selector(metric, None, &query.subject)?;
                let p = percentile(quantile.value()).ok_or_else(|| Unaskable::Quantile(quantile.value()))?;
                let p = Query { text: format!("{p}:{selector}"), aggregator: "percentile" };
                (vec![counted("count", &selector), p], Some(config.latency_unit))
            }
            SliKind::Expression { .. } => return Err(Unaskable::Expression),
        };
        // Without it Datadog draws a line through minutes without points.
        let points = Query { text: format!("{}.fill(null)", numbers[0].text), ..numbers[0].clone() };
        Ok(Self { numbers, points, unit })
    }

    /// What it reads.
    pub(super) fn sample(&self, found: Found<'_>, window: Duration, stale_after: Duration) -> Sample {
        let age = found.age();
        let number = |at: usize| found.numbers.get(at).copied().flatten();
        let total = number(0).filter(|total| *total > 0.0);
        let mut warnings = found.warnings;
        let (reading, events) = match (age, total, self.unit) {
            (None, ..) => (Reading::Absent, None),
            (Some(age), ..) if age > stale_after => (Reading::Stale, None),
            (Some(_), None, _) => (Reading::NoTraffic, Some(0)),
            // A service that never answered 5xx has no such series: no errors, not no data, since the total is there.
            (Some(_), Some(total), None) => (value(number(1).unwrap_or(0.0) / total), whole(total)),
            (Some(_), Some(total), Some(unit)) => match number(1) {
                Some(latency) => (value(latency * unit), whole(total)),
                None => {
                    warnings.push(format!(
                        "{} has no value: has the distribution percentiles?",
                        self.numbers[1].text
                    ));
                    (Reading::NotANumber, whole(total))
                }
            },
        };
        let texts: Vec<_> = self.numbers.iter().map(|query| query.text.as_str()).collect();
        let shown =
            |number: &Option<f64>| number.map_or_else(|| "null".to_owned(), |number| number.to_string());
        let newest = age
            .map_or_else(|| "no points".to_owned(), |age| format!("newest points {} s old", age.as_secs()));
        let queries = vec![
            ExecutedQuery {
                query: format!("{} over {} s", texts.join("; "), window.as_secs_f64()),
                reply: found.numbers.iter().map(shown).collect::<Vec<_>>().join("; "),
            },
            ExecutedQuery { query: self.points.text.clone(), reply: newest },
        ];
        Sample { reading, events, age, warnings, queries }
    }
}

impl Found<'_> {
    /// The points of an interval lie anywhere in it: the newest is at most as old as its end says, and never of the future.
    fn age(&self) -> Option<Duration> {
        let its = self.series.points.iter().filter(|points| points.query == self.query);
        let starts = its.flat_map(|points| {
            let there = points.there.iter().zip(&self.series.times);
            there.filter(|(there, _)| **there).map(|(_, start)| *start)
        });
        let newest = starts.max()?;
        Some(Duration::from_millis(self.at.saturating_sub(newest + self.series.interval)))
    }
}

fn value(value: f64) -> Reading {
    match Number::new(value) {
        Some(value) => Reading::Value { value },
        None if value.is_nan() => Reading::NotANumber,
        None => Reading::Infinite,
    }
}

fn whole(count: f64) -> Option<u64> {
    crate::query::amount(count.floor(), 1.0)
}

/// A quantile as Datadog writes percentiles: `p95`, `p99.9`; `None` when it has more digits than that.
fn percentile(quantile: f64) -> Option<String> {
    let hundredths = crate::query::amount(quantile, 10_000.0).filter(|p| (1..10_000).contains(p))?;
    #[expect(clippy::cast_precision_loss, reason = "at most 9999")]
    let exact = (quantile * 10_000.0 - hundredths as f64).abs() < 1e-6;
    exact.then(|| format!("p{}", crate::query::percent(hundredths)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_percentiles_of_at_most_two_digits() {
        for (quantile, text) in [(0.95, "p95"), (0.999, "p99.9"), (0.5, "p50"), (0.9999, "p99.99")] {
            assert_eq!(percentile(quantile).as_deref(), Some(text));
        }
        for quantile in [0.0, 1.0, 0.99999, 0.123456] {
            assert_eq!(percentile(quantile), None, "{quantile}");
        }
    }
}

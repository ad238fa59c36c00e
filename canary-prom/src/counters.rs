//! From raw series to counters in one layout, the same for every source. Pure.

use std::collections::BTreeMap;

use canary_core::analysis::Number;
use canary_core::fleet::{MetricName, NodeId};
use canary_core::time::Timestamp;
use canary_core::traits::{BackendError, CounterQuery, CounterSeries, Counters, ExecutedQuery, SliKind};

use crate::{promql, reading, refusal};

/// The label of a bucket's bound.
pub(crate) const BOUND: &str = "le";

/// One series as a source has it.
#[derive(Debug)]
pub(crate) struct RawSeries {
    pub(crate) node: NodeId,
    /// What tells it from the node's other series.
    pub(crate) labels: BTreeMap<String, String>,
    /// Its latest samples, oldest first; at least one.
    pub(crate) samples: Vec<(Timestamp, f64)>,
}

/// Says why series cannot be counted from.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum CounterError {
    #[error("series {series} holds {value}, not a count")]
    NotACount { series: String, value: f64 },
    #[error("a bucket of series {series} has le={le:?}, not a number")]
    NoBound { series: String, le: String },
    #[error("series {series} has no bucket le=\"+Inf\"")]
    NoCount { series: String },
    #[error("series {series} has no bucket with a finite bound")]
    NoFiniteBound { series: String },
    #[error("series {series} has two buckets le={bound}")]
    BucketTwice { series: String, bound: f64 },
    #[error("series {series} counts less in the bucket le={bound} than in the one before")]
    NotCumulative { series: String, bound: f64 },
    #[error("not every series has a bucket le={bound}: {series} and others differ")]
    BoundsDiffer { series: String, bound: f64 },
}

/// The metric that an SLI is counted from.
pub(crate) fn metric(kind: &SliKind) -> Result<&MetricName, BackendError> {
    match kind {
        SliKind::Quantile { metric, .. } | SliKind::ErrorRatio { metric, .. } => Ok(metric),
        SliKind::Expression { .. } => Err(refusal::no_counters()),
    }
}

/// The counters of a kind of SLI, in the order of nodes and identities.
pub(crate) fn assemble(
    kind: &SliKind,
    raw: Vec<RawSeries>,
) -> Result<(Vec<Number>, Vec<CounterSeries>), CounterError> {
    match kind {
        SliKind::Quantile { .. } => histograms(raw),
        SliKind::ErrorRatio { status_label, .. } => Ok((Vec::new(), requests(raw, status_label.as_str())?)),
        SliKind::Expression { .. } => Ok((Vec::new(), Vec::new())),
    }
}

/// The answer to a query, with what is known of it in short.
pub(crate) fn answer(
    query: &CounterQuery,
    (bounds, series): (Vec<Number>, Vec<CounterSeries>),
    asked: String,
) -> Counters {
    let age = series.iter().map(|one| one.at).max().map(|newest| query.at.since(newest));
    let mut nodes: BTreeMap<&NodeId, (usize, u64)> = BTreeMap::new();
    for one in &series {
        let (count, requests) = nodes.entry(&one.node).or_default();
        *count += 1;
        *requests = requests.saturating_add(one.values.last().copied().unwrap_or(0));
    }
    let shown: Vec<_> =
        nodes.iter().map(|(node, (count, n))| format!("{node}: {n} in {count} series")).collect();
    let reply = match age {
        None => "no series".to_owned(),
        Some(age) => format!("{}; newest {age:?} before", shown.join(", ")),
    };
    let queries = vec![ExecutedQuery { query: asked, reply: reading::evidence(&reply) }];
    Counters { bounds, series, age, warnings: Vec::new(), queries }
}

/// Labels as one text; no two sets of labels have the same.
///
/// Names that are not of the classic form (Prometheus 3 allows any text) are quoted as values are.
pub(crate) fn identity(labels: &BTreeMap<String, String>) -> String {
    let plain = |name: &str| {
        !name.starts_with(|c: char| c.is_ascii_digit())
            && !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let shown = labels.iter().map(|(name, value)| {
        let name = if plain(name) { name.clone() } else { promql::string(name) };
        format!("{name}={}", promql::string(value))
    });
    format!("{{{}}}", shown.collect::<Vec<_>>().join(","))
}

/// A counter's value as a whole number, rounded down.
pub(crate) fn whole(value: f64, series: &str) -> Result<u64, CounterError> {
    reading::events(value).ok_or_else(|| CounterError::NotACount { series: excerpt(series), value })
}

fn excerpt(series: &str) -> String {
    canary_http::excerpt(series.as_bytes())
}

fn requests(raw: Vec<RawSeries>, status_label: &str) -> Result<Vec<CounterSeries>, CounterError> {
    let mut all = Vec::with_capacity(raw.len());
    for RawSeries { node, labels, samples } in raw {
        let Some((at, value)) = samples.last().copied() else { continue };
        let series = identity(&labels);
        let count = whole(value, &series)?;
        let failed = labels.get(status_label).is_some_and(|status| reading::failed(status));
        let values = vec![if failed { 0 } else { count }, count];
        all.push(CounterSeries { node, series, at, values });
    }
    all.sort_by(|a, b| (&a.node, &a.series).cmp(&(&b.node, &b.series)));
    Ok(all)
}

/// The buckets of one histogram: bounds and samples.
type Buckets = Vec<(f64, Vec<(Timestamp, f64)>)>;

fn histograms(raw: Vec<RawSeries>) -> Result<(Vec<Number>, Vec<CounterSeries>), CounterError> {
    let mut groups: BTreeMap<(NodeId, String), Buckets> = BTreeMap::new();
    for RawSeries { node, mut labels, samples } in raw {
        let le = labels.remove(BOUND).unwrap_or_default();
        let series = identity(&labels);
        let bound = parsed(&le, &series)?;
        groups.entry((node, series)).or_default().push((bound, samples));
    }
    let mut common: Option<Vec<f64>> = None;
    let mut all = Vec::with_capacity(groups.len());
    for ((node, series), buckets) in groups {
        let (at, counted) = at_one_time(buckets, &series)?;
        let (bounds, values) = cumulative(&counted, &series)?;
        match &common {
            None => common = Some(bounds),
            Some(common) => same(common, &bounds, &series)?,
        }
        all.push(CounterSeries { node, series, at, values });
    }
    Ok((numbers(&common.unwrap_or_default()), all))
}

/// A bucket's bound; infinite for the last.
pub(crate) fn parsed(le: &str, series: &str) -> Result<f64, CounterError> {
    let bound = le.parse().ok().filter(|bound: &f64| *bound > f64::NEG_INFINITY);
    bound.ok_or_else(|| CounterError::NoBound { series: excerpt(series), le: excerpt(le) })
}

/// The buckets as they stood at the newest sample of the one that counts all requests, ascending.
///
/// The buckets of one scrape share their time. Samples of another scrape must not be mixed in, or requests are counted
/// in one bucket and not in the next; and a bucket that has no sample at that time is one that is not exposed any more.
fn at_one_time(mut buckets: Buckets, series: &str) -> Result<(Timestamp, Vec<(f64, f64)>), CounterError> {
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    let newest = buckets.iter().filter(|(bound, _)| *bound == f64::INFINITY);
    let newest = newest.filter_map(|(_, samples)| samples.last()).map(|(at, _)| *at).max();
    let at = newest.ok_or_else(|| CounterError::NoCount { series: excerpt(series) })?;
    let then = |samples: &[(Timestamp, f64)]| samples.iter().rev().find(|(time, _)| *time == at).map(|s| s.1);
    let counted = buckets.iter().filter_map(|(bound, samples)| Some((*bound, then(samples)?)));
    Ok((at, counted.collect()))
}

/// Checks buckets, ascending and with the last one there; gives the finite bounds and all counts.
fn cumulative(counted: &[(f64, f64)], series: &str) -> Result<(Vec<f64>, Vec<u64>), CounterError> {
    let (mut bounds, mut values) = (Vec::new(), Vec::new());
    for (bound, count) in counted.iter().copied() {
        if bounds.last() == Some(&bound) {
            return Err(CounterError::BucketTwice { series: excerpt(series), bound });
        }
        let count = whole(count, series)?;
        if values.last().is_some_and(|before| count < *before) {
            return Err(CounterError::NotCumulative { series: excerpt(series), bound });
        }
        bounds.push(bound);
        values.push(count);
    }
    bounds.retain(|bound| *bound != f64::INFINITY);
    if !bounds.iter().any(|bound| bound.is_finite()) {
        return Err(CounterError::NoFiniteBound { series: excerpt(series) });
    }
    Ok((bounds, values))
}

/// Checks that two histograms have the same bounds.
pub(crate) fn same(common: &[f64], bounds: &[f64], series: &str) -> Result<(), CounterError> {
    let only = |these: &[f64], others: &[f64]| these.iter().find(|bound| !others.contains(bound)).copied();
    match only(common, bounds).or_else(|| only(bounds, common)) {
        Some(bound) => Err(CounterError::BoundsDiffer { series: excerpt(series), bound }),
        None => Ok(()),
    }
}

/// Bounds as they are answered; all are finite.
pub(crate) fn numbers(bounds: &[f64]) -> Vec<Number> {
    bounds.iter().filter_map(|bound| Number::new(*bound)).collect()
}

#[cfg(test)]
mod tests;

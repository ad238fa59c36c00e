//! What counters grew by, step after step, computed by the store so that its replies stay small.

use std::collections::BTreeMap;
use std::time::Duration;

use canary_core::fleet::{MetricName, NodeId};
use canary_core::time::Timestamp;
use canary_core::traits::{BackendError, CounterHistory, CounterQuery, NodeGrowth, SliKind};
use tokio::task::JoinSet;

use crate::api::{QueryData, Series};
use crate::client::{Answer, PrometheusClient};
use crate::counters::{self, BOUND, CounterError};
use crate::evidence::Evidence;
use crate::promql::{self, Selector};
use crate::{reading, refusal};

/// Steps that can be asked for at once; Prometheus itself refuses more than 11,000.
const MAX_STEPS: u64 = 2000;
/// Steps of one request. The store holds a few times series x steps samples while it answers one, and refuses more than
/// 50 million by default; 20,000 series stay far below.
const CHUNK: u64 = 120;
/// Requests under way at once; Prometheus's default limit is 20 for all its users.
const AT_ONCE: usize = 4;
/// Matches the bound of the bucket that counts all requests, however it is spelt.
const ALL_REQUESTS: &str = "[+]?[Ii]nf";

/// The steps of a history.
#[derive(Debug, Clone, Copy)]
struct Steps {
    count: u64,
    length: Duration,
    /// When the first one ends.
    first: Timestamp,
}

impl Steps {
    fn new(at: Timestamp, covers: Duration, length: Duration) -> Result<Self, BackendError> {
        let step = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        let covered = u64::try_from(covers.as_millis()).unwrap_or(u64::MAX);
        let count = covered.checked_div(step).unwrap_or(0);
        if !(1..=MAX_STEPS).contains(&count) {
            return Err(refusal::bad_steps(covers, length, MAX_STEPS));
        }
        let first = Timestamp::from_millis(at.as_millis().saturating_sub((count - 1) * step));
        Ok(Self { count, length, first })
    }

    /// When a step ends.
    fn end(&self, step: u64) -> Timestamp {
        let millis = u64::try_from(self.length.as_millis()).unwrap_or(u64::MAX);
        Timestamp::from_millis(self.first.as_millis() + step * millis)
    }

    /// The step that ends at a time that the store gives, in seconds.
    fn ending(&self, seconds: f64) -> Option<usize> {
        let since = seconds * 1000.0 - self.first.as_millis() as f64;
        let step = (since / (self.length.as_secs_f64() * 1000.0)).round();
        (0.0..self.count as f64).contains(&step).then_some(step as usize)
    }
}

/// What `selector`'s series grew by up to each instant since `step` before, summed by node and by `kept`.
///
/// Every series counts by itself: where the counter (a histogram's count, for all its buckets) is not lower than a step
/// ago, the difference; where it is, it began anew, and counts its new value; so does a series that appeared on a node
/// that had others. `rate` and `increase` extrapolate to the window's edges, and are not used. Set operators ignore a
/// metric's name, and `A <= B` gives A's value (Prometheus documentation, "Operators").
fn expression(selector: &Selector, kept: &str, node: &MetricName, step: Duration) -> String {
    let step = promql::duration(step);
    let ago = format!("{selector} offset {step}");
    let grown = if kept == BOUND {
        let count = selector.clone().matching(BOUND, ALL_REQUESTS);
        let whole = format!("({count} offset {step} <= {count})");
        format!("clamp_min({selector} - ({ago} and ignoring ({BOUND}) {whole}), 0)")
    } else {
        format!("({selector} - ({ago} <= {selector}))")
    };
    format!("sum by ({node}, {kept}) ({grown} or ({selector} and on ({node}) {ago}))")
}

/// Asks for all steps, some at a time.
async fn ask(client: &PrometheusClient, text: &str, steps: Steps) -> Result<Vec<Answer>, BackendError> {
    let chunks: Vec<u64> = (0..steps.count.div_ceil(CHUNK)).map(|chunk| chunk * CHUNK).collect();
    let mut answers = Vec::with_capacity(chunks.len());
    for together in chunks.chunks(AT_ONCE) {
        let mut asked = JoinSet::new();
        for from in together {
            let (first, last) = (steps.end(*from), steps.end((from + CHUNK).min(steps.count) - 1));
            let (client, text) = (client.clone(), text.to_owned());
            asked.spawn(async move { client.range(&text, first, last, steps.length).await });
        }
        while let Some(done) = asked.join_next().await {
            answers.push(done.unwrap_or_else(|_| Err(refusal::broken("a query was broken off")))?);
        }
    }
    Ok(answers)
}

/// The good side's bound of an error ratio; it has only this one.
const GOOD: f64 = 0.0;

/// What each node's counters grew by in each step, by bound.
#[derive(Debug)]
struct Grown {
    steps: Steps,
    nodes: BTreeMap<NodeId, Vec<Vec<(f64, f64)>>>,
}

impl Grown {
    /// Adds what one row of an answer says, each number times `weight`, to one bound.
    fn add(&mut self, node: &NodeId, row: &Series, bound: f64, weight: f64) {
        let count = self.steps.count as usize;
        let cells = self.nodes.entry(node.clone()).or_insert_with(|| vec![Vec::new(); count]);
        for point in &row.values {
            let Some(cell) = self.steps.ending(point.time).and_then(|step| cells.get_mut(step)) else {
                continue;
            };
            match cell.iter_mut().find(|(other, _)| *other == bound) {
                Some((_, sum)) => *sum += weight * point.value,
                None => cell.push((bound, weight * point.value)),
            }
        }
    }

    /// The bounds of the newest step of which anything is known, the same on all nodes, the infinite one last.
    ///
    /// A release may change the buckets of a histogram: what was counted in others before cannot be compared with what
    /// is counted now.
    fn bounds(&self) -> Result<Vec<f64>, CounterError> {
        for step in (0..self.steps.count as usize).rev() {
            let mut known: Option<Vec<f64>> = None;
            for (node, cells) in self.nodes.iter().filter(|(_, cells)| !cells[step].is_empty()) {
                let bounds = bounds_of(&cells[step]);
                match &known {
                    None if bounds.last() != Some(&f64::INFINITY) => {
                        return Err(CounterError::NoCount { series: node.to_string() });
                    }
                    None if bounds.len() < 2 => {
                        return Err(CounterError::NoFiniteBound { series: node.to_string() });
                    }
                    None => known = Some(bounds),
                    Some(known) => counters::same(known, &bounds, node.as_str())?,
                }
            }
            if let Some(known) = known {
                return Ok(known);
            }
        }
        Ok(Vec::new())
    }

    /// The steps of one node in the layout of these bounds; empty ones where nothing is known.
    fn of(&self, node: &NodeId, bounds: &[f64]) -> Result<NodeGrowth, CounterError> {
        let mut steps = vec![Vec::new(); self.steps.count as usize];
        for (step, cell) in steps.iter_mut().zip(self.nodes.get(node).into_iter().flatten()) {
            if !cell.is_empty() && bounds_of(cell) == bounds {
                let mut sorted = cell.clone();
                sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
                let values = sorted.iter().map(|(_, sum)| counters::whole(*sum, node.as_str()));
                *step = values.collect::<Result<_, _>>()?;
            }
        }
        Ok(NodeGrowth { node: node.clone(), steps })
    }
}

fn bounds_of(cell: &[(f64, f64)]) -> Vec<f64> {
    let mut bounds: Vec<f64> = cell.iter().map(|(bound, _)| *bound).collect();
    bounds.sort_by(f64::total_cmp);
    bounds
}

/// Reads what the series of `selector` grew by before the query's instant.
pub(crate) async fn history(
    client: &PrometheusClient,
    selector: &Selector,
    label: &MetricName,
    query: &CounterQuery,
    (covers, length): (Duration, Duration),
) -> Result<CounterHistory, BackendError> {
    let steps = Steps::new(query.at, covers, length)?;
    let kept = match &query.kind {
        SliKind::ErrorRatio { status_label, .. } => status_label.as_str(),
        SliKind::Quantile { .. } | SliKind::Expression { .. } => BOUND,
    };
    let unusable = |why| refusal::not_counters(&query.kind, why);
    let text = expression(selector, kept, label, length);
    let mut grown = Grown { steps, nodes: BTreeMap::new() };
    let mut evidence = Evidence::default();
    for answer in ask(client, &text, steps).await? {
        evidence.warned(&answer);
        let QueryData::Matrix(rows) = &answer.data else { return Err(refusal::wrong_type(&answer.data)) };
        for row in rows {
            add(&mut grown, row, (label, kept), query).map_err(unusable)?;
        }
    }
    let bounds = grown.bounds().map_err(unusable)?;
    let nodes = query.nodes.iter().map(|node| grown.of(node, &bounds)).collect::<Result<Vec<_>, _>>();
    let nodes = nodes.map_err(unusable)?;
    let asked = format!("{text} from {} to {} every {length:?}", steps.first, query.at);
    evidence.tell(asked, &shown(&nodes));
    let bounds = if kept == BOUND { counters::numbers(&bounds) } else { Vec::new() };
    let (warnings, queries) = evidence.parts();
    Ok(CounterHistory { step: length, bounds, nodes, warnings, queries })
}

fn add(
    grown: &mut Grown,
    row: &Series,
    (label, kept): (&MetricName, &str),
    query: &CounterQuery,
) -> Result<(), CounterError> {
    let value = |name: &str| row.metric.get(name).map_or("", String::as_str);
    let Some((node, _)) = promql::node_of(value(label.as_str()), &query.nodes) else { return Ok(()) };
    if kept == BOUND {
        let bound = counters::parsed(value(BOUND), node.as_str())?;
        grown.add(node, row, bound, 1.0);
    } else {
        let good = if reading::failed(value(kept)) { 0.0 } else { 1.0 };
        grown.add(node, row, GOOD, good);
        grown.add(node, row, f64::INFINITY, 1.0);
    }
    Ok(())
}

/// The nodes' growth in short.
fn shown(nodes: &[NodeGrowth]) -> String {
    let shown = nodes.iter().map(|NodeGrowth { node, steps }| {
        let known = steps.iter().filter(|step| !step.is_empty()).count();
        let requests: u64 = steps.iter().filter_map(|step| step.last()).sum();
        format!("{node}: {requests} in {known} of {} steps", steps.len())
    });
    shown.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;

//! A store of nodes' counters for the tests of judges.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use super::*;
use crate::analysis::Number;
use crate::fleet::NodeId;
use crate::traits::{
    CounterHistory, CounterQuery, CounterSeries, Counters, ExecutedQuery, NodeGrowth, Reading, Sample,
    SliFacts, SliQuery, SliSource, Subject,
};

/// Requests a second on each node.
const RATE: u64 = 100;

/// The bounds of a latency's histogram: one.
fn bounds(kind: &SliKind) -> Vec<Number> {
    match kind {
        SliKind::Quantile { .. } => vec![Number::new(0.25).unwrap()],
        _ => Vec::new(),
    }
}

/// A store of nodes' counters: each fails a share of its requests, given in a million.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) world: World,
    pub(super) ppm: BTreeMap<&'static str, u64>,
    /// The canary's, once it runs the release.
    pub(super) release_ppm: u64,
    pub(super) past: bool,
    pub(super) away: AtomicBool,
    /// Fails to tell the past, once.
    pub(super) forgets_once: AtomicBool,
    /// The canary fails in bursts, and its peers in others.
    pub(super) bursts: AtomicBool,
    /// What the past's histogram had for bounds instead; without any, there is no past of it.
    pub(super) past_bounds: Mutex<Option<Vec<Number>>>,
    /// What every sample reads instead.
    pub(super) reads: Mutex<Option<Reading>>,
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("store")
    }
}

impl Store {
    fn ppm(&self, node: &NodeId) -> u64 {
        let new = self.world.state().nodes[node].running == Digest::of(NEW);
        if new { self.release_ppm } else { self.ppm.get(node.as_str()).copied().unwrap_or(1000) }
    }

    /// Good requests and all of them in a span of time; failures come evenly.
    fn counted(seconds: u64, ppm: u64) -> Vec<u64> {
        let all = seconds * RATE;
        vec![all - all * ppm / 1_000_000, all]
    }

    /// The same of bursts: a poll of four of the canary's, another of its peers'.
    fn in_bursts(seconds: u64, canary: bool) -> Vec<u64> {
        let of_poll = |poll: u64| match poll % 4 {
            0 if canary => 45,
            2 if !canary => 30,
            _ => 3,
        };
        let failed: u64 = (0..seconds / 30 % 1000).map(of_poll).sum();
        let all = seconds * RATE;
        vec![all - failed, all]
    }

    fn answer<T>(&self, value: T) -> Result<T, BackendError> {
        let away = self.away.load(Ordering::Relaxed);
        if away {
            Err(BackendError::new(ErrorKind::Unreachable, "store", "query", "refused"))
        } else {
            Ok(value)
        }
    }
}

#[async_trait]
impl SliSource for Store {
    fn by_node(&self) -> bool {
        true
    }

    async fn sample(&self, queries: &[SliQuery]) -> Vec<Result<Sample, BackendError>> {
        let one = |query: &SliQuery| {
            let everybody = || self.world.state().nodes.keys().cloned().collect();
            let nodes: Vec<NodeId> = match &query.subject {
                Subject::Nodes(nodes) => nodes.clone(),
                Subject::Pool => everybody(),
            };
            let ppm = nodes.iter().map(|node| self.ppm(node)).sum::<u64>() as f64 / nodes.len() as f64;
            let value = Number::new(ppm / 1e6).unwrap();
            let reading = self.reads.lock().unwrap().clone().unwrap_or(Reading::Value { value });
            let sample =
                Sample { reading, events: Some(6000), age: None, warnings: Vec::new(), queries: Vec::new() };
            self.answer(sample)
        };
        queries.iter().map(one).collect()
    }

    async fn describe(&self, _: &SliQuery) -> Result<SliFacts, BackendError> {
        Ok(SliFacts { series: 1, largest_bound: None, scrape_interval: None })
    }

    fn counts(&self) -> bool {
        true
    }

    async fn counters(&self, queries: &[CounterQuery]) -> Vec<Result<Counters, BackendError>> {
        let series = |query: &CounterQuery, node: &NodeId| CounterSeries {
            node: node.clone(),
            series: String::new(),
            at: query.at,
            values: match query.at.as_millis() / 1000 {
                seconds if self.bursts.load(Ordering::Relaxed) => {
                    Self::in_bursts(seconds, node.as_str() == "a")
                }
                seconds => Self::counted(seconds, self.ppm(node)),
            },
        };
        let one = |query: &CounterQuery| {
            let series = query.nodes.iter().map(|node| series(query, node)).collect();
            self.answer(Counters { bounds: bounds(&query.kind), series, ..Counters::default() })
        };
        queries.iter().map(one).collect()
    }

    async fn history(
        &self,
        query: &CounterQuery,
        covers: Duration,
        step: Duration,
    ) -> Result<CounterHistory, BackendError> {
        if !self.past {
            return Err(BackendError::new(ErrorKind::Unsupported, "store", "history", "no past is kept"));
        }
        if self.forgets_once.swap(false, Ordering::Relaxed) {
            return Err(BackendError::new(ErrorKind::TimedOut, "store", "history", "no answer in 30 s"));
        }
        let bounds = self.past_bounds.lock().unwrap().clone().unwrap_or_else(|| bounds(&query.kind));
        let told = matches!(query.kind, SliKind::ErrorRatio { .. }) || !bounds.is_empty();
        let steps = if told { covers.as_secs() / step.as_secs() } else { 0 };
        let nodes = query.nodes.iter().map(|node| NodeGrowth {
            node: node.clone(),
            steps: (0..steps).map(|_| Self::counted(step.as_secs(), 1000)).collect(),
        });
        let executed = ExecutedQuery { query: "the past".to_owned(), reply: String::new() };
        let history = CounterHistory {
            step,
            bounds,
            nodes: nodes.collect(),
            warnings: Vec::new(),
            queries: vec![executed],
        };
        self.answer(history)
    }
}

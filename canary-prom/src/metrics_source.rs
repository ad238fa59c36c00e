//! The nodes' own `/metrics` as a source of SLIs, with no store between.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use canary_core::analysis::Number;
use canary_core::fleet::NodeId;
use canary_core::time::Timestamp;
use canary_core::traits::{
    BackendError, CounterHistory, CounterQuery, Counters, ErrorKind, ExecutedQuery, Sample, SliFacts,
    SliKind, SliQuery, SliSource, Subject,
};
use canary_http::HttpClient;
use tokio::task::JoinSet;

use crate::config::ConfigError;
use crate::counters::{self, RawSeries};
use crate::history::History;
use crate::scrape::{BACKEND, Failure, error, scrape};
use crate::total::Total;
use crate::{reading, refusal};

/// The settings of a [`MetricsSource`].
#[derive(Clone)]
pub struct MetricsConfig {
    /// Every node and the whole URL of its metrics page (`http://10.0.0.1:8080/metrics`); `user:password@` is used for
    /// basic authentication and never shown.
    pub nodes: Vec<(NodeId, String)>,
    /// The deadline of one scrape; default 10 s. All nodes are scraped at once.
    pub timeout: Duration,
    /// The longest page that is read; default 32 MiB.
    pub max_bytes: usize,
    /// A reading is stale when the page itself gives its samples times older than this; default 2 min.
    pub stale_after: Duration,
}

impl MetricsConfig {
    /// The defaults, for these nodes.
    #[must_use]
    pub const fn new(nodes: Vec<(NodeId, String)>) -> Self {
        Self {
            nodes,
            timeout: Duration::from_secs(10),
            max_bytes: 32 * 1024 * 1024,
            stale_after: Duration::from_secs(120),
        }
    }
}

impl fmt::Debug for MetricsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes: Vec<_> = self.nodes.iter().map(|(node, _)| node.as_str()).collect();
        f.debug_struct("MetricsConfig")
            .field("nodes", &nodes)
            .field("timeout", &self.timeout)
            .field("max_bytes", &self.max_bytes)
            .field("stale_after", &self.stale_after)
            .finish_non_exhaustive()
    }
}

/// Reads SLIs from the nodes' own metrics pages, by what their counters gained between two scrapes.
///
/// Each [`SliSource::sample`] and [`SliSource::counters`] scrapes the nodes it is about, once, unless that was done for the
/// same instant already, and keeps the metrics it was ever asked about: the first call for a metric can only say
/// [`Reading::NoTraffic`](canary_core::traits::Reading::NoTraffic) with `events` unknown. Scrapes carry the latest `at`
/// of the queries they answer, which must be about now. A node that cannot be scraped fails every query about it. The
/// operator's own PromQL and a history of counters are unsupported. A call returns within [`MetricsConfig::timeout`] and
/// the time to read the pages.
pub struct MetricsSource {
    clients: BTreeMap<NodeId, HttpClient>,
    stale_after: Duration,
    state: Mutex<State>,
}

/// What is remembered between calls.
#[derive(Debug, Default)]
struct State {
    metrics: Arc<BTreeSet<String>>,
    keep: Duration,
    nodes: HashMap<NodeId, History>,
}

impl MetricsSource {
    /// Checks the settings; connects to nothing.
    ///
    /// # Errors
    /// [`ConfigError`] naming the setting.
    pub fn new(config: &MetricsConfig) -> Result<Self, ConfigError> {
        let mut clients = BTreeMap::new();
        for (node, url) in &config.nodes {
            let builder = HttpClient::builder(BACKEND).base_url(url).timeout(config.timeout);
            let client = builder.max_body(config.max_bytes).build()?;
            if clients.insert(node.clone(), client).is_some() {
                return Err(ConfigError::NodeTwice { node: node.to_string() });
            }
        }
        if clients.is_empty() {
            return Err(ConfigError::NoNodes);
        }
        Ok(Self { clients, stale_after: config.stale_after, state: Mutex::default() })
    }

    /// Runs `change` on what is remembered; a panic elsewhere leaves it usable, as every change is whole.
    fn state<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The nodes a query is about.
    fn nodes(&self, subject: &Subject) -> Result<Vec<NodeId>, BackendError> {
        match subject {
            Subject::Pool => Ok(self.clients.keys().cloned().collect()),
            Subject::Nodes(nodes) => self.configured(nodes).map(<[_]>::to_vec),
        }
    }

    /// These nodes, if each has a page.
    fn configured<'a>(&self, nodes: &'a [NodeId]) -> Result<&'a [NodeId], BackendError> {
        match nodes.iter().find(|node| !self.clients.contains_key(*node)) {
            _ if nodes.is_empty() => Err(refusal::no_nodes()),
            Some(unknown) => Err(error(ErrorKind::NotFound, "no metrics page is configured for the node")
                .with("node", unknown)),
            None => Ok(nodes),
        }
    }

    /// Scrapes these nodes at once and remembers what they said; gives what failed. A node that was scraped for this
    /// instant is not scraped again.
    async fn scrape(&self, mut nodes: BTreeSet<NodeId>, at: Timestamp) -> HashMap<NodeId, Failure> {
        let metrics = self.state(|state| {
            let metrics = Arc::clone(&state.metrics);
            nodes.retain(|node| {
                let last = state.nodes.get(node).and_then(History::last);
                !last.is_some_and(|last| last.is_of(at, &metrics))
            });
            metrics
        });
        let mut scrapes = JoinSet::new();
        for node in &nodes {
            let Some(client) = self.clients.get(node).cloned() else { continue };
            let (metrics, node) = (Arc::clone(&metrics), node.clone());
            scrapes.spawn(async move { (node, scrape(&client, metrics, at).await) });
        }
        let broken = || Failure::of(&error(ErrorKind::Other, "the scrape was broken off"));
        let mut failures: HashMap<NodeId, Failure> = nodes.into_iter().map(|node| (node, broken())).collect();
        while let Some(done) = scrapes.join_next().await {
            // A task that panicked leaves the failure above in its place.
            let Ok((node, result)) = done else { continue };
            match result {
                Ok(scraped) => {
                    failures.remove(&node);
                    self.state(|state| state.nodes.entry(node).or_default().add(scraped, state.keep));
                }
                Err(error) => {
                    let failure = Failure::of(&error.with("node", &node));
                    failures.insert(node, failure);
                }
            }
        }
        failures
    }

    /// Remembers which metrics and windows are asked about.
    fn expect<'a>(&self, queries: impl Iterator<Item = (&'a SliKind, Duration)>) {
        self.state(|state| {
            let mut metrics = BTreeSet::clone(&state.metrics);
            for (kind, window) in queries {
                metrics.extend(counter_of(kind));
                state.keep = state.keep.max(window * 2);
            }
            state.metrics = Arc::new(metrics);
        });
    }

    /// Answers a query from what is remembered.
    fn answer(&self, query: &SliQuery, failed: &HashMap<NodeId, Failure>) -> Result<Sample, BackendError> {
        let nodes = self.nodes(&query.subject)?;
        let metric = counter_of(&query.kind).ok_or_else(no_promql)?;
        if let Some(failure) = nodes.iter().find_map(|node| failed.get(node)) {
            return Err(failure.error());
        }
        let mut total = Total::default();
        self.state(|state| {
            for history in nodes.iter().filter_map(|node| state.nodes.get(node)) {
                total.add(history, &metric, query.window);
            }
        });
        let names: Vec<_> = nodes.iter().map(NodeId::as_str).collect();
        let asked = format!("gain of {metric} over {:?} on {}", query.window, names.join(", "));
        let (reading, events) = total.reading(&query.kind, self.stale_after)?;
        let queries = vec![ExecutedQuery { query: asked, reply: reading::evidence(&total.to_string()) }];
        Ok(Sample { reading, events, age: total.age(), warnings: Vec::new(), queries })
    }

    /// Answers a query from the last scrapes.
    fn counted(
        &self,
        query: &CounterQuery,
        failed: &HashMap<NodeId, Failure>,
    ) -> Result<Counters, BackendError> {
        let nodes: BTreeSet<_> = self.configured(&query.nodes)?.iter().collect();
        let metric = counter_of(&query.kind).ok_or_else(no_promql)?;
        if let Some(failure) = nodes.iter().find_map(|node| failed.get(*node)) {
            return Err(failure.error());
        }
        let mut raw = Vec::new();
        self.state(|state| {
            let last = |node| state.nodes.get(node).and_then(History::last);
            for (node, last) in nodes.iter().filter_map(|node| Some((*node, last(*node)?))) {
                raw.extend(last.of(&metric).map(|(id, value)| RawSeries {
                    node: node.clone(),
                    labels: id.labels.clone(),
                    samples: vec![(last.time(id), value)],
                }));
            }
        });
        let names: Vec<_> = nodes.iter().map(|node| node.as_str()).collect();
        let asked = format!("{metric} of {}", names.join(", "));
        let counted = counters::assemble(&query.kind, raw).map_err(|why| {
            error(ErrorKind::Protocol, format!("{metric} cannot be counted from")).caused_by(why)
        })?;
        Ok(counters::answer(query, counted, asked))
    }
}

#[async_trait]
impl SliSource for MetricsSource {
    fn by_node(&self) -> bool {
        true
    }

    async fn sample(&self, queries: &[SliQuery]) -> Vec<Result<Sample, BackendError>> {
        self.expect(queries.iter().map(|query| (&query.kind, query.window)));
        let Some(at) = queries.iter().map(|query| query.at).max() else { return Vec::new() };
        let nodes = queries.iter().filter(|query| counter_of(&query.kind).is_some());
        let nodes = nodes.filter_map(|query| self.nodes(&query.subject).ok()).flatten().collect();
        let failed = self.scrape(nodes, at).await;
        queries.iter().map(|query| self.answer(query, &failed)).collect()
    }

    async fn describe(&self, query: &SliQuery) -> Result<SliFacts, BackendError> {
        let metric = counter_of(&query.kind).ok_or_else(no_promql)?;
        let nodes = self.nodes(&query.subject)?;
        self.expect(std::iter::once((&query.kind, query.window)));
        let failed = self.scrape(nodes.iter().cloned().collect(), query.at).await;
        if let Some(failure) = nodes.iter().find_map(|node| failed.get(node)) {
            return Err(failure.error());
        }
        self.state(|state| {
            let histories: Vec<_> = nodes.iter().filter_map(|node| state.nodes.get(node)).collect();
            let mut facts = SliFacts { series: 0, largest_bound: None, scrape_interval: None };
            for (id, _) in histories.iter().filter_map(|h| h.last()).flat_map(|last| last.of(&metric)) {
                facts.series += 1;
                let bound = id.labels.get("le").and_then(|le| le.parse().ok()).and_then(Number::new);
                if bound.is_some_and(|b| facts.largest_bound.is_none_or(|largest| b > largest)) {
                    facts.largest_bound = bound;
                }
            }
            let mut distances: Vec<_> = histories.iter().flat_map(|history| history.distances()).collect();
            distances.sort();
            facts.scrape_interval = distances.get(distances.len() / 2).copied();
            Ok(facts)
        })
    }

    fn counts(&self) -> bool {
        true
    }

    async fn counters(&self, queries: &[CounterQuery]) -> Vec<Result<Counters, BackendError>> {
        self.expect(queries.iter().map(|query| (&query.kind, Duration::ZERO)));
        let Some(at) = queries.iter().map(|query| query.at).max() else { return Vec::new() };
        let nodes = queries.iter().filter(|query| counter_of(&query.kind).is_some());
        let nodes = nodes.filter_map(|query| self.configured(&query.nodes).ok()).flatten().cloned().collect();
        let failed = self.scrape(nodes, at).await;
        queries.iter().map(|query| self.counted(query, &failed)).collect()
    }

    async fn history(
        &self,
        query: &CounterQuery,
        _covers: Duration,
        _step: Duration,
    ) -> Result<CounterHistory, BackendError> {
        let message = "metrics pages tell no past; only a Prometheus does";
        Err(error(ErrorKind::Unsupported, message).with("sli", &query.name))
    }
}

impl fmt::Display for MetricsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "metrics pages of {} nodes", self.clients.len())
    }
}

impl fmt::Debug for MetricsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsSource")
            .field("clients", &self.clients)
            .field("stale_after", &self.stale_after)
            .finish_non_exhaustive()
    }
}

/// The name of the counter that an SLI is computed from; none for PromQL.
fn counter_of(kind: &SliKind) -> Option<String> {
    match kind {
        SliKind::Quantile { metric, .. } => Some(format!("{metric}_bucket")),
        SliKind::ErrorRatio { metric, .. } => Some(metric.to_string()),
        SliKind::Expression { .. } => None,
    }
}

fn no_promql() -> BackendError {
    error(ErrorKind::Unsupported, "PromQL expressions need a Prometheus; metrics pages only give counters")
}

//! The Prometheus HTTP API as a source of SLIs.

mod counting;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use canary_core::analysis::{Bucket, Ratio};
use canary_core::fleet::{MetricName, NodeId};
use canary_core::time::Timestamp;
use canary_core::traits::{
    BackendError, CounterHistory, CounterQuery, Counters, Reading, Sample, SliFacts, SliKind, SliQuery,
    SliSource, Subject,
};
use tokio::task::JoinSet;

use crate::api::{Element, QueryData};
use crate::client::{Answer, PrometheusClient, StoreInfo};
use crate::config::{ConfigError, PrometheusConfig};
use crate::evidence::{Evidence, bound_of, bucket_text, into_vector, value_of, value_text, vector_of};
use crate::promql::{self, Selector};
use crate::{facts, reading, refusal};

/// How far back the newest sample of a series that is gone is looked for.
const HORIZON: Duration = Duration::from_secs(3600);

/// Reads SLIs from a Prometheus (or a store that speaks its query API).
///
/// Quantiles are computed here from the buckets' rates, by [`canary_core::analysis::quantile`], and not by
/// `histogram_quantile`: that answers with the largest finite bound for anything above it, so a threshold above that
/// bound could never trip, and with NaN for no traffic.
///
/// One call asks all queries at once, each with an explicit evaluation time; it returns within
/// [`PrometheusConfig::timeout`], twice that for series that have vanished. A history is asked for in parts, four at a
/// time: it takes one timeout for 480 steps, five for the most there may be, 2000.
#[derive(Clone)]
pub struct PrometheusSource {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    client: PrometheusClient,
    config: PrometheusConfig,
}

impl PrometheusSource {
    /// Checks the settings; connects to nothing.
    ///
    /// # Errors
    /// [`ConfigError`] naming the setting.
    pub fn new(config: PrometheusConfig) -> Result<Self, ConfigError> {
        let client = PrometheusClient::new(config.client()?);
        Ok(Self { inner: Arc::new(Inner { client, config }) })
    }

    /// Whether the store answers, and which version it is.
    ///
    /// # Errors
    /// As [`SliSource::sample`].
    pub async fn ping(&self, at: Timestamp) -> Result<StoreInfo, BackendError> {
        self.inner.client.ping(at).await
    }
}

impl fmt::Display for PrometheusSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prometheus at {}", self.inner.client.place())
    }
}

impl fmt::Debug for PrometheusSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl SliSource for PrometheusSource {
    fn by_node(&self) -> bool {
        self.inner.config.node_label.is_some()
    }

    async fn sample(&self, queries: &[SliQuery]) -> Vec<Result<Sample, BackendError>> {
        self.at_once(queries, |inner, query| async move { inner.sample(&query).await }).await
    }

    async fn describe(&self, query: &SliQuery) -> Result<SliFacts, BackendError> {
        let inner = &self.inner;
        match &query.kind {
            SliKind::Quantile { metric, .. } => {
                facts::describe(&inner.client, &inner.selector(metric, "_bucket", query)?, query.at).await
            }
            SliKind::ErrorRatio { metric, .. } => {
                facts::describe(&inner.client, &inner.selector(metric, "", query)?, query.at).await
            }
            SliKind::Expression { promql } => {
                let answer = inner.client.query(&inner.filled(promql, query)?, query.at).await?;
                let series = match answer.data {
                    QueryData::Vector(elements) => elements.len() as u64,
                    QueryData::Scalar(_) => 1,
                    other => return Err(refusal::wrong_type(&other)),
                };
                Ok(SliFacts { series, largest_bound: None, scrape_interval: None })
            }
        }
    }

    fn counts(&self) -> bool {
        self.by_node()
    }

    async fn counters(&self, queries: &[CounterQuery]) -> Vec<Result<Counters, BackendError>> {
        self.at_once(queries, |inner, query| async move { inner.counters(&query).await }).await
    }

    async fn history(
        &self,
        query: &CounterQuery,
        covers: Duration,
        step: Duration,
    ) -> Result<CounterHistory, BackendError> {
        self.inner.history(query, covers, step).await
    }
}

impl PrometheusSource {
    /// Asks all queries at once; answers in their order.
    async fn at_once<Q, A, F>(
        &self,
        queries: &[Q],
        ask: impl Fn(Arc<Inner>, Q) -> F + Send,
    ) -> Vec<Result<A, BackendError>>
    where
        Q: Clone + Sync,
        A: Send + 'static,
        F: Future<Output = Result<A, BackendError>> + Send + 'static,
    {
        let mut asked = JoinSet::new();
        for (i, query) in queries.iter().enumerate() {
            let answer = ask(Arc::clone(&self.inner), query.clone());
            asked.spawn(async move { (i, answer.await) });
        }
        let mut answers: Vec<_> =
            (0..queries.len()).map(|_| Err(refusal::broken("a query was broken off"))).collect();
        while let Some(done) = asked.join_next().await {
            // A task that panicked leaves the error above in its place.
            if let Ok((i, answer)) = done {
                answers[i] = answer;
            }
        }
        answers
    }
}

impl Inner {
    async fn sample(&self, query: &SliQuery) -> Result<Sample, BackendError> {
        match &query.kind {
            SliKind::Quantile { metric, quantile } => self.quantile(metric, *quantile, query).await,
            SliKind::ErrorRatio { metric, status_label } => {
                self.error_ratio(metric, status_label, query).await
            }
            SliKind::Expression { promql } => self.expression(promql, query).await,
        }
    }

    /// The series of a metric that the query is about.
    fn selector(
        &self,
        metric: &MetricName,
        suffix: &str,
        query: &SliQuery,
    ) -> Result<Selector, BackendError> {
        match &query.subject {
            Subject::Pool => Ok(self.everything(metric, suffix)),
            Subject::Nodes(nodes) => self.of_nodes(metric, suffix, nodes).map(|(_, selector)| selector),
        }
    }

    /// The series of a metric that have the configured labels.
    fn everything(&self, metric: &MetricName, suffix: &str) -> Selector {
        let all = Selector::new(metric, suffix);
        self.config.matchers.iter().fold(all, |selector, (label, value)| selector.equal(label, value))
    }

    /// The label that names nodes, and the series of a metric that are of these.
    fn of_nodes(
        &self,
        metric: &MetricName,
        suffix: &str,
        nodes: &[NodeId],
    ) -> Result<(&MetricName, Selector), BackendError> {
        match &self.config.node_label {
            _ if nodes.is_empty() => Err(refusal::no_nodes()),
            Some(label) => {
                let all = self.everything(metric, suffix);
                Ok((label, all.matching(label, &promql::node_regex(nodes))))
            }
            None => Err(refusal::no_node_label()),
        }
    }

    fn filled(&self, expression: &str, query: &SliQuery) -> Result<String, BackendError> {
        let nodes = match &query.subject {
            Subject::Pool => ".*".to_owned(),
            Subject::Nodes(nodes) if nodes.is_empty() => return Err(refusal::no_nodes()),
            Subject::Nodes(_) if !expression.contains("$nodes") => return Err(refusal::no_placeholder()),
            Subject::Nodes(nodes) => promql::node_regex(nodes),
        };
        Ok(promql::fill(expression, query.window, &nodes))
    }

    async fn quantile(
        &self,
        metric: &MetricName,
        q: Ratio,
        query: &SliQuery,
    ) -> Result<Sample, BackendError> {
        let selector = self.selector(metric, "_bucket", query)?;
        let text = format!("sum by (le) (rate({selector}[{}]))", promql::duration(query.window));
        let mut evidence = Evidence::default();
        let (rates, age) =
            self.rates_and_age(&[&text], &selector, query, &mut evidence, &bucket_text).await?;
        if let Some(reading) = self.missing(age) {
            return Ok(evidence.sample(reading, None, age));
        }
        let mut buckets = Vec::new();
        for element in &rates[0] {
            buckets.push(Bucket { bound: bound_of(element)?, count: value_of(element)? });
        }
        if buckets.is_empty() {
            evidence.too_few();
            return Ok(evidence.sample(Reading::NoTraffic, None, age));
        }
        let reading =
            reading::of_buckets(q, &buckets).map_err(|error| refusal::not_a_histogram(metric, error))?;
        let merged = reading::merged(&buckets);
        let total = merged.last().map(|bucket| bucket.count * query.window.as_secs_f64());
        Ok(evidence.sample(reading, total.and_then(reading::events), age))
    }

    async fn error_ratio(
        &self,
        metric: &MetricName,
        status: &MetricName,
        query: &SliQuery,
    ) -> Result<Sample, BackendError> {
        let selector = self.selector(metric, "", query)?;
        let window = promql::duration(query.window);
        let total = format!("sum(rate({selector}[{window}]))");
        let errors = format!("sum(rate({}[{window}]))", selector.clone().matching(status, "5.."));
        let mut evidence = Evidence::default();
        let (rates, age) =
            self.rates_and_age(&[&total, &errors], &selector, query, &mut evidence, &value_text).await?;
        if let Some(reading) = self.missing(age) {
            return Ok(evidence.sample(reading, None, age));
        }
        let Some(total) = rates[0].first().map(value_of).transpose()? else {
            evidence.too_few();
            return Ok(evidence.sample(Reading::NoTraffic, None, age));
        };
        // A service that never answered 5xx has no such series: no errors, not no data, since the total is there.
        let errors = rates[1].first().map(value_of).transpose()?.unwrap_or(0.0);
        let events = reading::events(total * query.window.as_secs_f64());
        Ok(evidence.sample(reading::ratio(errors, total), events, age))
    }

    async fn expression(&self, expression: &str, query: &SliQuery) -> Result<Sample, BackendError> {
        let text = self.filled(expression, query)?;
        let answer = self.client.query(&text, query.at).await?;
        let mut evidence = Evidence::default();
        let (reading, reply) = match &answer.data {
            QueryData::Scalar(point) => (reading::number(point.value), format!("scalar {}", point.value)),
            QueryData::Vector(elements) => {
                let reading = match elements.as_slice() {
                    [] => Reading::Absent,
                    [one] => reading::number(value_of(one)?),
                    several => Reading::SeveralSeries { count: several.len() as u64 },
                };
                (reading, value_text(elements))
            }
            other => return Err(refusal::wrong_type(other).with("promql", &text)),
        };
        evidence.note(&text, &reply, &answer);
        Ok(evidence.sample(reading, None, None))
    }

    /// Evaluates one or two rates and, at the same instant, the age of the newest sample behind them.
    async fn rates_and_age(
        &self,
        rates: &[&str],
        selector: &Selector,
        query: &SliQuery,
        evidence: &mut Evidence,
        show: &(dyn Fn(&[Element]) -> String + Sync),
    ) -> Result<(Vec<Vec<Element>>, Option<Duration>), BackendError> {
        let newest = format!("max(timestamp({selector}))");
        let second = rates.get(1).copied();
        let (first, second, newest_answer) = tokio::join!(
            self.client.query(rates[0], query.at),
            async {
                match second {
                    Some(text) => self.client.query(text, query.at).await.map(Some),
                    None => Ok(None),
                }
            },
            self.client.query(&newest, query.at),
        );
        let mut vectors = Vec::new();
        for (text, answer) in rates.iter().zip([Some(first?), second?].into_iter().flatten()) {
            let reply = vector_of(&answer).map(show)?;
            evidence.note(text, &reply, &answer);
            vectors.push(into_vector(answer)?);
        }
        let age = match self.age(&newest, newest_answer?, query.at, evidence)? {
            Some(age) => Some(age),
            None => self.age_of_vanished(selector, query, evidence).await?,
        };
        Ok((vectors, age))
    }

    fn age(
        &self,
        text: &str,
        answer: Answer,
        at: Timestamp,
        evidence: &mut Evidence,
    ) -> Result<Option<Duration>, BackendError> {
        let newest = vector_of(&answer)?.first().map(value_of).transpose()?;
        let age = newest.map(|seconds| {
            let now = at.as_millis() as f64 / 1000.0;
            Duration::from_millis(((now - seconds).max(0.0) * 1000.0).round() as u64)
        });
        let reply = age.map_or_else(|| "no series now".to_owned(), |age| format!("{age:?} before"));
        evidence.note(text, &reply, &answer);
        Ok(age)
    }

    /// The age of the newest sample of series that exist no more: a target that is gone marks its series stale, and
    /// instant queries then see nothing, although rates over a window still find its last samples.
    async fn age_of_vanished(
        &self,
        selector: &Selector,
        query: &SliQuery,
        evidence: &mut Evidence,
    ) -> Result<Option<Duration>, BackendError> {
        let horizon = HORIZON.max(query.window);
        let step = (self.config.stale_after / 8)
            .clamp(Duration::from_secs(1), Duration::from_secs(15))
            .max(horizon / 5000);
        let (horizon, step) = (promql::duration(horizon), promql::duration(step));
        let text = format!("max(max_over_time(timestamp({selector})[{horizon}:{step}]))");
        let answer = self.client.query(&text, query.at).await?;
        self.age(&text, answer, query.at, evidence)
    }

    /// Why there is nothing to judge, by the age of the newest sample.
    fn missing(&self, age: Option<Duration>) -> Option<Reading> {
        match age {
            None => Some(Reading::Absent),
            Some(age) if age > self.config.stale_after => Some(Reading::Stale),
            Some(_) => None,
        }
    }
}

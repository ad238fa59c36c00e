//! The metrics store's role: what an SLI read at one instant, or exactly why it has no value.

use std::fmt::{Debug, Display};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::analysis::{Number, Ratio};
use crate::fleet::{MetricName, NodeId};
use crate::time::{Timestamp, millis, opt_millis};
use crate::traits::{BackendError, CallOutcome, CounterHistory, CounterQuery, Counters, ErrorKind};

/// What is measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SliKind {
    /// A quantile of a classic histogram, in the histogram's unit (seconds).
    Quantile {
        /// The histogram's name without `_bucket`.
        metric: MetricName,
        /// The quantile, 0 to 1.
        quantile: Ratio,
    },
    /// Requests answered 5xx over all requests, from a counter with a status label.
    ErrorRatio {
        /// The counter's name.
        metric: MetricName,
        /// Its label that holds the HTTP status.
        status_label: MetricName,
    },
    /// Whatever the operator's own PromQL gives; must be one number. `$window` stands for the window, `$nodes`
    /// for a regular expression that matches the subject's nodes.
    Expression {
        /// The expression.
        promql: String,
    },
}

/// Whom an SLI is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "nodes", rename_all = "snake_case")]
pub enum Subject {
    /// Everything the metric has.
    Pool,
    /// Only these nodes, by the label that the source is configured with.
    Nodes(Vec<NodeId>),
}

/// One question to the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SliQuery {
    /// The SLI's name in the spec (`p95`).
    pub name: String,
    /// What is measured.
    pub kind: SliKind,
    /// Whom it is about.
    pub subject: Subject,
    /// The time looked back over.
    #[serde(rename = "window_ms", with = "millis")]
    pub window: Duration,
    /// The instant asked about.
    pub at: Timestamp,
}

/// What the store had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Reading {
    /// A finite number.
    Value {
        /// The number.
        value: Number,
    },
    /// A quantile that lies in the histogram's last, open bucket: at least `at_least`, how much more is unknown.
    AtLeast {
        /// The largest finite bound of the histogram.
        at_least: Number,
    },
    /// The series exist, but no request was counted in the window.
    NoTraffic,
    /// No series matches.
    Absent,
    /// The series' newest sample is too old.
    Stale,
    /// Not a number.
    NotANumber,
    /// Plus or minus infinity.
    Infinite,
    /// More than one series where one is needed.
    SeveralSeries {
        /// How many.
        count: u64,
    },
}

/// A query as it was sent, and the essence of its reply: evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecutedQuery {
    /// The query's text.
    pub query: String,
    /// The reply in short, at most 500 characters.
    pub reply: String,
}

/// The answer to one [`SliQuery`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// What the store had.
    pub reading: Reading,
    /// How many requests the reading rests on, where known (may be fractional in the store; rounded down here).
    pub events: Option<u64>,
    /// The age of the newest sample behind it, where known.
    #[serde(rename = "age_ms", with = "opt_millis")]
    pub age: Option<Duration>,
    /// The store's warnings: the reading may rest on partial data. One that starts with `info: ` is a remark on the
    /// query alone.
    pub warnings: Vec<String>,
    /// What was asked and answered.
    pub queries: Vec<ExecutedQuery>,
}

/// What can be said of an SLI before it is relied on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SliFacts {
    /// How many series match now.
    pub series: u64,
    /// The largest finite bucket bound, for quantiles: a bound above it can never be judged.
    pub largest_bound: Option<Number>,
    /// The spacing of samples, where the store tells.
    #[serde(rename = "scrape_interval_ms", with = "opt_millis")]
    pub scrape_interval: Option<Duration>,
}

/// A store of metrics.
#[async_trait]
pub trait SliSource: Display + Debug + Send + Sync + 'static {
    /// Whether [`Subject::Nodes`] can be asked for.
    fn by_node(&self) -> bool;

    /// Answers all queries, in order, as of the instant each names. Changes nothing.
    ///
    /// # Errors
    /// One result a query. Missing or unusable data is a [`Reading`], not an error; an error means that the store
    /// could not be asked or did not answer properly.
    async fn sample(&self, queries: &[SliQuery]) -> Vec<Result<Sample, BackendError>>;

    /// Says what a query would rest on, for pre-flight checks. Changes nothing.
    ///
    /// # Errors
    /// As [`Self::sample`].
    async fn describe(&self, query: &SliQuery) -> Result<SliFacts, BackendError>;

    /// Whether [`Self::counters`] answers: whether nodes can be compared.
    fn counts(&self) -> bool {
        false
    }

    /// Reads the raw counters behind SLIs, all queries as of the instant each names, in order. Changes nothing.
    ///
    /// A node without series has none in the answer; no series at all is an empty answer, not an error.
    ///
    /// # Errors
    /// One result a query; as [`Self::sample`], and `Unsupported` where [`Self::counts`] is false or the query is an
    /// expression. Series whose buckets differ are `Protocol`.
    async fn counters(&self, queries: &[CounterQuery]) -> Vec<Result<Counters, BackendError>> {
        queries.iter().map(|_| Err(no_counters("counters"))).collect()
    }

    /// Reads what the counters grew by in the time `covers` before the query's instant, in steps. Changes nothing.
    ///
    /// Counts every series by itself, so that a counter that began anew shrinks nothing. A store that does not reach back as far
    /// gives empty steps.
    ///
    /// # Errors
    /// As [`Self::counters`]; `Unsupported` where the source keeps no past.
    async fn history(
        &self,
        _query: &CounterQuery,
        _covers: Duration,
        _step: Duration,
    ) -> Result<CounterHistory, BackendError> {
        Err(no_counters("history"))
    }
}

fn no_counters(call: &'static str) -> BackendError {
    let error = BackendError::new(ErrorKind::Unsupported, "sli", call, "this source has no raw counters");
    error.outcome_is(CallOutcome::NotApplied)
}

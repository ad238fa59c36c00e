//! Raw counters of nodes: what a comparison between nodes is counted from.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::analysis::Number;
use crate::fleet::NodeId;
use crate::time::{Timestamp, millis, opt_millis};
use crate::traits::{ExecutedQuery, SliKind};

/// One question for the counters behind an SLI.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterQuery {
    /// The SLI's name in the spec (`p95`).
    pub name: String,
    /// What is measured; an expression has no counters.
    pub kind: SliKind,
    /// The nodes, at least one.
    pub nodes: Vec<NodeId>,
    /// The instant asked about.
    pub at: Timestamp,
}

/// One series as it stands: never a rate, never extrapolated.
///
/// Both kinds of SLI have one layout: for each bound, ascending, how many requests were on its good side so far; all
/// requests last. A histogram's are its cumulative buckets and its count. An error ratio has one bound, failing: a series of
/// failed requests holds `[0, n]`, another `[n, n]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterSeries {
    /// The node it is of.
    pub node: NodeId,
    /// The rest of its identity (its other labels): the same on every call.
    pub series: String,
    /// The sample's own time.
    pub at: Timestamp,
    /// The counts.
    pub values: Vec<u64>,
}

/// The answer to one [`CounterQuery`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// The finite bounds of a histogram's buckets, in its unit, ascending, the same of every series; empty for an error
    /// ratio. Each series has one value more (of an error ratio: two).
    pub bounds: Vec<Number>,
    /// Every series of every node, in an order that stays where the series do.
    pub series: Vec<CounterSeries>,
    /// The age of the newest sample, where there is any.
    #[serde(rename = "age_ms", with = "opt_millis")]
    pub age: Option<Duration>,
    /// The store's warnings: the counters may be partial. One that starts with `info: ` is a remark on the query alone.
    pub warnings: Vec<String>,
    /// What was asked and answered.
    pub queries: Vec<ExecutedQuery>,
}

/// What one node's counters grew by, step after step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeGrowth {
    /// The node.
    pub node: NodeId,
    /// For each step, oldest first, the growth summed over the node's series in the layout of [`CounterSeries::values`];
    /// empty where nothing is known.
    pub steps: Vec<Vec<u64>>,
}

/// What counters grew by before now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterHistory {
    /// The length of a step.
    #[serde(rename = "step_ms", with = "millis")]
    pub step: Duration,
    /// As [`Counters::bounds`].
    pub bounds: Vec<Number>,
    /// Every node asked about, each with as many steps as the others.
    pub nodes: Vec<NodeGrowth>,
    /// As [`Counters::warnings`].
    pub warnings: Vec<String>,
    /// What was asked and answered.
    pub queries: Vec<ExecutedQuery>,
}

//! Errors about questions and answers that no HTTP status tells.

use std::time::Duration;

use canary_core::analysis::HistogramError;
use canary_core::fleet::MetricName;
use canary_core::traits::{BackendError, CallOutcome, ErrorKind, SliKind};

use crate::api::QueryData;
use crate::counters::{self, CounterError};

fn error(kind: ErrorKind, message: impl Into<String>) -> BackendError {
    BackendError::new(kind, "prometheus", "query", message).outcome_is(CallOutcome::NotApplied)
}

/// A query whose task ended early.
pub(crate) fn broken(why: &str) -> BackendError {
    error(ErrorKind::Other, why)
}

pub(crate) fn no_node_label() -> BackendError {
    let message = "single nodes cannot be asked for: no label is configured that holds a node's name";
    error(ErrorKind::Unsupported, message)
}

pub(crate) fn no_placeholder() -> BackendError {
    error(ErrorKind::Unsupported, "single nodes cannot be asked for: the expression has no $nodes")
}

pub(crate) fn no_nodes() -> BackendError {
    error(ErrorKind::Refused, "the query names no nodes")
}

pub(crate) fn wrong_type(data: &QueryData) -> BackendError {
    let message = format!("the answer is a {}, not one number", data.type_name());
    error(ErrorKind::Protocol, message)
}

pub(crate) fn native_histogram() -> BackendError {
    error(ErrorKind::Unsupported, "the series is a native histogram; only classic ones can be judged")
}

pub(crate) fn no_bound(le: &str) -> BackendError {
    let le = canary_http::excerpt(le.as_bytes());
    error(ErrorKind::Protocol, format!("a bucket's le is {le:?}, not a number"))
}

pub(crate) fn not_a_histogram(metric: &MetricName, why: HistogramError) -> BackendError {
    error(ErrorKind::Protocol, format!("{metric} is not a usable histogram")).caused_by(why)
}

pub(crate) fn no_counters() -> BackendError {
    error(ErrorKind::Unsupported, "an expression has no counters")
}

/// Series that break the rules of counters.
pub(crate) fn not_counters(kind: &SliKind, why: CounterError) -> BackendError {
    let metric = counters::metric(kind).map_or("an expression", MetricName::as_str);
    error(ErrorKind::Protocol, format!("{metric} cannot be counted from")).caused_by(why)
}

pub(crate) fn no_such_node(label: &MetricName, value: &str) -> BackendError {
    let value = canary_http::excerpt(value.as_bytes());
    error(ErrorKind::Protocol, format!("a series of {label}={value:?} came, which was not asked for"))
}

pub(crate) fn bad_steps(covers: Duration, step: Duration, most: u64) -> BackendError {
    let message = format!("a history of {covers:?} in steps of {step:?} is not 1 to {most} steps");
    error(ErrorKind::Refused, message)
}

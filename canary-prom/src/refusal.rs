//! Errors about questions and answers that no HTTP status tells.

use canary_core::analysis::HistogramError;
use canary_core::fleet::MetricName;
use canary_core::traits::{BackendError, CallOutcome, ErrorKind};

use crate::api::QueryData;

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

//! One request through the balancer, as a client would send it.

use canary_core::traits::{BackendError, ErrorKind, HealthCheck, HealthReport};
use canary_http::HttpClient;

/// Asks for `check.path` through the balancer.
///
/// # Errors
/// `Other` when the request is not a valid one; every failed attempt is a report.
pub(crate) async fn check(edge: &HttpClient, check: &HealthCheck) -> Result<HealthReport, BackendError> {
    match edge.health("check through the balancer", check).await {
        Err(error) if error.kind() != ErrorKind::Other => Ok(edge.unanswered(&error.chain())),
        answer => answer,
    }
}

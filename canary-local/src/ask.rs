//! One question to an HTTP server, as a health report.

use canary_core::traits::{BackendError, ErrorKind, HealthCheck, HealthReport};
use canary_http::HttpClient;

use crate::error::{BACKEND, unchanged};

/// A client of the server at `base`; its deadlines come with each question.
pub(crate) fn client(base: &str) -> Result<HttpClient, BackendError> {
    HttpClient::builder(BACKEND)
        .base_url(base)
        .build()
        .map_err(|error| unchanged(ErrorKind::Other, "set an HTTP client up", base).caused_by(error))
}

/// Asks for `check.path` on a connection of its own.
pub(crate) async fn health(
    operation: &str,
    http: &HttpClient,
    check: &HealthCheck,
) -> Result<HealthReport, BackendError> {
    let error = match http.health(operation, check).await {
        Ok(report) => return Ok(report),
        Err(error) => error,
    };
    Ok(match error.kind() {
        ErrorKind::TimedOut => http.unanswered("no answer in time"),
        _ if error.chain().contains("refused") => http.unanswered("connection refused"),
        _ => http.unanswered(&error.chain()),
    })
}

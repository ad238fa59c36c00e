//! One question to an HTTP server, as a health report.

use canary_core::traits::{BackendError, ErrorKind, HealthCheck, HealthReport};
use canary_http::{HttpClient, Method, StatusCode, excerpt, header};

use crate::error::{BACKEND, clean, unchanged};

/// How much of a body is read; a health answer is short, and more proves nothing.
const BODY: usize = 64 * 1024;
/// The longest detail of a report, in characters.
const DETAIL: usize = 199;

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
    let request = http
        .request(Method::GET, check.path.as_str())
        .header(header::CONNECTION, "close")
        .timeout(check.attempt_timeout);
    let via = format!("{} from here", http.to_string().trim_end_matches('/'));
    let (status, body) = match answer(operation, http, request).await {
        Ok(answer) => answer,
        Err(error) => {
            let detail = match error.kind() {
                ErrorKind::TimedOut => "no answer in time".to_owned(),
                _ if error.chain().contains("refused") => "connection refused".to_owned(),
                _ => clean(&error.chain(), DETAIL),
            };
            return Ok(HealthReport { healthy: false, status: None, detail, via });
        }
    };
    let said = excerpt(&body);
    let detail = match (status, said.is_empty()) {
        (StatusCode::OK, _) => "200 OK".to_owned(),
        (other, true) => other.to_string(),
        (other, false) => format!("{other}: {said}"),
    };
    let healthy = status == StatusCode::OK;
    Ok(HealthReport { healthy, status: Some(status.as_u16()), detail: clean(&detail, DETAIL), via })
}

async fn answer(
    operation: &str,
    http: &HttpClient,
    request: canary_http::RequestBuilder,
) -> Result<(StatusCode, Vec<u8>), BackendError> {
    let mut incoming = http.open(operation, request).await?;
    let mut body = Vec::new();
    while body.len() < BODY {
        let Some(chunk) = incoming.chunk().await? else { break };
        body.extend_from_slice(&chunk);
    }
    Ok((incoming.status, body))
}

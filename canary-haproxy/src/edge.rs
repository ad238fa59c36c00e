//! One request through the balancer, as a client would send it.

use canary_core::traits::{BackendError, ErrorKind, HealthCheck, HealthReport};
use canary_http::{HttpClient, Method, StatusCode, excerpt, header};

/// How much of a body is read; a health answer is short, and more proves nothing.
const BODY: usize = 64 * 1024;

/// The longest detail of a report, in characters.
const DETAIL: usize = 200;

/// Asks for `check.path` on a connection of its own, which is closed after the answer: the next probe is balanced
/// again, and none can meet a connection that the balancer has closed meanwhile.
///
/// # Errors
/// `Other` when the request is not a valid one; every failed attempt is a report.
pub(crate) async fn check(edge: &HttpClient, check: &HealthCheck) -> Result<HealthReport, BackendError> {
    let request = edge
        .request(Method::GET, check.path.as_str())
        .header(header::CONNECTION, "close")
        .timeout(check.attempt_timeout);
    let via = format!("{edge} from here");
    match answer(edge, request).await {
        Ok((status, body)) => {
            let said = excerpt(&body);
            let detail = match (status, said.is_empty()) {
                (StatusCode::OK, _) => "200 OK".to_owned(),
                (other, true) => other.to_string(),
                (other, false) => format!("{other}: {said}"),
            };
            let healthy = status == StatusCode::OK;
            Ok(HealthReport { healthy, status: Some(status.as_u16()), detail: cut(&detail), via })
        }
        Err(error) if error.kind() == ErrorKind::Other => Err(error),
        Err(error) => Ok(HealthReport { healthy: false, status: None, detail: cut(&error.chain()), via }),
    }
}

async fn answer(
    edge: &HttpClient,
    request: canary_http::RequestBuilder,
) -> Result<(StatusCode, Vec<u8>), BackendError> {
    let mut incoming = edge.open("check through the balancer", request).await?;
    let mut body = Vec::new();
    while body.len() < BODY {
        let Some(chunk) = incoming.chunk().await? else { break };
        body.extend_from_slice(&chunk);
    }
    Ok((incoming.status, body))
}

fn cut(text: &str) -> String {
    if text.chars().count() <= DETAIL {
        return text.to_owned();
    }
    let mut text: String = text.chars().take(DETAIL - 1).collect();
    text.push('…');
    text
}

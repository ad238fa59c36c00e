//! One health check of a server, as a report.

use canary_core::traits::{BackendError, HealthCheck, HealthReport};
use reqwest::{Method, StatusCode, header};

use crate::client::HttpClient;
use crate::reply::excerpt;

/// How much of a body is read; a health answer is short, and more proves nothing.
const BODY: usize = 64 * 1024;
/// The longest detail of a report, in characters.
const DETAIL: usize = 200;

impl HttpClient {
    /// Asks for `check.path` and reports the answer: healthy is 200 and nothing else.
    ///
    /// The connection is its own and closed after the answer: the next check is balanced again, and none can meet a
    /// connection that the server has closed meanwhile.
    ///
    /// # Errors
    /// As [`Self::send`]: there was no answer. Often that is a report as well, by [`Self::unanswered`].
    pub async fn health(&self, operation: &str, check: &HealthCheck) -> Result<HealthReport, BackendError> {
        let request = self.request(Method::GET, check.path.as_str());
        let request = request.header(header::CONNECTION, "close").timeout(check.attempt_timeout);
        let mut incoming = self.open(operation, request).await?;
        let mut body = Vec::new();
        while body.len() < BODY {
            let Some(chunk) = incoming.chunk().await? else { break };
            body.extend_from_slice(&chunk);
        }
        let (status, said) = (incoming.status, excerpt(&body));
        let detail = match (status, said.is_empty()) {
            (StatusCode::OK, _) => "200 OK".to_owned(),
            (other, true) => other.to_string(),
            (other, false) => format!("{other}: {said}"),
        };
        let healthy = status == StatusCode::OK;
        Ok(HealthReport { healthy, status: Some(status.as_u16()), ..self.unanswered(&detail) })
    }

    /// The report of a check that got no answer; `detail` says why.
    #[must_use]
    pub fn unanswered(&self, detail: &str) -> HealthReport {
        let via = format!("{} from here", self.to_string().trim_end_matches('/'));
        HealthReport { healthy: false, status: None, detail: clean(detail), via }
    }
}

/// On one line, and cut where it is too long.
fn clean(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    if text.chars().count() <= DETAIL {
        return text.chars().map(plain).collect();
    }
    text.chars().take(DETAIL - 1).map(plain).chain(['…']).collect()
}

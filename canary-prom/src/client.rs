//! Asks a Prometheus: one request a question, every status given its meaning here.

use std::fmt::Write as _;
use std::time::Duration;

use canary_core::time::Timestamp;
use canary_core::traits::{BackendError, ErrorKind};
use canary_http::{HttpClient, Method, Reply, header};
use serde::de::DeserializeOwned;

use crate::api::{BuildInfo, Envelope, QueryData, Status};

/// The shortest useful delay before a query is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// What a reachable metrics store says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreInfo {
    /// Its version, where it tells (stores that only speak the query API may not).
    pub version: Option<String>,
}

/// A successful answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) data: QueryData,
    /// The server's warnings, then its infos, the latter marked so.
    pub(crate) warnings: Vec<String>,
}

/// A client of the query API.
#[derive(Debug, Clone)]
pub(crate) struct PrometheusClient {
    http: HttpClient,
}

impl PrometheusClient {
    pub(crate) const fn new(http: HttpClient) -> Self {
        Self { http }
    }

    /// Where it asks, without credentials.
    pub(crate) fn place(&self) -> String {
        self.http.to_string()
    }

    /// Evaluates `promql` at one explicit instant, so that retries and sibling queries see the same data.
    pub(crate) async fn query(&self, promql: &str, at: Timestamp) -> Result<Answer, BackendError> {
        let form = [("query", promql), ("time", &at.as_seconds_text())];
        self.ask("query", "/api/v1/query", promql, &form).await
    }

    /// Evaluates `promql` at `first` and every `step` after it, up to `last`.
    pub(crate) async fn range(
        &self,
        promql: &str,
        first: Timestamp,
        last: Timestamp,
        step: Duration,
    ) -> Result<Answer, BackendError> {
        let (first, last) = (first.as_seconds_text(), last.as_seconds_text());
        let step = format!("{}.{:03}", step.as_secs(), step.subsec_millis());
        let form = [("query", promql), ("start", &first), ("end", &last), ("step", &step)];
        self.ask("query range", "/api/v1/query_range", promql, &form).await
    }

    /// Sends a form; any status is a reply.
    pub(crate) async fn post(
        &self,
        operation: &str,
        path: &str,
        form: &[(&str, &str)],
    ) -> Result<Reply, BackendError> {
        let request = self
            .http
            .request(Method::POST, path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .body(form_encoded(form));
        self.http.send(operation, request).await
    }

    async fn ask(
        &self,
        operation: &str,
        path: &str,
        promql: &str,
        form: &[(&str, &str)],
    ) -> Result<Answer, BackendError> {
        let reply = self.post(operation, path, form).await?;
        let envelope: Envelope<QueryData> =
            success(&reply, operation).map_err(|error| error.with("promql", promql))?;
        let mut warnings = envelope.warnings;
        warnings.extend(envelope.infos.iter().map(|info| format!("info: {info}")));
        match envelope.data {
            Some(data) => Ok(Answer { data, warnings }),
            None => Err(reply.error(ErrorKind::Protocol, operation, "a success without data")),
        }
    }

    /// Asks for the version; a store without that page must at least answer a query.
    pub(crate) async fn ping(&self, at: Timestamp) -> Result<StoreInfo, BackendError> {
        let operation = "read version";
        let request = self.http.request(Method::GET, "/api/v1/status/buildinfo");
        let reply = self.http.send(operation, request).await?;
        if reply.status.as_u16() == 404 {
            self.query("1", at).await?;
            return Ok(StoreInfo { version: None });
        }
        let envelope: Envelope<BuildInfo> = success(&reply, operation)?;
        Ok(StoreInfo { version: envelope.data.map(|data| data.version) })
    }
}

/// Reads a successful reply.
fn success<T: DeserializeOwned>(reply: &Reply, operation: &str) -> Result<Envelope<T>, BackendError> {
    meaning(reply, operation)?;
    let envelope: Envelope<T> = reply.json(operation)?;
    match envelope.status {
        Status::Success => Ok(envelope),
        Status::Error => Err(reply.error(ErrorKind::Refused, operation, words(reply))),
    }
}

/// Gives a status its meaning (Prometheus documentation, "HTTP API", format overview: 400 for bad parameters, 422 for
/// expressions that cannot be executed, 503 for timeouts and aborts).
pub(crate) fn meaning(reply: &Reply, operation: &str) -> Result<(), BackendError> {
    if reply.status.is_success() {
        return Ok(());
    }
    let told = words(reply);
    let error = |kind| reply.error(kind, operation, told.clone());
    Err(match reply.status.as_u16() {
        // 2.42 says so of a query that ran into its own time limit: "context deadline exceeded".
        422 if told.contains("deadline exceeded") => error(ErrorKind::TimedOut).transient(AGAIN),
        400 | 422 => error(ErrorKind::Refused),
        401 | 403 | 407 => error(ErrorKind::Unauthorised),
        404 | 405 => {
            let message = format!("no Prometheus query API at this URL: {told}");
            reply.error(ErrorKind::NotFound, operation, message)
        }
        429 => error(ErrorKind::Exhausted).transient(retry_after(reply).unwrap_or(AGAIN)),
        503 if told.starts_with("timeout") || told.starts_with("canceled") => {
            error(ErrorKind::TimedOut).transient(AGAIN)
        }
        502..=504 => error(ErrorKind::Unreachable).transient(retry_after(reply).unwrap_or(AGAIN)),
        500..=599 => error(ErrorKind::Other).transient(AGAIN),
        300..=399 => {
            let to = reply.headers.get(header::LOCATION).and_then(|v| v.to_str().ok()).unwrap_or("elsewhere");
            let message = format!("redirected to {}; use that URL", canary_http::excerpt(to.as_bytes()));
            reply.error(ErrorKind::Protocol, operation, message)
        }
        _ => error(ErrorKind::Protocol),
    })
}

/// The server's `errorType: error`, or the start of whatever else came.
fn words(reply: &Reply) -> String {
    let envelope = serde_json::from_slice::<Envelope<serde::de::IgnoredAny>>(&reply.body);
    match envelope {
        Ok(Envelope { error: Some(error), error_type, .. }) => {
            let text = format!("{}: {error}", error_type.as_deref().unwrap_or("error"));
            canary_http::excerpt(text.as_bytes())
        }
        _ => reply.excerpt(),
    }
}

fn retry_after(reply: &Reply) -> Option<Duration> {
    let seconds: u64 = reply.headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(300)))
}

/// A form's body: everything but unreserved characters percent-encoded.
fn form_encoded(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (i, (key, value)) in pairs.iter().enumerate() {
        text.push_str(if i == 0 { "" } else { "&" });
        text.push_str(key);
        text.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
                text.push(char::from(byte));
            } else {
                // proof: writing to a String cannot fail, so the result says nothing.
                let _ = write!(text, "%{byte:02X}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_encoded_byte_by_byte() {
        assert_eq!(
            form_encoded(&[("query", "a+b{c=\"é&\"}"), ("time", "1.5")]),
            "query=a%2Bb%7Bc%3D%22%C3%A9%26%22%7D&time=1.5"
        );
    }
}

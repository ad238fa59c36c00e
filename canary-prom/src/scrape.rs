//! One scrape of one metrics page.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use canary_core::time::Timestamp;
use canary_core::traits::{BackendError, CallOutcome, ErrorKind, Retry};
use canary_http::{HttpClient, Method, Reply, header};

use crate::exposition::{self, ExpositionError, Format};
use crate::history::{START_TIME, Scraped};

/// What backend errors of metrics pages name.
pub(crate) const BACKEND: &str = "metrics";
/// What is done to every page.
const SCRAPE: &str = "scrape";
/// Which formats are asked for.
const ACCEPT: &str = "text/plain;version=0.0.4,application/openmetrics-text;version=1.0.0;q=0.5";

/// An error of a scrape; nothing is ever changed by one.
pub(crate) fn error(kind: ErrorKind, message: impl Into<String>) -> BackendError {
    BackendError::new(kind, BACKEND, SCRAPE, message).outcome_is(CallOutcome::NotApplied)
}

/// Reads a page and keeps `metrics` of it.
pub(crate) async fn scrape(
    client: &HttpClient,
    metrics: Arc<BTreeSet<String>>,
    at: Timestamp,
) -> Result<Scraped, BackendError> {
    let reply = client.send(SCRAPE, client.request(Method::GET, "").header(header::ACCEPT, ACCEPT)).await?;
    if !reply.status.is_success() {
        return Err(refused(&reply));
    }
    // Pages of many megabytes take long enough to read to hold up everything else on this thread.
    let read = tokio::task::spawn_blocking(move || match read(&reply, &metrics) {
        Ok(samples) => Scraped::new(at, metrics, samples).map_err(|reason| bad_page(&reply, &reason)),
        Err(error) => Err(bad_page(&reply, &error.to_string())),
    });
    read.await.unwrap_or_else(|_| Err(error(ErrorKind::Other, "reading the page was broken off")))
}

fn read(reply: &Reply, metrics: &BTreeSet<String>) -> Result<Vec<exposition::MetricSample>, ExpositionError> {
    let format = Format::from_content_type(reply.content_type())?;
    exposition::parse_where(&reply.body, format, |name| name == START_TIME || metrics.contains(name))
}

fn bad_page(reply: &Reply, reason: &str) -> BackendError {
    reply
        .error(ErrorKind::Protocol, SCRAPE, format!("not a usable metrics page: {reason}"))
        .outcome_is(CallOutcome::NotApplied)
        .transient(Duration::from_secs(1))
}

fn refused(reply: &Reply) -> BackendError {
    let status = reply.status.as_u16();
    let kind = match status {
        401 | 403 | 407 => ErrorKind::Unauthorised,
        404 => ErrorKind::NotFound,
        _ => ErrorKind::Refused,
    };
    let error = reply.error(kind, SCRAPE, reply.excerpt()).outcome_is(CallOutcome::NotApplied);
    if matches!(status, 429 | 500..=599) { error.transient(Duration::from_secs(1)) } else { error }
}

/// A failed scrape, to be told to every query that needed it.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: ErrorKind,
    retry: Retry,
    chain: String,
}

impl Failure {
    pub(crate) fn of(error: &BackendError) -> Self {
        let whole = error.chain();
        let start = format!("{BACKEND}: {SCRAPE}: {}: ", error.kind().as_str());
        let chain = whole.strip_prefix(&start).unwrap_or(&whole).to_owned();
        Self { kind: error.kind(), retry: error.retry(), chain }
    }

    pub(crate) fn error(&self) -> BackendError {
        let error = error(self.kind, self.chain.clone());
        match self.retry {
            Retry::Transient { after } => error.transient(after),
            Retry::Permanent => error,
        }
    }
}

//! The way out: each span as the engine means it, over the workspace's own HTTP client, and a count of what got lost.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use canary_http::{Bytes, HttpClient, Method};
use opentelemetry::KeyValue;
use opentelemetry::trace::Status;
use opentelemetry_http::{HttpError, Request, Response};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tokio::runtime::Handle;

/// What did not arrive.
#[derive(Debug, Default)]
pub(super) struct Lost {
    pub(super) spans: usize,
    pub(super) why: String,
}

fn open(lost: &Mutex<Lost>) -> MutexGuard<'_, Lost> {
    lost.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The HTTP client for the SDK's own thread, which has no reactor: requests run on the command's runtime.
#[derive(Debug)]
pub(super) struct Client {
    http: HttpClient,
    runtime: Handle,
    lost: Arc<Mutex<Lost>>,
}

impl Client {
    pub(super) const fn new(http: HttpClient, runtime: Handle, lost: Arc<Mutex<Lost>>) -> Self {
        Self { http, runtime, lost }
    }
}

#[async_trait::async_trait]
impl opentelemetry_http::HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let http = self.http.clone();
        let sent = self.runtime.spawn(async move {
            let request = http.request(Method::POST, "").headers(parts.headers).body(body);
            http.send("send spans", request).await
        });
        let reply = sent.await?.inspect_err(|error| open(&self.lost).why = error.chain())?;
        if !reply.status.is_success() {
            open(&self.lost).why = format!("the collector answered {}", reply.status);
        }
        let mut response = Response::new(Bytes::from(reply.body));
        *response.status_mut() = reply.status;
        *response.headers_mut() = reply.headers;
        Ok(response)
    }
}

/// Hands spans on under the names that the engine's terms give them.
#[derive(Debug)]
pub(super) struct Exporter {
    inner: opentelemetry_otlp::SpanExporter,
    lost: Arc<Mutex<Lost>>,
}

impl Exporter {
    pub(super) const fn new(inner: opentelemetry_otlp::SpanExporter, lost: Arc<Mutex<Lost>>) -> Self {
        Self { inner, lost }
    }
}

impl SpanExporter for Exporter {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        batch.iter_mut().for_each(name);
        let count = batch.len();
        let result = self.inner.export(batch).await;
        if result.is_err() {
            open(&self.lost).spans += count;
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: std::time::Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &opentelemetry_sdk::Resource) {
        self.inner.set_resource(resource);
    }
}

/// A step is called by what it does, a failure is an error, and the fields get a prefix of their own.
fn name(span: &mut SpanData) {
    let field = |name: &str| text(&span.attributes, name);
    if let Some(action) = field("action") {
        let back = field("direction").is_some_and(|direction| direction == "back");
        let result = field("result");
        if result.is_some_and(|result| result == "failed") {
            span.status = Status::error(field("error").unwrap_or_default());
        }
        span.name = if back { format!("back: {action}") } else { action }.into();
    } else if let Some(outcome) = field("outcome").filter(|outcome| outcome != "completed") {
        span.status = Status::error(outcome);
    }
    let own = |key: &str| !key.contains('.');
    for attribute in span.attributes.iter_mut().filter(|attribute| own(attribute.key.as_str())) {
        attribute.key = format!("canary.{}", attribute.key).into();
    }
}

fn text(attributes: &[KeyValue], name: &str) -> Option<String> {
    let attribute = attributes.iter().find(|attribute| attribute.key.as_str() == name)?;
    Some(attribute.value.as_str().into_owned())
}

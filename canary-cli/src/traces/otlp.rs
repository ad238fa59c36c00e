//! Spans by OTLP over HTTP, with the variables that OpenTelemetry's specification names.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use canary_http::HttpClient;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{Key, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};

use super::SpanLayer;
use super::export::{Client, Exporter, Lost};
use crate::environment::Environment;
use crate::error::chain;

/// How long one delivery may take where `OTEL_EXPORTER_OTLP_TIMEOUT` does not say.
const TIMEOUT: Duration = Duration::from_secs(10);
/// A long watch has an event for each probe; the SDK keeps 128.
const EVENTS: u32 = 10_000;

/// The spans of one command on their way to a collector.
#[derive(Debug)]
pub(crate) struct Traces {
    provider: SdkTracerProvider,
    lost: Arc<Mutex<Lost>>,
    place: String,
}

impl Traces {
    /// Sets the sending up; connects to nothing. The layer is what a subscriber hands its spans to.
    ///
    /// # Errors
    /// What cannot be used, for people.
    pub(crate) fn start(
        endpoint: &str,
        environment: &Environment,
        runtime: Handle,
    ) -> Result<(Self, SpanLayer), String> {
        let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
        let milliseconds = environment.text("OTEL_EXPORTER_OTLP_TIMEOUT").and_then(|text| text.parse().ok());
        let timeout = milliseconds.map_or(TIMEOUT, Duration::from_millis);
        let http = HttpClient::builder("otlp").base_url(&url).timeout(timeout).build();
        let http = http.map_err(|error| chain(&error))?;
        let (lost, place) = (Arc::<Mutex<Lost>>::default(), http.to_string());
        let protocol = match environment.text("OTEL_EXPORTER_OTLP_PROTOCOL") {
            Some("http/json") => Protocol::HttpJson,
            _ => Protocol::HttpBinary,
        };
        // It reads the headers, which are often secrets, from the variable itself.
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client::new(http, runtime, Arc::clone(&lost)))
            .with_endpoint(url)
            .with_protocol(protocol)
            .with_timeout(timeout)
            .build()
            .map_err(|error| chain(&error))?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(Exporter::new(exporter, Arc::clone(&lost)))
            .with_resource(resource(environment))
            .with_max_events_per_span(EVENTS)
            .build();
        let layer = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("canary"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(true)
            .with_tracked_inactivity(false)
            // Nothing of the sending itself, which would never end.
            .with_filter(Targets::new().with_target("canary", LevelFilter::INFO));
        Ok((Self { provider, lost, place }, Box::new(layer)))
    }

    /// Sends what is left, and says what did not arrive.
    pub(crate) async fn finish(&self, limit: Duration) -> Option<String> {
        let provider = self.provider.clone();
        let ended = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(limit)).await;
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        let place = &self.place;
        if lost.spans > 0 {
            return Some(format!("{} spans did not arrive at {place}: {}", lost.spans, lost.why));
        }
        (!matches!(ended, Ok(Ok(())))).then(|| {
            format!("the last spans did not arrive at {place} within {}", humantime::format_duration(limit))
        })
    }
}

/// Who sends: `canary` unless the variables name another.
fn resource(environment: &Environment) -> Resource {
    let own = [
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("host.name", environment.host.clone()),
    ];
    let given = Resource::builder().build();
    let named = given.get(&Key::new("service.name"));
    let nameless = named.is_none_or(|name| name.as_str().starts_with("unknown_service"));
    // What the variables say stands before what is added here.
    let missing = own.into_iter().filter(|own| given.get(&own.key).is_none());
    let mut resource = Resource::builder().with_attributes(missing);
    if nameless {
        resource = resource.with_service_name("canary");
    }
    resource.build()
}

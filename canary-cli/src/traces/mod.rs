//! Spans for a collector: a rollout is a trace, each step a span in it. Nothing waits for them.

use tracing_subscriber::{Layer, Registry};

#[cfg(feature = "otlp")]
mod export;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg(not(feature = "otlp"))]
mod without;

#[cfg(feature = "otlp")]
pub(crate) use otlp::Traces;
#[cfg(not(feature = "otlp"))]
pub(crate) use without::Traces;

/// What makes spans of what the engine emits.
pub(crate) type SpanLayer = Box<dyn Layer<Registry> + Send + Sync>;

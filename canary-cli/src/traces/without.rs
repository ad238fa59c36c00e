//! A build that has no OTLP.

use std::time::Duration;

use tokio::runtime::Handle;

use super::SpanLayer;
use crate::environment::Environment;

/// Never there.
#[derive(Debug)]
pub(crate) enum Traces {}

impl Traces {
    /// Says that this build sends none.
    pub(crate) fn start(_: &str, _: &Environment, _: Handle) -> Result<(Self, SpanLayer), String> {
        Err("this canary-cli was built without the feature otlp; no spans are sent".to_owned())
    }

    pub(crate) async fn finish(&self, _: Duration) -> Option<String> {
        match *self {}
    }
}

//! The way of notices to Datadog: Events v2, and v1 where v2 is not to be had.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use canary_core::time::Timestamp;
use canary_http::{ConfigError, HttpClient};
use canary_notify::{Courier, Message, Notice, Undelivered, post};

use crate::event::{self, OLDEST_MS};
use crate::keys::Keys;
use crate::site::Site;

/// The header of the API key.
pub(crate) const API_KEY: &str = "dd-api-key";

/// Sends notices as events.
///
/// An event is named by its tags `canary_seq` and `canary_hash` (and `canary_id`, for what has no record): Datadog itself
/// takes no idempotency key, so a repeat is a second event with the same tags and the same `aggregation_key`.
#[derive(Debug)]
pub struct DatadogEvents {
    site: Site,
    keys: Keys,
    intake: HttpClient,
    api: HttpClient,
    /// Whether v2 turned out not to be there.
    only_v1: AtomicBool,
}

impl DatadogEvents {
    /// Sets the clients up; connects to nothing.
    ///
    /// # Errors
    /// [`ConfigError`] when a client cannot be made.
    pub fn new(site: Site, keys: Keys, timeout: Duration) -> Result<Self, ConfigError> {
        let client = |base: &str| {
            let builder = HttpClient::builder("datadog").base_url(base).timeout(timeout).max_body(64 * 1024);
            builder.secret_header(API_KEY, keys.api()).build()
        };
        let (intake, api) = (client(site.intake())?, client(site.api())?);
        Ok(Self { site, keys, intake, api, only_v1: AtomicBool::new(false) })
    }
}

/// Whether an answer says that there is no v2 for this, rather than that the event is wrong everywhere.
const fn is_for_v1(status: u16) -> bool {
    matches!(status, 400 | 404 | 405 | 410 | 422 | 501)
}

#[async_trait]
impl Courier for DatadogEvents {
    fn name(&self) -> &'static str {
        "datadog"
    }

    fn place(&self) -> (String, u16, bool) {
        let (host, port) = self.site.place();
        (host, port, self.site.readable())
    }

    async fn carry(&self, notice: &Notice, now: Timestamp, timeout: Duration) -> Result<(), Undelivered> {
        let age = now.as_millis().saturating_sub(notice.time.as_millis());
        if age > OLDEST_MS {
            let why = format!(
                "not sent: {} {} is of {}, and Datadog takes no event older than 18 h",
                notice.kind.as_str(),
                notice.id,
                notice.time
            );
            return Err(Undelivered::never(why));
        }
        let message = |body: serde_json::Value| Message {
            headers: vec![("content-type", "application/json".to_owned())],
            body: body.to_string().into_bytes(),
        };
        let redacted = |error: Undelivered| Undelivered { why: self.keys.redact(&error.why), ..error };
        if !self.only_v1.load(Ordering::Relaxed) {
            match post(&self.intake, "/api/v2/events", message(event::v2(notice)), timeout).await {
                Err(error) if error.status.is_some_and(is_for_v1) => {
                    // A form that v2 does not take says nothing of the next event; a path that is not there does.
                    self.only_v1.store(error.status != Some(400), Ordering::Relaxed);
                }
                other => return other.map_err(redacted),
            }
        }
        post(&self.api, "/api/v1/events", message(event::v1(notice)), timeout).await.map_err(redacted)
    }
}

impl fmt::Display for DatadogEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "datadog at {}", self.site)
    }
}

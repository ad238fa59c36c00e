//! Receivers that are not spoken to by one `POST` to one address: what another crate implements to be told.

use std::fmt::{Debug, Display};
use std::time::Duration;

use async_trait::async_trait;
use canary_core::time::Timestamp;
use canary_core::traits::Retry;
use canary_http::{HttpClient, Method, StatusCode, excerpt, header};

use crate::notice::Notice;
use crate::target::Message;

/// Carries notices to one receiver; shows itself (`Display`) as its name and its place, without secrets.
#[async_trait]
pub trait Courier: Display + Debug + Send + Sync + 'static {
    /// Its name, which the spool knows it by.
    fn name(&self) -> &'static str;

    /// Host and port, and whether what is sent can be read on the way.
    fn place(&self) -> (String, u16, bool);

    /// Brings a notice there, once, in at most `timeout`. Repeating it is safe: the receiver can tell a repeat by the
    /// notice's id.
    ///
    /// # Errors
    /// [`Undelivered`], without secrets.
    async fn carry(&self, notice: &Notice, now: Timestamp, timeout: Duration) -> Result<(), Undelivered>;
}

/// Why a try did not bring a notice there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undelivered {
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// What came back; may repeat what was sent.
    pub why: String,
    /// Whether trying again can help.
    pub again: bool,
    /// The delay that the receiver asked for.
    pub after: Option<Duration>,
}

impl Undelivered {
    /// A notice that this receiver can never take.
    #[must_use]
    pub const fn never(why: String) -> Self {
        Self { status: None, why, again: false, after: None }
    }
}

/// Posts a message, once. A redirect is a failure: what is meant for one receiver is not carried to another.
///
/// # Errors
/// [`Undelivered`]; no connection, no answer, 5xx, 408, 425 and 429 may pass.
pub async fn post(
    client: &HttpClient,
    path: &str,
    message: Message,
    timeout: Duration,
) -> Result<(), Undelivered> {
    let mut request = client.request(Method::POST, path).timeout(timeout).body(message.body);
    for (name, value) in message.headers {
        request = request.header(name, value);
    }
    let mut answer = match client.open("deliver", request).await {
        Ok(answer) => answer,
        Err(error) => {
            let again = matches!(error.retry(), Retry::Transient { .. });
            return Err(Undelivered { status: None, why: error.chain(), again, after: None });
        }
    };
    let status = answer.status;
    if status.is_success() {
        return Ok(());
    }
    let named = |name: &str| answer.headers.get(name)?.to_str().ok().and_then(seconds);
    // Datadog names the seconds until its limit's next period with every answer; they matter where the limit is reached.
    let reset = || named("x-ratelimit-reset").filter(|_| status == StatusCode::TOO_MANY_REQUESTS);
    let after = named(header::RETRY_AFTER.as_str()).or_else(reset);
    // The first piece of the body is enough for a message, however long the rest.
    let said = match answer.chunk().await {
        Ok(Some(chunk)) => format!(": {}", excerpt(&chunk)),
        _ => String::new(),
    };
    let why = if status.is_redirection() {
        format!("it answered {status}, and redirects are not followed; correct the address")
    } else {
        format!("it answered {status}{said}")
    };
    Err(Undelivered { status: Some(status.as_u16()), why, again: passes(status), after })
}

/// Whether an answer may be another one later.
fn passes(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
        )
}

/// A delay in seconds; as a date it is left out, since the schedule's own delays do.
pub(crate) fn seconds(text: &str) -> Option<Duration> {
    text.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_tried_again_and_nothing_else() {
        let again: Vec<u16> = (300..600)
            .filter(|code| StatusCode::from_u16(*code).is_ok_and(passes))
            .filter(|code| *code < 500)
            .collect();
        assert_eq!(again, [408, 425, 429]);
        assert!(
            [500, 502, 503, 504, 599].into_iter().all(|code| passes(StatusCode::from_u16(code).unwrap()))
        );
    }
}

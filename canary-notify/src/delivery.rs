//! One delivery: tries, delays, and what an answer means.

use std::time::{Duration, SystemTime};

use canary_core::traits::Retry;
use canary_http::{Method, StatusCode, excerpt, header};

use crate::config::RetrySchedule;
use crate::notice::Notice;
use crate::target::Target;

/// Why a notice did not arrive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{target}: {why}")]
pub struct DeliveryError {
    /// The receiver, as it may be shown.
    pub target: String,
    /// What came back, without secrets.
    pub why: String,
    /// Whether trying again can help.
    pub again: bool,
    /// The delay that the receiver asked for.
    pub after: Option<Duration>,
}

/// How one receiver fared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Its name.
    pub name: &'static str,
    /// The receiver, as it may be shown.
    pub target: String,
    /// Notices that arrived.
    pub delivered: u64,
    /// Notices that were given up.
    pub failed: u64,
    /// Notices that were dropped because the queue was full.
    pub dropped: u64,
    /// Notices that were still waiting when time was up.
    pub left: u64,
    /// What went wrong last.
    pub error: Option<String>,
}

impl Report {
    /// Whether every notice arrived.
    #[must_use]
    pub const fn complete(&self) -> bool {
        self.failed + self.dropped + self.left == 0
    }
}

/// Tries until it arrives, cannot arrive, or the schedule is used up.
pub(crate) async fn deliver(
    target: &Target,
    notice: &Notice,
    schedule: &RetrySchedule,
) -> Result<(), DeliveryError> {
    let mut attempt = 1;
    loop {
        let error = match attempt_once(target, notice, schedule.timeout).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        tracing::warn!(target_name = target.name(), kind = notice.kind.as_str(), attempt, why = %error.why, "not delivered");
        if !error.again || attempt >= schedule.attempts {
            return Err(error);
        }
        tokio::time::sleep(schedule.delay(attempt, error.after)).await;
        attempt += 1;
    }
}

/// One try. A redirect is a failure: what is signed for one receiver is not carried to another.
pub(crate) async fn attempt_once(
    target: &Target,
    notice: &Notice,
    timeout: Duration,
) -> Result<(), DeliveryError> {
    let message = target.message(notice, SystemTime::now().into());
    let mut request = target.client.request(Method::POST, target.path()).timeout(timeout).body(message.body);
    for (name, value) in message.headers {
        request = request.header(name, value);
    }
    let failed = |why: String, again, after| {
        Err(DeliveryError { target: target.to_string(), why: target.redact(&why), again, after })
    };
    let mut answer = match target.client.open("deliver", request).await {
        Ok(answer) => answer,
        Err(error) => {
            let again = matches!(error.retry(), Retry::Transient { .. });
            return failed(error.chain(), again, None);
        }
    };
    if answer.status.is_success() {
        return Ok(());
    }
    let status = answer.status;
    let after =
        answer.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(seconds);
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
    failed(why, passes(status), after)
}

/// Whether an answer may be another one later.
fn passes(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
        )
}

/// `Retry-After` in seconds; as a date it is left out, since the schedule's own delays do.
fn seconds(text: &str) -> Option<Duration> {
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

    #[test]
    fn delays_grow_to_the_cap_and_honour_what_is_asked() {
        let schedule = RetrySchedule::default();
        let ms: Vec<_> = (1..9).map(|attempt| schedule.delay(attempt, None).as_millis()).collect();
        assert_eq!(ms, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        assert_eq!(schedule.delay(1, seconds("7")), Duration::from_secs(7));
        assert_eq!(schedule.delay(1, seconds("86400")), schedule.cap);
        assert_eq!(seconds("Wed, 21 Oct 2015 07:28:00 GMT"), None);
    }
}

//! The one place where a failed transport becomes a [`BackendError`].

use std::error::Error;
use std::io;
use std::time::Duration;

use canary_core::traits::{BackendError, CallOutcome as Outcome, ErrorKind};
use rustls::AlertDescription;

/// The shortest useful delay before a request is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// What failed, for whom and where.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) backend: &'static str,
    pub(crate) operation: &'a str,
    /// Where it was sent, without secrets.
    pub(crate) url: &'a str,
}

impl Call<'_> {
    /// An error of this call.
    pub(crate) fn error(self, kind: ErrorKind, message: impl Into<String>) -> BackendError {
        BackendError::new(kind, self.backend, self.operation, message).with("url", self.url)
    }

    /// The body is longer than `limit` bytes.
    pub(crate) fn too_long(self, limit: u64) -> BackendError {
        self.error(ErrorKind::Protocol, format!("the body is longer than the limit of {limit} bytes"))
    }

    /// The destination of a download cannot be written.
    pub(crate) fn not_written(self, error: io::Error) -> BackendError {
        let kind = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Exhausted,
            _ => ErrorKind::LocalIo,
        };
        self.error(kind, "what was received cannot be written").caused_by(error)
    }

    /// What a failed transport means.
    pub(crate) fn failed(self, error: reqwest::Error) -> BackendError {
        let error = error.without_url();
        if error.is_builder() {
            return self.error(ErrorKind::Other, "the request is not valid HTTP").not_sent().caused_by(error);
        }
        if let Some(tls) = find_tls(&error) {
            let meaning = tls_meaning(tls);
            let at_connect = error.is_connect() || meaning.before_request;
            let mapped = self.error(meaning.kind, meaning.message);
            let mapped = if at_connect { mapped.not_sent() } else { mapped };
            return mapped.caused_by(error);
        }
        if error.is_connect() {
            let message = if error.is_timeout() { "no connection in time" } else { "no connection" };
            return self.error(ErrorKind::Unreachable, message).not_sent().transient(AGAIN).caused_by(error);
        }
        if error.is_timeout() {
            let message = "no complete answer within the deadline";
            return self.error(ErrorKind::TimedOut, message).transient(AGAIN).caused_by(error);
        }
        if error.is_redirect() {
            return self.error(ErrorKind::Protocol, "too many redirects").caused_by(error);
        }
        let message = if error.is_body() || error.is_decode() {
            "the body broke off"
        } else {
            "the connection broke off or did not speak HTTP"
        };
        self.error(ErrorKind::Protocol, message).transient(AGAIN).caused_by(error)
    }
}

/// Sugar for an outcome that most mappings share.
trait NotSent {
    fn not_sent(self) -> Self;
}

impl NotSent for BackendError {
    fn not_sent(self) -> Self {
        self.outcome_is(Outcome::NotApplied)
    }
}

/// The TLS error in a chain; [`io::Error`] hides what it wraps from [`Error::source`], so it is looked into.
fn find_tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(current) = next {
        if let Some(tls) = current.downcast_ref() {
            return Some(tls);
        }
        let wrapped = current.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(inner) = wrapped {
            let inner: &'a (dyn Error + 'static) = inner;
            if let Some(tls) = find_tls(inner) {
                return Some(tls);
            }
        }
        next = current.source();
    }
    None
}

struct TlsMeaning {
    kind: ErrorKind,
    message: String,
    /// Whether a server that says so has not looked at any request yet.
    before_request: bool,
}

fn tls_meaning(error: &rustls::Error) -> TlsMeaning {
    let (kind, message, before_request) = match error {
        rustls::Error::InvalidCertificate(rustls::CertificateError::ApplicationVerificationFailure) => (
            ErrorKind::Unauthorised,
            "the server's certificate is not the pinned one; compare them, and pin the new one if it was renewed"
                .to_owned(),
            true,
        ),
        rustls::Error::InvalidCertificate(why) => (
            ErrorKind::Unauthorised,
            format!("the server's certificate is not trusted ({why}); add its root, or pin the certificate"),
            true,
        ),
        rustls::Error::AlertReceived(alert) if is_about_us(*alert) => (
            ErrorKind::Unauthorised,
            format!("the server did not accept the client certificate ({alert:?}); add it to the server's trust"),
            true,
        ),
        rustls::Error::InvalidMessage(_) => {
            (ErrorKind::Refused, "the server does not speak TLS there; use http://, or its TLS port".to_owned(), false)
        }
        other => (ErrorKind::Refused, format!("TLS failed: {other}"), false),
    };
    TlsMeaning { kind, message, before_request }
}

/// Alerts that are a server's answer to who we are (RFC 8446, section 6.2).
const fn is_about_us(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRequired
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
    )
}

//! What a PostgreSQL failure means, in canary's terms.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use canary_core::traits::{BackendError, CallOutcome, ErrorKind};
use tokio_postgres::error::SqlState;

const BACKEND: &str = "postgres";
const SOON: Duration = Duration::from_secs(1);

/// A call that failed, with the server's own code where it gave one.
///
/// Reads as its [`BackendError`]. The server's DETAIL is left out: it quotes values of rows.
#[derive(Debug)]
pub struct Failure {
    error: BackendError,
    sqlstate: Option<SqlState>,
    message: String,
}

impl Failure {
    /// From the driver's error.
    pub(crate) fn from_driver(operation: &str, address: &str, error: tokio_postgres::Error) -> Self {
        let Some(server) = error.as_db_error() else {
            return Self::from_transport(operation, address, error);
        };
        let code = server.code().clone();
        let (kind, transient) = meaning(code.code());
        let message = one_line(server.message());
        let mut made = BackendError::new(kind, BACKEND, operation, &message)
            .outcome_is(CallOutcome::NotApplied)
            .with("sqlstate", code.code())
            .with("database", address);
        if let Some(place) = server.where_().and_then(|text| text.lines().next()) {
            made = made.with("where", one_line(place));
        }
        if transient {
            made = made.transient(SOON);
        }
        Self { error: made, sqlstate: Some(code), message }
    }

    fn from_transport(operation: &str, address: &str, error: tokio_postgres::Error) -> Self {
        let closed = error.is_closed();
        let message = one_line(&error.to_string());
        let source = error.into_source();
        if let Some(source) =
            source.as_deref().and_then(|source| source.downcast_ref()).filter(|e| distrusted(e))
        {
            let why = source.to_string();
            let error = BackendError::new(ErrorKind::Unauthorised, BACKEND, operation, &why)
                .outcome_is(CallOutcome::NotApplied)
                .with("database", address);
            return Self { error, sqlstate: None, message: why };
        }
        let transport = closed || source.as_ref().is_some_and(|s| s.is::<std::io::Error>());
        let kind = if transport { ErrorKind::Unreachable } else { ErrorKind::Protocol };
        let mut made = BackendError::new(kind, BACKEND, operation, &message).with("database", address);
        if transport {
            made = made.transient(SOON);
        }
        if let Some(source) = source {
            made = made.caused_by(source);
        }
        Self { error: made, sqlstate: None, message }
    }

    /// The same failure, for another that it concerns; without its cause.
    pub(crate) fn again(&self) -> Self {
        let mut error = BackendError::new(self.kind(), BACKEND, self.error.operation(), &self.message);
        if let Some(code) = self.sqlstate() {
            error = error.with("sqlstate", code);
        }
        Self { error, sqlstate: self.sqlstate.clone(), message: self.message.clone() }
    }

    /// A failure that the server had no part in.
    pub(crate) fn of(kind: ErrorKind, operation: &str, address: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        let mut error = BackendError::new(kind, BACKEND, operation, &message).with("database", address);
        if matches!(kind, ErrorKind::TimedOut | ErrorKind::Unreachable) {
            error = error.transient(SOON);
        }
        Self { error, sqlstate: None, message }
    }

    /// The server's code of five characters (`42703`), when it answered at all.
    #[must_use]
    pub fn sqlstate(&self) -> Option<&str> {
        self.sqlstate.as_ref().map(SqlState::code)
    }

    /// The server's first line, or the driver's.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What it means to a caller.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.error.kind()
    }

    /// Whether the connection cannot be used after this.
    #[must_use]
    pub fn ends_connection(&self) -> bool {
        match self.sqlstate() {
            Some(code) => code.starts_with("57P"),
            None => true,
        }
    }

    /// Whether another session held a lock for longer than `lock_timeout`.
    #[must_use]
    pub fn waited_for_a_lock(&self) -> bool {
        self.sqlstate() == Some("55P03")
    }

    /// Whether an object went away while the catalog was read: another session is changing it.
    #[must_use]
    pub fn is_moving(&self) -> bool {
        matches!(self.sqlstate(), Some("XX000" | "42P01" | "3F000" | "42704" | "42883" | "2BP01"))
            && (self.message.contains("cache lookup failed")
                || self.message.contains("could not open relation")
                || self.message.contains("does not exist"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

impl From<Failure> for BackendError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// The kind of an SQLSTATE, and whether the same call can succeed later. PostgreSQL 15, Appendix A.
fn meaning(code: &str) -> (ErrorKind, bool) {
    match code {
        "57014" | "55P03" | "25P03" | "57P05" => (ErrorKind::TimedOut, true),
        "57P01" | "57P02" | "57P03" => (ErrorKind::Unreachable, true),
        "3D000" | "3F000" => (ErrorKind::NotFound, false),
        "42501" => (ErrorKind::Unauthorised, false),
        "0A000" => (ErrorKind::Unsupported, false),
        _ => match code.get(..2) {
            Some("28") => (ErrorKind::Unauthorised, false),
            Some("08") => (ErrorKind::Unreachable, true),
            Some("53") => (ErrorKind::Exhausted, true),
            Some("40") => (ErrorKind::Refused, true),
            _ => (ErrorKind::Refused, false),
        },
    }
}

/// Whether a handshake ended at the server's certificate: it will be the same the next time.
fn distrusted(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    inner.is_some_and(|error| matches!(error, rustls::Error::InvalidCertificate(_)))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

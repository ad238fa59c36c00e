//! The one error of all backends: what kind it is, whether the effect happened, whether trying again can help.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// What went wrong, in terms a caller can act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The thing named does not exist (server, pool, instance, file, unit).
    NotFound,
    /// The backend understood and said no.
    Refused,
    /// The credentials do not suffice.
    Unauthorised,
    /// This backend or this version of it cannot do that.
    Unsupported,
    /// No answer within the deadline.
    TimedOut,
    /// No connection could be made.
    Unreachable,
    /// The answer is not what the protocol promises.
    Protocol,
    /// What was written is not what is read back.
    Mismatch,
    /// No space, no memory, too many files.
    Exhausted,
    /// A file on the deploying host cannot be read or written.
    LocalIo,
    /// Anything else.
    Other,
}

impl ErrorKind {
    /// The kind as a fragment of a sentence.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not found",
            Self::Refused => "refused",
            Self::Unauthorised => "unauthorised",
            Self::Unsupported => "unsupported",
            Self::TimedOut => "timed out",
            Self::Unreachable => "unreachable",
            Self::Protocol => "unexpected answer",
            Self::Mismatch => "read back differently",
            Self::Exhausted => "out of resources",
            Self::LocalIo => "local file error",
            Self::Other => "failed",
        }
    }
}

/// Whether the effect asked for took place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Certainly not.
    NotApplied,
    /// Certainly.
    Applied,
    /// It may have; only reading back can tell.
    Unknown,
}

/// Whether the same call can succeed later without anybody changing anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// No.
    Permanent,
    /// It may, not before `after`.
    Transient {
        /// The shortest useful delay.
        after: Duration,
    },
}

/// An error of a backend's call.
///
/// Reads as `backend: operation: kind: message (key=value, …)`, a lower-case fragment without its cause, which is
/// chained by [`Error::source`]. Defaults are `Permanent` and `Unknown`: the safe pair. Secrets never get in here.
#[derive(Debug)]
pub struct BackendError {
    kind: ErrorKind,
    outcome: Outcome,
    retry: Retry,
    backend: &'static str,
    operation: String,
    message: String,
    context: Vec<(&'static str, String)>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl BackendError {
    /// An error of `backend` (`haproxy`, `incus`) while doing `operation` (`set server state`).
    pub fn new(
        kind: ErrorKind,
        backend: &'static str,
        operation: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            outcome: Outcome::Unknown,
            retry: Retry::Permanent,
            backend,
            operation: operation.into(),
            message: message.into(),
            context: Vec::new(),
            source: None,
        }
    }

    /// Says whether the effect took place.
    #[must_use]
    pub const fn outcome_is(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    /// Says that the same call can succeed after a while.
    #[must_use]
    pub const fn transient(mut self, after: Duration) -> Self {
        self.retry = Retry::Transient { after };
        self
    }

    /// Adds a fact (`node=backend-api-2`).
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.context.push((key, value.to_string()));
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What went wrong.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the effect took place.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Whether trying again can help.
    #[must_use]
    pub const fn retry(&self) -> Retry {
        self.retry
    }

    /// The backend's name.
    #[must_use]
    pub const fn backend(&self) -> &'static str {
        self.backend
    }

    /// What was being done.
    #[must_use]
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// What came back.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The whole chain on one line, causes after `: `.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause: Option<&(dyn Error + 'static)> = self.source();
        while let Some(error) = cause {
            let next = error.to_string();
            if !text.contains(&next) {
                text.push_str(": ");
                text.push_str(&next);
            }
            cause = error.source();
        }
        text
    }
}

impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.backend, self.operation, self.kind.as_str())?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        for (i, (key, value)) in self.context.iter().enumerate() {
            write!(f, "{}{key}={value}", if i == 0 { " (" } else { ", " })?;
        }
        if self.context.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

impl Error for BackendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|e| e as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_in_one_line_with_its_causes() {
        let error = BackendError::new(ErrorKind::NotFound, "haproxy", "set server state", "No such server.")
            .with("server", "api_pool/x")
            .caused_by(std::io::Error::other("socket closed"));
        assert_eq!(
            error.chain(),
            "haproxy: set server state: not found: No such server. (server=api_pool/x): socket closed"
        );
        assert_eq!((error.outcome(), error.retry()), (Outcome::Unknown, Retry::Permanent));
    }
}

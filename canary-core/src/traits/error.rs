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
pub struct BackendError(Box<Parts>);

/// What an error holds; boxed, so that results stay small.
#[derive(Debug)]
struct Parts {
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
        Self(Box::new(Parts {
            kind,
            outcome: Outcome::Unknown,
            retry: Retry::Permanent,
            backend,
            operation: operation.into(),
            message: message.into(),
            context: Vec::new(),
            source: None,
        }))
    }

    /// Says whether the effect took place.
    #[must_use]
    pub fn outcome_is(mut self, outcome: Outcome) -> Self {
        self.0.outcome = outcome;
        self
    }

    /// Says that the same call can succeed after a while.
    #[must_use]
    pub fn transient(mut self, after: Duration) -> Self {
        self.0.retry = Retry::Transient { after };
        self
    }

    /// Adds a fact (`node=backend-api-2`).
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.0.context.push((key, value.to_string()));
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the effect took place.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.0.outcome
    }

    /// Whether trying again can help.
    #[must_use]
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// The backend's name.
    #[must_use]
    pub fn backend(&self) -> &'static str {
        self.0.backend
    }

    /// What was being done.
    #[must_use]
    pub fn operation(&self) -> &str {
        &self.0.operation
    }

    /// What came back.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
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

impl fmt::Debug for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.0.backend, self.0.operation, self.0.kind.as_str())?;
        if !self.0.message.is_empty() {
            write!(f, ": {}", self.0.message)?;
        }
        for (i, (key, value)) in self.0.context.iter().enumerate() {
            write!(f, "{}{key}={value}", if i == 0 { " (" } else { ", " })?;
        }
        if self.0.context.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

impl Error for BackendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|e| e as &(dyn Error + 'static))
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

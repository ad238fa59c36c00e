//! What came back from the API server, in terms a caller can act on.

use std::time::Duration;

/// A call that did not do what it was to do.
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {trouble}")]
pub struct KubeError {
    /// What was being done, to what.
    pub doing: String,
    /// What came back.
    pub trouble: Trouble,
}

/// What came back.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Nothing within the deadline.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The API server said no.
    #[error("{code} {reason}: {message}")]
    Status {
        /// The HTTP status.
        code: u16,
        /// The API's own word for it.
        reason: String,
        /// Its message.
        message: String,
    },
    /// There was no connection, or it broke off.
    #[error("no connection to the API server")]
    Unreachable(#[source] kube::Error),
    /// The answer is not one of the API.
    #[error("the answer is not one of the Kubernetes API")]
    Protocol(#[source] kube::Error),
    /// No credentials could be had.
    #[error("no credentials for the API server")]
    Credentials(#[source] kube::Error),
}

impl Trouble {
    pub(crate) fn of(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Status {
                code: status.code,
                reason: status.reason.clone(),
                message: status.message.chars().take(500).collect(),
            },
            kube::Error::Auth(_) => Self::Credentials(error),
            kube::Error::HyperError(_) | kube::Error::Service(_) | kube::Error::ReadEvents(_) => {
                Self::Unreachable(error)
            }
            error => Self::Protocol(error),
        }
    }

    /// Whether the same call may do better a moment later.
    pub(crate) const fn passing(&self) -> bool {
        match self {
            Self::TimedOut(_) | Self::Unreachable(_) => true,
            Self::Status { code, .. } => matches!(code, 429 | 500..=599),
            Self::Protocol(_) | Self::Credentials(_) => false,
        }
    }

    /// Whether asking again is of no use at all.
    pub(crate) const fn lasting(&self) -> bool {
        match self {
            Self::Status { code, .. } => matches!(code, 400..=499) && !matches!(code, 408 | 410 | 429),
            Self::Credentials(_) => true,
            Self::TimedOut(_) | Self::Unreachable(_) | Self::Protocol(_) => false,
        }
    }

    /// Whether it is that status.
    pub(crate) const fn is(&self, status: u16) -> bool {
        matches!(self, Self::Status { code, .. } if *code == status)
    }
}

impl KubeError {
    /// The error and its causes in one line.
    #[must_use]
    pub fn told(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(&self.trouble);
        while let Some(cause) = source {
            text.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        text.chars().take(600).collect()
    }
}

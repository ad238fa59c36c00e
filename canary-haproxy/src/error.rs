//! What HAProxy and its sockets say, turned into errors with a meaning.

use std::time::Duration;

use canary_core::traits::{BackendError, CallOutcome, ErrorKind};

use crate::Command;

/// The name of this backend in errors.
pub(crate) const BACKEND: &str = "haproxy";

/// The shortest useful delay before asking a balancer again that was not there.
pub(crate) const RETRY_AFTER: Duration = Duration::from_millis(200);

/// How much of a reply an error quotes, in characters.
const QUOTED: usize = 200;

/// An error of one command. A command that only reads has changed nothing, whatever happened to it.
pub(crate) fn failed(kind: ErrorKind, command: &Command, message: impl Into<String>) -> BackendError {
    let error = BackendError::new(kind, BACKEND, command.as_str(), message);
    if command.changes() { error } else { error.outcome_is(CallOutcome::NotApplied) }
}

/// The start of a reply on one line, without control characters, for an error message.
pub(crate) fn quote(text: &str) -> String {
    let text = text.trim();
    let mut quoted: String =
        text.chars().take(QUOTED).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().count() > QUOTED {
        quoted.push('…');
    }
    quoted
}

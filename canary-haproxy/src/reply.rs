//! The one place where HAProxy's words become errors: it answers errors as plain text on an otherwise normal reply.

use canary_core::traits::{BackendError, CallOutcome, ErrorKind};

use crate::Command;
use crate::codec::CodecError;
use crate::error::{RETRY_AFTER, failed, quote};

/// How a reply starts when HAProxy says no and has changed nothing. Compared without case.
const REFUSALS: [(&str, ErrorKind); 16] = [
    ("permission denied", ErrorKind::Unauthorised),
    ("unknown command", ErrorKind::Unsupported),
    ("no such server", ErrorKind::NotFound),
    ("no such backend", ErrorKind::NotFound),
    ("no such proxy", ErrorKind::NotFound),
    ("can't find backend", ErrorKind::NotFound),
    ("backend not found", ErrorKind::NotFound),
    ("usage:", ErrorKind::Refused),
    ("require", ErrorKind::Refused),
    ("invalid", ErrorKind::Refused),
    ("malformed", ErrorKind::Refused),
    ("'set server", ErrorKind::Refused),
    ("absolute weight", ErrorKind::Refused),
    ("relative weight", ErrorKind::Refused),
    ("backend is using", ErrorKind::Refused),
    ("proxy is disabled", ErrorKind::Refused),
];

/// The body of a complete reply that is no refusal, without the empty line that ends it.
///
/// # Errors
/// `Protocol` for what is no complete reply of the Runtime API; else by the words HAProxy uses. A command that
/// changes something must be answered with nothing: any word is an error.
pub(crate) fn body<'a>(command: &Command, raw: &'a str) -> Result<&'a str, BackendError> {
    if raw.is_empty() {
        let text = "the connection was closed without a reply";
        return Err(failed(ErrorKind::Protocol, command, text).transient(RETRY_AFTER));
    }
    let start = raw.trim_start();
    if start.starts_with('<') || start.starts_with("HTTP/") {
        let text = format!("this is no stats socket, it speaks HTTP or HTML: {:?}", quote(raw));
        return Err(failed(ErrorKind::Protocol, command, text));
    }
    if raw != "\n" && !raw.ends_with("\n\n") {
        let text = format!("the reply was cut off or is not HAProxy's: {:?}", quote(raw));
        return Err(failed(ErrorKind::Protocol, command, text).transient(RETRY_AFTER));
    }
    let said = raw.trim();
    let lower: String = said.chars().take(40).collect::<String>().to_lowercase();
    if let Some((_, kind)) = REFUSALS.iter().find(|(words, _)| lower.starts_with(words)) {
        return Err(refused(*kind, command, said).outcome_is(CallOutcome::NotApplied));
    }
    if command.changes() && !said.is_empty() {
        return Err(refused(ErrorKind::Refused, command, said));
    }
    Ok(&raw[..raw.len() - 1])
}

fn refused(kind: ErrorKind, command: &Command, said: &str) -> BackendError {
    let said = quote(said);
    let text = match kind {
        ErrorKind::Unauthorised => format!("{said}: the stats socket must be \"level admin\""),
        _ => said,
    };
    failed(kind, command, text)
}

/// A reply that is complete but not what the management guide promises for this command.
pub(crate) fn not_understood(command: &Command, raw: &str, error: CodecError) -> BackendError {
    let text = match &error {
        CodecError::Disagree(_) => error.to_string(),
        _ => format!("{error}, in {:?}", quote(raw)),
    };
    failed(ErrorKind::Protocol, command, text).caused_by(error)
}

#[cfg(test)]
mod tests;

//! What the Incus API and the commands run through it say, turned into errors with a meaning.

use std::time::Duration;

use canary_core::fleet::NodeId;
use canary_core::traits::{BackendError, CallOutcome, ErrorKind};

use crate::api::Fault;
use crate::config::ProjectName;

/// The name of this backend in errors.
pub(crate) const BACKEND: &str = "incus";

/// The shortest useful delay before asking again a daemon or an instance that was not there.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How much of foreign text an error quotes, in characters.
const QUOTED: usize = 300;

/// An error after which nothing has changed.
pub(crate) fn unchanged(kind: ErrorKind, operation: &str, message: impl Into<String>) -> BackendError {
    BackendError::new(kind, BACKEND, operation, message).outcome_is(CallOutcome::NotApplied)
}

/// An error after which the effect may have taken place.
pub(crate) fn unknown(kind: ErrorKind, operation: &str, message: impl Into<String>) -> BackendError {
    BackendError::new(kind, BACKEND, operation, message)
}

/// What the API refused, as an error; `node` is the instance the call was about.
///
/// The daemon answers errors with the HTTP status in `error_code` and free text in `error` (doc/rest-api.md, "Return
/// values"); the texts matched here are those of Incus 6.0.
pub(crate) fn refused(
    fault: &Fault,
    operation: &str,
    node: Option<&NodeId>,
    project: &ProjectName,
) -> BackendError {
    let said = quote(&fault.message);
    // What a daemon answers while it starts or stops: 503, or 500 to what it was in the middle of.
    let stopping = fault.code == 503 || (fault.code == 500 && said.ends_with("shutting down"));
    let kind_and_text = match (fault.code, node) {
        (404, _) if said == "Project not found" => {
            (ErrorKind::NotFound, format!("there is no project {project}"))
        }
        (404, Some(node)) if said.ends_with("Instance not found") => {
            (ErrorKind::NotFound, format!("there is no instance {node} in project {project}"))
        }
        (400, Some(node)) if said == "Instance is not running" => {
            (ErrorKind::NotFound, format!("instance {node} exists but is not running"))
        }
        (400, Some(node)) if said == "Instance is frozen" => {
            (ErrorKind::NotFound, format!("instance {node} exists but is frozen"))
        }
        (401 | 403, _) => (
            ErrorKind::Unauthorised,
            format!(
                "{said}: the client certificate is not in the server's trust list or is restricted to other projects"
            ),
        ),
        _ if no_space(&said) => (ErrorKind::Exhausted, said),
        (404, _) => (ErrorKind::NotFound, said),
        _ if stopping => (ErrorKind::Unreachable, format!("the daemon takes no requests now: {said}")),
        (500.., _) => (ErrorKind::Other, said),
        _ => (ErrorKind::Refused, said),
    };
    let (kind, text) = kind_and_text;
    let error = BackendError::new(kind, BACKEND, operation, text).with("status", fault.code);
    // A server error may come after the work was begun; a refusal comes before it.
    let error = match fault.code {
        _ if stopping => error.transient(RETRY_AFTER),
        500.. => error,
        _ => error.outcome_is(CallOutcome::NotApplied),
    };
    match node {
        Some(node) => error.with("node", node),
        None => error,
    }
}

/// Whether a text tells of a full disk or quota (the words of strerror(3) for `ENOSPC` and `EDQUOT`).
pub(crate) fn no_space(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("no space left on device") || text.contains("disk quota exceeded")
}

/// Foreign text on one line, without control characters, cut to a readable length.
pub(crate) fn quote(text: &str) -> String {
    clean(text.trim(), QUOTED)
}

/// At most `max` characters of `text`, control characters as blanks.
pub(crate) fn clean(text: &str, max: usize) -> String {
    let mut out: String = text.chars().take(max).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(max).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use canary_core::traits::Retry;

    #[test]
    fn faults_become_errors_with_a_meaning() {
        let node = NodeId::new("backend-api-1").unwrap();
        let project = ProjectName::default();
        let cases = [
            (
                404,
                "Failed to fetch instance \"backend-api-1\" in project \"default\": Instance not found",
                "incus: exec: not found: there is no instance backend-api-1 in project default (status=404, node=backend-api-1)",
            ),
            (
                404,
                "Project not found",
                "incus: exec: not found: there is no project default (status=404, node=backend-api-1)",
            ),
            (
                400,
                "Instance is not running",
                "incus: exec: not found: instance backend-api-1 exists but is not running (status=400, node=backend-api-1)",
            ),
            (
                403,
                "Forbidden",
                "incus: exec: unauthorised: Forbidden: the client certificate is not in the server's trust list or is restricted to other projects (status=403, node=backend-api-1)",
            ),
            (
                500,
                "write x: No space left on device",
                "incus: exec: out of resources: write x: No space left on device (status=500, node=backend-api-1)",
            ),
            (412, "ETag\u{1b}[2J", "incus: exec: refused: ETag [2J (status=412, node=backend-api-1)"),
            (
                503,
                "Shutting down",
                "incus: exec: unreachable: the daemon takes no requests now: Shutting down (status=503, node=backend-api-1)",
            ),
            (
                500,
                "Incus is shutting down",
                "incus: exec: unreachable: the daemon takes no requests now: Incus is shutting down (status=500, node=backend-api-1)",
            ),
        ];
        for (code, message, expected) in cases {
            let fault = Fault { code, message: message.to_owned() };
            let error = refused(&fault, "exec", Some(&node), &project);
            assert_eq!(error.to_string(), expected);
            let passes = matches!(error.retry(), Retry::Transient { .. });
            assert_eq!(passes, code == 503 || message.contains("shutting down"), "{message}");
            let outcome = if code >= 500 { CallOutcome::Unknown } else { CallOutcome::NotApplied };
            assert_eq!(error.outcome(), outcome, "{message}");
        }
    }

    #[test]
    fn quotes_are_cut() {
        assert_eq!(clean("abc\ndef", 5), "abc d…");
        assert_eq!(clean("äöü", 3), "äöü");
    }
}

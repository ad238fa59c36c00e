//! A whole answer, whatever its status.

use canary_core::traits::{BackendError, ErrorKind};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde::de::DeserializeOwned;

/// How many characters of a body an error may quote.
const EXCERPT: usize = 200;

/// An answer with its whole body; any status is a reply.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, at most as long as the client's limit.
    pub body: Vec<u8>,
    pub(crate) backend: &'static str,
    pub(crate) url: String,
}

impl Reply {
    /// The body read as JSON; fields of `T` say what is required.
    ///
    /// # Errors
    /// `Protocol`, transient, outcome unknown, quoting the start of what came instead.
    pub fn json<T: DeserializeOwned>(&self, operation: &str) -> Result<T, BackendError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let what = if error.is_eof() && !self.body.is_empty() {
                "truncated JSON"
            } else {
                "not the expected JSON"
            };
            let kind = self.content_type();
            self.error(ErrorKind::Protocol, operation, format!("{what}: {}", self.excerpt()))
                .with("content_type", if kind.is_empty() { "none" } else { kind })
                .transient(std::time::Duration::from_secs(1))
                .caused_by(error)
        })
    }

    /// The body as text; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The start of the body on one line, at most 200 characters.
    #[must_use]
    pub fn excerpt(&self) -> String {
        if self.body.is_empty() { "an empty body".to_owned() } else { excerpt(&self.body) }
    }

    /// The `Content-Type` header; empty when missing.
    #[must_use]
    pub fn content_type(&self) -> &str {
        self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// An error about this reply, with its status and URL.
    #[must_use]
    pub fn error(&self, kind: ErrorKind, operation: &str, message: impl Into<String>) -> BackendError {
        BackendError::new(kind, self.backend, operation, message)
            .with("status", self.status.as_u16())
            .with("url", &self.url)
    }
}

/// The start of `bytes` on one line, at most 200 characters; blanks collapse, control characters are escaped.
#[must_use]
pub fn excerpt(bytes: &[u8]) -> String {
    let head = &bytes[..bytes.len().min(EXCERPT * 8)];
    let mut text = String::new();
    let mut count = 0;
    for word in String::from_utf8_lossy(head).split_whitespace() {
        let escaped = word.chars().flat_map(|c| {
            let plain = (!c.is_control()).then_some(c);
            plain.into_iter().chain(c.escape_default().filter(move |_| plain.is_none()))
        });
        let blank = (count > 0).then_some(' ');
        for c in blank.into_iter().chain(escaped) {
            if count == EXCERPT - 1 {
                text.push('…');
                return text;
            }
            text.push(c);
            count += 1;
        }
    }
    if bytes.len() > head.len() {
        text.push('…');
    }
    text
}

//! Texts that are never shown.

use std::fmt;

/// A text that is never shown: not by `Debug`, not by `Display`, not in an error.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text, without the blanks around it.
    #[must_use]
    pub fn new(text: impl AsRef<str>) -> Self {
        Self(text.as_ref().trim().to_owned())
    }

    /// The text itself; whoever asks must not show it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Takes the secret, and its parts of eight characters and more, out of a text.
    pub(crate) fn redact(&self, text: &str) -> String {
        let parts = self.0.split(['/', '?', '&', '=', '#']).filter(|part| part.len() >= 8);
        let mut parts: Vec<_> = parts.chain([self.0.as_str()]).filter(|part| part.len() > 1).collect();
        parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
        parts.iter().fold(text.to_owned(), |text, part| text.replace(part, "…"))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

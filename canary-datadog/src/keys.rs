//! The account's keys, which nothing shows.

use std::fmt;

/// Says why keys cannot be used; shows none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeysError(String);

/// An API key, and for queries an application key.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    api: String,
    app: Option<String>,
}

impl Keys {
    /// Takes an API key, and an application key where queries are made.
    ///
    /// # Errors
    /// [`KeysError`] when one is empty or cannot stand in a header.
    pub fn new(api: &str, app: Option<&str>) -> Result<Self, KeysError> {
        let checked = |name: &str, key: &str| {
            let key = key.trim();
            if key.len() >= 8 && key.bytes().all(|b| b.is_ascii_graphic()) {
                return Ok(key.to_owned());
            }
            Err(KeysError(format!("the {name} is empty, too short, or has a blank in it")))
        };
        let app = app.map(|app| checked("application key", app)).transpose()?;
        Ok(Self { api: checked("API key", api)?, app })
    }

    /// Reads a file's text: `DD_API_KEY=…` and `DD_APP_KEY=…`, a line each; a text of one line is an API key alone. Blank
    /// lines and lines that begin with `#` are left out.
    ///
    /// # Errors
    /// [`KeysError`] when there is no API key, or a line is none of these.
    pub fn parse(text: &str) -> Result<Self, KeysError> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let (mut api, mut app, mut alone) = (None, None, Vec::new());
        for line in lines {
            match line.split_once('=') {
                Some(("DD_API_KEY", key)) => api = Some(key),
                Some(("DD_APP_KEY", key)) => app = Some(key),
                _ => alone.push(line),
            }
        }
        match (api, alone.as_slice()) {
            (Some(api), []) => Self::new(api, app),
            (None, [api]) => Self::new(api, app),
            (None, []) => Err(KeysError("there is no line DD_API_KEY=…".to_owned())),
            _ => Err(KeysError("a line is neither DD_API_KEY=… nor DD_APP_KEY=…".to_owned())),
        }
    }

    /// Whether queries can be made with them.
    #[must_use]
    pub const fn can_query(&self) -> bool {
        self.app.is_some()
    }

    pub(crate) fn api(&self) -> &str {
        &self.api
    }

    pub(crate) fn app(&self) -> Option<&str> {
        self.app.as_deref()
    }

    /// Takes the keys out of a text that may repeat them.
    pub(crate) fn redact(&self, text: &str) -> String {
        let text = text.replace(&self.api, "…");
        self.app.as_ref().map_or_else(|| text.clone(), |app| text.replace(app.as_str(), "…"))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_both_or_one() {
        let both = Keys::parse("# the account\nDD_API_KEY=abcdefgh1\n\nDD_APP_KEY=ijklmnop2\n").unwrap();
        assert!(both.can_query() && both.api() == "abcdefgh1");
        assert_eq!(format!("{both:?}"), "Keys(…)");
        assert_eq!(both.redact("abcdefgh1 and ijklmnop2"), "… and …");
        assert_eq!(Keys::parse("abcdefgh1\n"), Keys::new("abcdefgh1", None));
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_shown() {
        for text in [
            "",
            "#\n",
            "DD_APP_KEY=secret-secret",
            "secret secret",
            "secret-one\nsecret-two",
            "secret",
            "DD_API_KEY=",
        ] {
            let error = Keys::parse(text).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}

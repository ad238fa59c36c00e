//! The settings of a kind of fleet that is not canary's own: `[backend.NAME]` in the file.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::error::CommandError;
use crate::settings::{Origin, position};

/// The table `[backend.NAME]` of the chosen kind, as it was written, and the variables.
#[derive(Clone, Default)]
pub struct OwnSettings {
    name: String,
    file: Option<Arc<File>>,
    variables: BTreeMap<String, OsString>,
    directory: PathBuf,
}

/// A configuration file that was read.
pub(crate) struct File {
    /// As the operator named it.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// Without its text, which may hold secrets.
impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}

impl OwnSettings {
    pub(crate) fn new(
        name: &str,
        file: Option<Arc<File>>,
        variables: BTreeMap<String, OsString>,
        directory: PathBuf,
    ) -> Self {
        Self { name: name.to_owned(), file, variables, directory }
    }

    /// Reads the table; a missing one is as an empty one. `T` says what may stand there: let it deny unknown fields.
    ///
    /// # Errors
    /// A usage error with the line and column of what cannot be read.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, CommandError> {
        let hint = format!("correct [backend.{}]", self.name);
        let (text, path) = match &self.file {
            Some(file) => (file.text.as_str(), file.path.clone()),
            None => ("", PathBuf::new()),
        };
        let whole = DeTable::parse(text)
            .map_err(|error| CommandError::usage(error.message().to_owned(), hint.clone()))?;
        let own = whole
            .into_inner()
            .into_iter()
            .find(|(key, _)| key.get_ref() == "backend")
            .and_then(|(_, value)| match value.into_inner() {
                DeValue::Table(kinds) => kinds.into_iter().find(|(key, _)| *key.get_ref() == self.name),
                _ => None,
            })
            .map(|(_, value)| value);
        let none = own.is_none();
        let own = own.unwrap_or_else(|| Spanned::new(0..0, DeValue::Table(DeTable::new())));
        T::deserialize(ValueDeserializer::from(own)).map_err(|error| {
            let place = match error.span() {
                Some(Range { start, .. }) if !none => {
                    let (line, column) = position(text, start);
                    Origin::File { path, line, column }.to_string()
                }
                _ => format!("[backend.{}] is missing", self.name),
            };
            CommandError::usage(format!("{place}: {}", error.message()), hint)
        })
    }

    /// An environment variable's text; `None` when it is not set, empty or no text. By convention its name begins
    /// with `CANARY_BACKEND_`.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name)?.to_str().filter(|text| !text.is_empty())
    }

    /// A path of the table, which starts at the directory of the file.
    #[must_use]
    pub fn path(&self, written: impl Into<PathBuf>) -> PathBuf {
        let file = self.file.as_ref().and_then(|file| file.path.parent());
        match file {
            Some(directory) => self.directory.join(directory).join(written.into()),
            None => self.directory.join(written.into()),
        }
    }
}

/// Without values: they may be secrets.
impl fmt::Debug for OwnSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnSettings")
            .field("name", &self.name)
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

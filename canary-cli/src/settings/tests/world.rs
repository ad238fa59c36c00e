//! A directory, variables and flags of one invocation, and the words that come of them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use clap::Command;

use crate::cli::{file_argument, named_file};
use crate::environment::Environment;
use crate::error::CommandError;
use crate::settings::{Settings, flags};

/// Makes words stable: the test's own directory gets a name.
pub(super) struct Redactor {
    pairs: Vec<(String, &'static str)>,
}

impl Redactor {
    pub(super) fn new(directory: &Path) -> Self {
        Self { pairs: vec![(directory.display().to_string(), "[DIR]")] }
    }

    pub(super) fn redact(&self, text: &str) -> String {
        self.pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }
}

/// One invocation.
pub(super) struct World {
    pub(super) directory: tempfile::TempDir,
    environment: Environment,
    arguments: Vec<OsString>,
}

impl World {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let environment = Environment {
            variables: [("HOME", "/home/ada"), ("USER", "ada")].map(|(k, v)| (k.to_owned(), v.into())).into(),
            directory: directory.path().to_owned(),
            root: false,
            host: "deploy".to_owned(),
            terminal: false,
        };
        Self { directory, environment, arguments: vec!["canary-cli".into()] }
    }

    pub(super) fn file(self, contents: impl AsRef<[u8]>) -> Self {
        std::fs::write(self.directory.path().join("canary.toml"), contents).unwrap();
        self
    }

    pub(super) fn variable(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.environment.variables.insert(name.to_owned(), OsStr::from_bytes(value.as_ref()).to_owned());
        self
    }

    pub(super) fn arguments<A: AsRef<OsStr>>(mut self, arguments: &[A]) -> Self {
        self.arguments.extend(arguments.iter().map(|a| a.as_ref().to_owned()));
        self
    }

    pub(super) fn read(&self) -> Result<Settings, CommandError> {
        let command = flags::add(Command::new("canary-cli").arg(file_argument()), |_| true);
        let matches = command.try_get_matches_from(&self.arguments)?;
        Settings::read(named_file(&matches).as_deref(), Some(&matches), &self.environment)
    }

    /// The exit code and the whole message of a refused invocation.
    pub(super) fn refusal(&self) -> String {
        let error = self.read().expect_err("the settings were accepted");
        Redactor::new(self.directory.path()).redact(&format!("exit code {}\n{error}\n", error.exit_code()))
    }
}

//! For tests: a directory, variables and arguments of one invocation, and the words that come of them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

use clap::Command;

use crate::backend::Registry;
use crate::cli::{file_argument, named_file};
use crate::environment::Environment;
use crate::error::CommandError;
use crate::settings::{Settings, flags};

/// Makes words stable: the test's own directory, digests, ids and times get names.
pub(crate) struct Redactor {
    directory: String,
}

impl Redactor {
    pub(crate) fn new(directory: &Path) -> Self {
        Self { directory: directory.display().to_string() }
    }

    pub(crate) fn redact(&self, text: &str) -> String {
        let text = text.replace(&self.directory, "[DIR]");
        let text = text.replace(&format!("process {} on", std::process::id()), "process [PID] on");
        text.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && !"-:.".contains(c)).map(word).collect()
    }
}

/// Ids (`20240115T143210Z-ab12cd34`), instants and times of day by their shape.
fn word(word: &str) -> String {
    let end = word.find(|c: char| !c.is_ascii_alphanumeric() && !"-:.".contains(c)).unwrap_or(word.len());
    let (word, rest) = word.split_at(end);
    let shape: String = word.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let name = match shape.as_str() {
        "00:00:00" => "[TIME]",
        "0000-00-00T00:00:00.000Z" => "[INSTANT]",
        _ if shape.starts_with("00000000T000000Z-") => "[ROLLOUT]",
        _ => word,
    };
    format!("{name}{rest}")
}

/// Output that can be looked at afterwards.
#[derive(Clone, Default)]
pub(crate) struct Captured(pub(crate) Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// One invocation.
pub(crate) struct World {
    pub(crate) directory: tempfile::TempDir,
    environment: Environment,
    arguments: Vec<OsString>,
}

impl World {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        // No test leaves anything at home: nothing can be written there, not by root either.
        let environment = Environment {
            variables: [("HOME", "/dev/null/ada"), ("USER", "ada")]
                .map(|(k, v)| (k.to_owned(), v.into()))
                .into(),
            directory: directory.path().to_owned(),
            root: false,
            host: "deploy".to_owned(),
            terminal: false,
        };
        Self { directory, environment, arguments: vec!["canary-cli".into()] }
    }

    pub(crate) fn file(self, contents: impl AsRef<[u8]>) -> Self {
        std::fs::write(self.directory.path().join("canary.toml"), contents).unwrap();
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.environment.variables.insert(name.to_owned(), OsStr::from_bytes(value.as_ref()).to_owned());
        self
    }

    pub(crate) fn arguments<A: AsRef<OsStr>>(mut self, arguments: &[A]) -> Self {
        self.arguments.extend(arguments.iter().map(|a| a.as_ref().to_owned()));
        self
    }

    pub(crate) fn read(&self) -> Result<Settings, CommandError> {
        let command = flags::add(Command::new("canary-cli").arg(file_argument()), |_| true);
        let matches = command.try_get_matches_from(&self.arguments)?;
        Settings::read(
            named_file(&matches).as_deref(),
            Some(&matches),
            &self.environment,
            &Registry::default(),
        )
    }

    /// Runs a whole command line; gives the exit code, standard output and standard error.
    pub(crate) fn run(&self) -> String {
        let out = Captured::default();
        let mut err = Vec::new();
        let code = crate::cli::run(
            self.arguments.clone(),
            &self.environment,
            &Registry::default(),
            out.clone(),
            &mut err,
        );
        let out = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
        let err = String::from_utf8(err).unwrap();
        let text = format!("exit code {code}\n--- out\n{out}--- err\n{err}");
        Redactor::new(self.directory.path()).redact(&text)
    }

    /// The same world with other arguments.
    pub(crate) fn again<A: AsRef<OsStr>>(mut self, arguments: &[A]) -> Self {
        self.arguments.truncate(1);
        self.arguments(arguments)
    }

    /// The exit code and the whole message of a refused invocation.
    pub(crate) fn refusal(&self) -> String {
        let error = self.read().expect_err("the settings were accepted");
        Redactor::new(self.directory.path()).redact(&format!("exit code {}\n{error}\n", error.exit_code()))
    }
}

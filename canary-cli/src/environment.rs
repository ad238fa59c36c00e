//! All that the program takes from its surroundings, read once and in one place.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io::IsTerminal as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

/// The surroundings of one invocation. Tests write their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// The environment variables; those with a name that is no text are left out.
    pub variables: BTreeMap<String, OsString>,
    /// The directory the command was called in.
    pub directory: PathBuf,
    /// Whether the process has root's rights.
    pub root: bool,
    /// The host's name.
    pub host: String,
    /// Whether standard output is a terminal.
    pub terminal: bool,
}

/// Environment variables whose names come from files; their values may be secrets, and are not shown.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Variables(BTreeMap<String, OsString>);

impl Variables {
    /// A variable's text; `None` when it is not set, empty or no text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.to_str().filter(|text| !text.is_empty())
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Variables({} …)", self.0.len())
    }
}

impl Environment {
    /// The variables, to be asked for by name later.
    #[must_use]
    pub fn kept(&self) -> Variables {
        Variables(self.variables.clone())
    }

    /// Reads the process' own surroundings.
    ///
    /// # Errors
    /// When the current directory was removed or may not be read.
    pub fn of_process() -> std::io::Result<Self> {
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect();
        Ok(Self {
            variables,
            directory: std::env::current_dir()?,
            root: std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0),
            host: host_name(),
            terminal: std::io::stdout().is_terminal(),
        })
    }

    /// A variable's text; `None` when it is not set, empty or no text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.variables.get(name)?.to_str().filter(|text| !text.is_empty())
    }

    /// Who runs the command: `SUDO_USER` or `USER` with the host's name.
    #[must_use]
    pub fn actor(&self) -> String {
        let fallback = if self.root { "root" } else { "unknown" };
        let user = self.text("SUDO_USER").or_else(|| self.text("USER")).unwrap_or(fallback);
        format!("{user}@{}", self.host)
    }

    /// Where journals lie unless a setting says otherwise: `/var/lib/canary` for root, else
    /// `$XDG_STATE_HOME/canary`, else `$HOME/.local/state/canary`; without a home, `.canary` in the directory.
    #[must_use]
    pub fn state_directory(&self) -> PathBuf {
        if self.root {
            return PathBuf::from("/var/lib/canary");
        }
        let absolute = |name| self.text(name).map(PathBuf::from).filter(|path| path.is_absolute());
        absolute("XDG_STATE_HOME")
            .map(|state| state.join("canary"))
            .or_else(|| absolute("HOME").map(|home| home.join(".local/state/canary")))
            .unwrap_or_else(|| self.directory.join(".canary"))
    }
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".to_owned() } else { name.to_owned() }
}

//! The server's programs, and how to run them as somebody who is not root.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::config::ClusterConfig;
use super::error::ClusterError;

/// Where packages put versions side by side: `<root>/<version>/bin`.
const VERSIONED: [&str; 2] = ["/usr/lib/postgresql", "/opt/postgresql"];

/// The user that PostgreSQL's packages make.
const ACCOUNT: &str = "postgres";

/// A directory with `initdb` and `postgres`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Programs {
    /// The directory.
    pub(crate) directory: PathBuf,
    /// Their major version.
    pub(crate) major: u32,
}

impl Programs {
    /// The newest ones, or those of the wanted major version.
    pub(crate) fn find(config: &ClusterConfig) -> Result<Self, ClusterError> {
        let candidates = match &config.programs {
            Some(directory) => vec![directory.clone()],
            None => candidates(),
        };
        let mut found: Vec<Self> = candidates.into_iter().filter_map(Self::at).collect();
        found.retain(|programs| config.major.is_none_or(|major| major == programs.major));
        found.sort_by_key(|programs| programs.major);
        found.pop().ok_or_else(|| ClusterError::NoPrograms {
            wanted: config.major.map_or_else(String::new, |major| format!(" of major version {major}")),
            looked: match &config.programs {
                Some(directory) => directory.display().to_string(),
                None => format!("{}/*/bin or where pg_config says", VERSIONED[0]),
            },
        })
    }

    fn at(directory: PathBuf) -> Option<Self> {
        let there = ["initdb", "postgres"].iter().all(|program| directory.join(program).is_file());
        let output =
            there.then(|| Command::new(directory.join("postgres")).arg("--version").output().ok())??;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"; "16beta1" before a release.
        let version = text.split_whitespace().nth(2)?;
        let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
        Some(Self { directory, major: digits.parse().ok()? })
    }
}

fn candidates() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for root in VERSIONED {
        let entries = fs::read_dir(root).into_iter().flatten().flatten();
        found.extend(entries.map(|entry| entry.path().join("bin")));
    }
    // Found on the PATH; elsewhere than the version directories where PostgreSQL was built by hand.
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        found.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    found
}

/// Whom the server runs as, and what is put before its command line for that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    /// The user and group that own the directory; oneself when not set.
    pub(crate) owner: Option<(u32, u32)>,
    /// Whether `setpriv` is there.
    setpriv: bool,
}

impl Account {
    /// The user `postgres` when run as root, else oneself.
    pub(crate) fn find() -> Result<Self, ClusterError> {
        let setpriv =
            Command::new("setpriv").arg("--version").output().is_ok_and(|output| output.status.success());
        if !rustix::process::geteuid().is_root() {
            return Ok(Self { owner: None, setpriv });
        }
        if !setpriv {
            let why =
                "setpriv, which makes it run as another user, is not there; install util-linux".to_owned();
            return Err(ClusterError::NoUser { why });
        }
        let ids = ids(Path::new("/etc/passwd")).map_err(ClusterError::io("read", "/etc/passwd"))?;
        let Some(owner) = ids else {
            let why = format!(
                "there is no user {ACCOUNT}; the package postgresql makes one (or run this as another user)"
            );
            return Err(ClusterError::NoUser { why });
        };
        Ok(Self { owner: Some(owner), setpriv })
    }

    /// The command that runs a program as this user, and has the kernel send it `signal` when the thread that starts it ends.
    pub(crate) fn command(&self, program: &Path, signal: &str) -> Command {
        if !self.setpriv {
            return Command::new(program);
        }
        let mut command = Command::new("setpriv");
        if let Some((user, group)) = self.owner {
            command.arg(format!("--reuid={user}")).arg(format!("--regid={group}")).arg("--init-groups");
        }
        command.arg(format!("--pdeathsig={signal}")).arg("--").arg(program);
        command
    }
}

/// The user's and group's numbers in a passwd file.
fn ids(path: &Path) -> io::Result<Option<(u32, u32)>> {
    let text = fs::read_to_string(path)?;
    let mut lines = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let fields = lines.find(|fields| fields.first() == Some(&ACCOUNT));
    Ok(fields.and_then(|fields| Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))))
}

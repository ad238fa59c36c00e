//! `show info` and `show cli level`: which process answers, and what it permits.

use std::fmt;

use super::{CodecError, excerpt};

/// HAProxy's version, as far as it decides what the Runtime API can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The first number (`2` in `2.6.12`).
    pub major: u32,
    /// The second number (`6` in `2.6.12`).
    pub minor: u32,
}

impl Version {
    /// The oldest version whose replies are known here.
    pub const OLDEST: Self = Self { major: 2, minor: 4 };
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The process that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessInfo {
    /// Its whole version, verbatim (`2.6.12-1+deb12u4`).
    pub release: String,
    /// The numbers of it that matter.
    pub version: Version,
    /// Its process id, as seen from where it runs.
    pub pid: u32,
    /// How long it has been running, in whole seconds.
    pub uptime: u64,
    /// When it started, in seconds since 1970, fixed at its start; `None` where it does not tell.
    pub started: Option<u64>,
    /// Whether it is an old process that only finishes its connections.
    pub stopping: bool,
}

impl ProcessInfo {
    /// Identifies the process: `pid@start`.
    ///
    /// Both are constant while it lives. The start is not computed from the uptime where it is missing: that would
    /// change with every clock correction; it reads `pid@?` then.
    #[must_use]
    pub fn epoch(&self) -> String {
        match self.started {
            Some(started) => format!("{}@{started}", self.pid),
            None => format!("{}@?", self.pid),
        }
    }
}

/// Reads the reply to `show info`: lines of `Name: value`.
///
/// # Errors
/// [`CodecError`] when the version, the process id or the uptime is missing or is none.
pub fn parse_info(body: &str) -> Result<ProcessInfo, CodecError> {
    let field = |name: &'static str| {
        body.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.trim() == name)
            .map(|(_, value)| value.trim())
    };
    let need = |name| field(name).ok_or(CodecError::Missing(name));
    let release = need("Version")?;
    Ok(ProcessInfo {
        release: excerpt(release),
        version: version(release)?,
        pid: number("Pid", need("Pid")?)?,
        uptime: number("Uptime_sec", need("Uptime_sec")?)?,
        started: field("Start_time_sec").map(|text| number("Start_time_sec", text)).transpose()?,
        stopping: field("Stopping").is_some_and(|text| text != "0"),
    })
}

fn version(release: &str) -> Result<Version, CodecError> {
    let mut parts = release.splitn(3, '.');
    let mut part = || {
        let text = parts.next().unwrap_or_default();
        let digits = text.find(|c: char| !c.is_ascii_digit()).map_or(text, |end| &text[..end]);
        digits.parse::<u32>().ok()
    };
    match (part(), part()) {
        (Some(major), Some(minor)) => Ok(Version { major, minor }),
        _ => Err(wrong("Version", release, "a version")),
    }
}

fn number<N: std::str::FromStr>(column: &'static str, text: &str) -> Result<N, CodecError> {
    text.parse().map_err(|_| wrong(column, text, "a number in range"))
}

fn wrong(column: &'static str, value: &str, expected: &'static str) -> CodecError {
    CodecError::Field { row: 0, column, value: excerpt(value), expected }
}

/// What a stats socket permits (`level` of the `stats socket` line).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SocketLevel {
    /// Reading what is not sensitive.
    User,
    /// Reading everything, clearing maxima.
    Operator,
    /// Everything: what changing servers needs.
    Admin,
}

impl fmt::Display for SocketLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::User => "user",
            Self::Operator => "operator",
            Self::Admin => "admin",
        })
    }
}

/// Reads the reply to `show cli level`.
///
/// # Errors
/// [`CodecError::Expected`] when it names none of the three levels.
pub fn parse_level(body: &str) -> Result<SocketLevel, CodecError> {
    match body.trim() {
        "user" => Ok(SocketLevel::User),
        "operator" => Ok(SocketLevel::Operator),
        "admin" => Ok(SocketLevel::Admin),
        other => Err(CodecError::Expected { expected: "user, operator or admin", found: excerpt(other) }),
    }
}

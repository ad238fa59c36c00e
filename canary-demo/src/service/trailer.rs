use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The longest time a fault or a request may ask for, in milliseconds.
pub const MAX_MILLIS: u64 = 120_000;

const MARK: &[u8] = b"\n#canary-lab:";
/// A trailer is one short line; more is not looked at, so that a large artifact is not searched whole.
const LONGEST: usize = 4096;

/// What a release does wrong, on purpose.
///
/// Rates are parts per million of the requests concerned, spread evenly and without randomness: at 50 000 every 20th
/// request is hit. Times are milliseconds, at most [`MAX_MILLIS`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Fault {
    /// Answers 500 at a rate; never on the health endpoint.
    Errors {
        /// Parts per million, 0 to 1 000 000.
        rate_ppm: u32,
    },
    /// Answers later at a rate; never on the health endpoint.
    Latency {
        /// Parts per million, 0 to 1 000 000.
        rate_ppm: u32,
        /// The time added.
        ms: u64,
    },
    /// Answers 500 on the health endpoint, always.
    Health,
    /// Exits with code 1 at start.
    Crash,
    /// Listens only after a time.
    SlowStart {
        /// The time before the port is open.
        ms: u64,
    },
    /// Takes at least this long for every request but health.
    LongRequests {
        /// The shortest duration of a request.
        ms: u64,
    },
}

impl Fault {
    fn check(&self) -> Result<(), TrailerError> {
        let (rate, ms) = match *self {
            Self::Errors { rate_ppm } => (rate_ppm, 0),
            Self::Latency { rate_ppm, ms } => (rate_ppm, ms),
            Self::SlowStart { ms } | Self::LongRequests { ms } => (0, ms),
            Self::Health | Self::Crash => (0, 0),
        };
        if rate > 1_000_000 {
            return Err(TrailerError::Range { what: "rate_ppm", value: rate.into(), max: 1_000_000 });
        }
        if ms > MAX_MILLIS {
            return Err(TrailerError::Range { what: "ms", value: ms, max: MAX_MILLIS });
        }
        Ok(())
    }
}

/// The last line of an artifact: its version and its faults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trailer {
    /// The release's name, shown in every answer.
    pub version: String,
    /// What this release does wrong; empty for a good one.
    #[serde(default)]
    pub faults: Vec<Fault>,
}

impl Trailer {
    /// A release without faults.
    pub fn new(version: impl Into<String>) -> Self {
        Self { version: version.into(), faults: Vec::new() }
    }

    /// Adds a fault.
    #[must_use]
    pub fn with(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// The line as it is appended to the binary, from the line feed before it to the one at its end.
    pub fn to_line(&self) -> String {
        // A struct of strings and integers: serialising it has no failing case, and `Value`'s Display is its JSON.
        let json = serde_json::json!(self);
        format!("\n#canary-lab:{json}\n")
    }

    fn check(self) -> Result<Self, TrailerError> {
        let word = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
        if self.version.is_empty() || self.version.len() > 64 || !self.version.chars().all(word) {
            return Err(TrailerError::Version(self.version));
        }
        self.faults.iter().try_for_each(Fault::check)?;
        Ok(self)
    }
}

/// Why an artifact's last line is not a trailer, or none could be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrailerError {
    /// The line is there and is not what it should be.
    #[error("the artifact's last line is not a valid trailer")]
    Json(#[from] serde_json::Error),
    /// A version must be 1 to 64 letters, digits or `._-+`.
    #[error("version {0:?} is not 1 to 64 letters, digits or any of '._-+'")]
    Version(String),
    /// A number is out of range.
    #[error("{what} is {value}, more than {max}")]
    Range {
        /// The field.
        what: &'static str,
        /// What it held.
        value: u64,
        /// The largest it may hold.
        max: u64,
    },
    /// A file could not be read or written.
    #[error("cannot {verb} {path}", path = path.display())]
    Io {
        /// What was done to the file.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Where the trailer starts, when the artifact ends in one.
fn trailer_start(artifact: &[u8]) -> Option<usize> {
    let from = artifact.len().saturating_sub(LONGEST);
    let tail = &artifact[from..];
    tail.windows(MARK.len()).rposition(|window| window == MARK).map(|at| from + at)
}

/// Reads the trailer at the end of an artifact; `None` when it has none.
///
/// # Errors
/// The line is cut off, is not JSON of the right shape, or holds a number out of range.
pub fn read_trailer(artifact: &[u8]) -> Result<Option<Trailer>, TrailerError> {
    let Some(start) = trailer_start(artifact) else { return Ok(None) };
    let trailer: Trailer = serde_json::from_slice(&artifact[start + MARK.len()..])?;
    trailer.check().map(Some)
}

/// Reads the trailer of the program that runs.
///
/// # Errors
/// As [`read_trailer`], or the program's file cannot be read.
pub fn running_trailer() -> Result<Option<Trailer>, TrailerError> {
    read_trailer(&read(Path::new("/proc/self/exe"))?)
}

/// Writes a copy of the artifact `source` to `target` with this trailer in the place of any it had; mode 0755.
///
/// # Errors
/// The trailer is out of range (nothing is written then), or a file cannot be read or written.
pub fn stamp(source: &Path, target: &Path, trailer: &Trailer) -> Result<(), TrailerError> {
    let line = trailer.clone().check()?.to_line();
    let mut artifact = read(source)?;
    if let Some(start) = trailer_start(&artifact) {
        artifact.truncate(start);
    }
    artifact.extend_from_slice(line.as_bytes());
    let failed = |source| TrailerError::Io { verb: "write", path: target.to_owned(), source };
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o755)
        .open(target)
        .map_err(failed)?;
    file.write_all(&artifact).map_err(failed)
}

fn read(path: &Path) -> Result<Vec<u8>, TrailerError> {
    fs::read(path).map_err(|source| TrailerError::Io { verb: "read", path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamped_copy_reads_back_and_a_second_stamp_replaces_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let (source, one, two) = (dir.path().join("plain"), dir.path().join("one"), dir.path().join("two"));
        fs::write(&source, b"\x7fELF and the rest").unwrap();
        let first = Trailer::new("v1").with(Fault::Latency { rate_ppm: 10, ms: 700 }).with(Fault::Health);
        let second = Trailer::new("v2").with(Fault::SlowStart { ms: 3000 });
        stamp(&source, &one, &first).unwrap();
        stamp(&one, &two, &second).unwrap();
        assert_eq!(read_trailer(&fs::read(&one).unwrap()).unwrap(), Some(first));
        let bytes = fs::read(&two).unwrap();
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            "\u{7f}ELF and the rest\n#canary-lab:{\"faults\":[{\"kind\":\"slow-start\",\"ms\":3000}],\"version\":\"v2\"}\n"
        );
    }

    #[test]
    fn a_bare_artifact_has_no_trailer() {
        assert_eq!(read_trailer(b"\x7fELF").unwrap(), None);
        assert_eq!(read_trailer(b"").unwrap(), None);
    }

    #[test]
    fn a_cut_or_wrong_trailer_is_an_error() {
        let whole = Trailer::new("v1").with(Fault::Crash).to_line();
        for cut in MARK.len()..whole.len() - 2 {
            assert!(
                matches!(read_trailer(&whole.as_bytes()[..cut]), Err(TrailerError::Json(_))),
                "cut at {cut}"
            );
        }
        let cases = [
            ("{\"version\":\"v1\",\"fault\":\"x\"}", "unknown field"),
            ("{\"version\":\"v1\",\"faults\":[{\"kind\":\"nap\"}]}", "unknown variant"),
            ("{\"version\":\"\"}", "not 1 to 64"),
            ("{\"version\":\"a b\"}", "not 1 to 64"),
            (
                "{\"version\":\"v1\",\"faults\":[{\"kind\":\"errors\",\"rate_ppm\":1000001}]}",
                "more than 1000000",
            ),
            ("{\"version\":\"v1\",\"faults\":[{\"kind\":\"slow-start\",\"ms\":120001}]}", "more than 120000"),
        ];
        for (json, message) in cases {
            let error = read_trailer(format!("ELF\n#canary-lab:{json}\n").as_bytes()).unwrap_err();
            let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            assert!(format!("{error}: {source}").contains(message), "{json}: {error}: {source}");
        }
    }

    #[test]
    fn nothing_is_written_for_a_trailer_out_of_range() {
        let dir = tempfile::tempdir().unwrap();
        let (source, target) = (dir.path().join("plain"), dir.path().join("out"));
        fs::write(&source, b"ELF").unwrap();
        let bad = Trailer::new("v1").with(Fault::Errors { rate_ppm: 2_000_000 });
        assert!(matches!(stamp(&source, &target, &bad), Err(TrailerError::Range { .. })));
        assert!(!target.exists());
    }
}

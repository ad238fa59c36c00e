//! Artifacts are known by their SHA-256 digest; a path is only where one lies at the moment.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A SHA-256 digest; shown as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// Digests bytes in memory.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Its 32 bytes.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first twelve hex digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl From<[u8; 32]> for Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl FromStr for Digest {
    type Err = ArtifactError;

    fn from_str(text: &str) -> Result<Self, ArtifactError> {
        let refuse = || ArtifactError::Digest(text.chars().take(80).collect());
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(refuse());
        }
        let mut bytes = [0_u8; 32];
        for (slot, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| refuse())?;
            *slot = u8::from_str_radix(pair, 16).map_err(|_| refuse())?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Digest {
    type Error = ArtifactError;

    fn try_from(text: String) -> Result<Self, ArtifactError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

/// What is wrong with an artifact, a digest or a path.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The text is not 64 hex digits.
    #[error("{0:?} is not a SHA-256 digest (64 hex digits)")]
    Digest(String),
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The path names something that is not a regular file.
    #[error("{0} is not a regular file")]
    NotAFile(PathBuf),
    /// The file has no bytes.
    #[error("{0} is empty")]
    Empty(PathBuf),
    /// The file is not the one that was planned with.
    #[error("{path} has digest {found}, expected {expected}")]
    Changed {
        /// The file.
        path: PathBuf,
        /// The digest that was planned with.
        expected: Digest,
        /// The digest found now.
        found: Digest,
    },
    /// The path inside an instance is not usable.
    #[error("{value:?} is not a usable path inside an instance: {why}")]
    RemotePath {
        /// The refused value.
        value: String,
        /// The rule it breaks.
        why: &'static str,
    },
}

/// The size and digest of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFacts {
    /// SHA-256 over its bytes.
    pub sha256: Digest,
    /// Its length in bytes.
    pub size: u64,
}

/// A file on the deploying host, identified by digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Where it lies.
    pub path: PathBuf,
    /// Its size and digest when it was read.
    pub facts: FileFacts,
}

impl Artifact {
    /// Reads a file through and notes its digest; blocking, for start-up and `spawn_blocking`.
    ///
    /// # Errors
    /// [`ArtifactError`] when the file cannot be read, is no regular file or is empty.
    pub fn read(path: impl Into<PathBuf>) -> Result<Self, ArtifactError> {
        let path = path.into();
        let facts = file_facts(&path)?;
        if facts.size == 0 {
            return Err(ArtifactError::Empty(path));
        }
        Ok(Self { path, facts })
    }

    /// Reads the file again and compares; blocking.
    ///
    /// # Errors
    /// [`ArtifactError::Changed`] when the digest differs, others when it cannot be read.
    pub fn verify(&self) -> Result<(), ArtifactError> {
        let found = file_facts(&self.path)?.sha256;
        if found == self.facts.sha256 {
            return Ok(());
        }
        Err(ArtifactError::Changed { path: self.path.clone(), expected: self.facts.sha256, found })
    }
}

/// Digests a file in pieces of 64 KiB.
fn file_facts(path: &Path) -> Result<FileFacts, ArtifactError> {
    let unreadable = |source| ArtifactError::Unreadable { path: path.to_owned(), source };
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(ArtifactError::NotAFile(path.to_owned()));
    }
    let mut file = std::fs::File::open(path).map_err(unreadable)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0_u8; 64 * 1024];
    let mut size = 0_u64;
    loop {
        let n = io::Read::read(&mut file, &mut buffer).map_err(unreadable)?;
        if n == 0 {
            break;
        }
        hasher.update(&buffer[..n]);
        size += n as u64;
    }
    Ok(FileFacts { sha256: Digest(hasher.finalize().into()), size })
}

/// An absolute path inside an instance.
///
/// Starts with `/`; no control characters, no `.` or `..` parts, not `/` itself, at most 1024 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RemotePath(String);

impl RemotePath {
    /// Checks and wraps a path.
    ///
    /// # Errors
    /// [`ArtifactError::RemotePath`] naming the value and the rule it breaks.
    pub fn new(value: impl Into<String>) -> Result<Self, ArtifactError> {
        let value = value.into();
        let why = if !value.starts_with('/') {
            "it must be absolute"
        } else if value.len() > 1024 {
            "it is longer than 1024 bytes"
        } else if value.chars().any(char::is_control) {
            "it has a control character"
        } else if value.split('/').skip(1).any(|part| matches!(part, "" | "." | "..")) {
            "it has an empty, '.' or '..' part"
        } else {
            return Ok(Self(value));
        };
        Err(ArtifactError::RemotePath { value, why })
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same path with `suffix` appended to its last part.
    ///
    /// # Errors
    /// [`ArtifactError::RemotePath`] when the suffix would make it unusable.
    pub fn with_suffix(&self, suffix: &str) -> Result<Self, ArtifactError> {
        Self::new(format!("{}{suffix}", self.0))
    }
}

impl fmt::Display for RemotePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for RemotePath {
    type Error = ArtifactError;

    fn try_from(value: String) -> Result<Self, ArtifactError> {
        Self::new(value)
    }
}

impl From<RemotePath> for String {
    fn from(path: RemotePath) -> Self {
        path.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_round_trips_and_matches_a_known_value() {
        let digest = Digest::of(b"abc");
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest.to_string(), text);
        assert_eq!(text.parse::<Digest>().unwrap(), digest);
        assert!("ba78".parse::<Digest>().is_err());
        assert!(
            "zz7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".parse::<Digest>().is_err()
        );
    }

    #[test]
    fn a_changed_file_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, b"one").unwrap();
        let artifact = Artifact::read(&path).unwrap();
        artifact.verify().unwrap();
        std::fs::write(&path, b"two").unwrap();
        assert!(matches!(artifact.verify(), Err(ArtifactError::Changed { .. })));
        std::fs::write(&path, b"").unwrap();
        assert!(matches!(Artifact::read(&path), Err(ArtifactError::Empty(_))));
        assert!(matches!(Artifact::read(dir.path()), Err(ArtifactError::NotAFile(_))));
    }

    #[test]
    fn remote_paths_cannot_climb() {
        for bad in ["", "a", "/a/../b", "/a//b", "/a/./b", "/", "/a\nb"] {
            assert!(RemotePath::new(bad).is_err(), "{bad:?} was accepted");
        }
        let path = RemotePath::new("/opt/veza/veza-api").unwrap();
        assert_eq!(path.with_suffix(".previous").unwrap().as_str(), "/opt/veza/veza-api.previous");
    }
}

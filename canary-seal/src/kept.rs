//! What decisions rest on, in files beside their journal that are named by their digest.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use canary_core::fleet::Digest;
use canary_core::journal::Decided;

/// What kind of file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeptKind {
    /// What was asked and answered: `evidence/<sha256>.jsonl`.
    Evidence,
    /// A policy as it held, in its canonical form: `policies/<sha256>.json`.
    Policy,
    /// A policy's file as it was written: `policies/<sha256>.yaml`.
    PolicyFile,
}

/// Why a file cannot be kept or had back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeptError {
    /// The operating system said no.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: String,
        /// The system's words.
        #[source]
        source: io::Error,
    },
    /// It is not there.
    #[error("{0} is missing")]
    Missing(String),
    /// It holds something else than its name says.
    #[error("{path} was changed: its SHA-256 is {found}")]
    Changed {
        /// The file.
        path: String,
        /// What it holds.
        found: Digest,
    },
}

/// The files beside one journal.
///
/// A file is written before the record that names it: whole, synced and under its last name, or not at all. One that no record names was left by a
/// writer that died between the two, and harms nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    directory: PathBuf,
}

impl Kept {
    /// The files beside `journal`.
    #[must_use]
    pub fn beside(journal: &Path) -> Self {
        let directory = journal.parent().filter(|dir| !dir.as_os_str().is_empty());
        Self { directory: directory.unwrap_or_else(|| Path::new(".")).to_owned() }
    }

    /// Where a file of that digest lies.
    #[must_use]
    pub fn path(&self, kind: KeptKind, digest: Digest) -> PathBuf {
        let (directory, extension) = match kind {
            KeptKind::Evidence => ("evidence", "jsonl"),
            KeptKind::Policy => ("policies", "json"),
            KeptKind::PolicyFile => ("policies", "yaml"),
        };
        self.directory.join(directory).join(format!("{digest}.{extension}"))
    }

    /// Keeps `bytes`, durably; one that is there as it should be is left alone.
    ///
    /// # Errors
    /// [`KeptError::Io`].
    pub fn put(&self, kind: KeptKind, bytes: &[u8]) -> Result<Digest, KeptError> {
        let digest = Digest::of(bytes);
        let path = self.path(kind, digest);
        // One that was changed is put right: its name says what it has to hold.
        if self.read(kind, digest).is_ok() {
            return Ok(digest);
        }
        let failed = |source| KeptError::Io { action: "write", path: path.display().to_string(), source };
        // proof: every path has the directory it was joined to.
        let directory = path.parent().unwrap_or(&self.directory);
        let new = !directory.exists();
        fs::create_dir_all(directory).map_err(failed)?;
        if new {
            sync(&self.directory).map_err(failed)?;
        }
        let mut file = tempfile::Builder::new().prefix(".part-").tempfile_in(directory).map_err(failed)?;
        file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        sync(directory).map_err(failed)?;
        Ok(digest)
    }

    /// What a file holds, which is what its name says.
    ///
    /// # Errors
    /// [`KeptError`].
    pub fn read(&self, kind: KeptKind, digest: Digest) -> Result<Vec<u8>, KeptError> {
        let path = self.path(kind, digest);
        let shown = || path.display().to_string();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(KeptError::Missing(shown())),
            Err(source) => return Err(KeptError::Io { action: "read", path: shown(), source }),
        };
        let found = Digest::of(&bytes);
        if found == digest { Ok(bytes) } else { Err(KeptError::Changed { path: shown(), found }) }
    }

    /// Checks everything that a decision rests on.
    ///
    /// # Errors
    /// The first of it that is missing, changed or not readable.
    pub fn check(&self, decided: &Decided) -> Result<(), KeptError> {
        self.read(KeptKind::Evidence, decided.evidence_sha256)?;
        self.read(KeptKind::Policy, decided.ruling.policy_sha256)?;
        self.read(KeptKind::PolicyFile, decided.policy_file_sha256)?;
        Ok(())
    }
}

fn sync(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_or_is_said_to_be_missing_or_changed() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::beside(&dir.path().join("log/decisions.jsonl"));
        fs::create_dir(dir.path().join("log")).unwrap();
        for kind in [KeptKind::Evidence, KeptKind::Policy, KeptKind::PolicyFile] {
            let digest = kept.put(kind, b"what was seen\n").unwrap();
            assert_eq!(kept.read(kind, digest).unwrap(), b"what was seen\n");
            let path = kept.path(kind, digest);
            assert!(path.to_str().unwrap().contains(&digest.to_string()), "{path:?}");
            for at in 0..14 {
                let mut bytes = b"what was seen\n".to_vec();
                bytes[at] ^= 1;
                fs::write(&path, &bytes).unwrap();
                assert!(matches!(kept.read(kind, digest), Err(KeptError::Changed { .. })), "byte {at}");
            }
            kept.put(kind, b"what was seen\n").unwrap();
            assert_eq!(kept.read(kind, digest).unwrap(), b"what was seen\n", "put right");
            fs::remove_file(&path).unwrap();
            assert!(matches!(kept.read(kind, digest), Err(KeptError::Missing(_))));
        }
    }

    #[test]
    fn what_a_writer_left_that_died_harms_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::beside(&dir.path().join("decisions.jsonl"));
        fs::create_dir(dir.path().join("evidence")).unwrap();
        fs::write(dir.path().join("evidence/.part-abc"), b"half").unwrap();
        let digest = kept.put(KeptKind::Evidence, b"whole").unwrap();
        kept.put(KeptKind::Evidence, b"whole").unwrap();
        assert_eq!(kept.read(KeptKind::Evidence, digest).unwrap(), b"whole");
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_an_error_with_its_path() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("evidence"), b"a file").unwrap();
        let kept = Kept::beside(&dir.path().join("decisions.jsonl"));
        let error = kept.put(KeptKind::Evidence, b"x").unwrap_err();
        assert!(
            matches!(&error, KeptError::Io { action: "write", path, .. } if path.contains("evidence")),
            "{error}"
        );
    }
}

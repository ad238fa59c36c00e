//! What decisions rest on, in files beside their journal that are named by their digest.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use canary_core::fleet::Digest;
use canary_core::journal::Decided;
use sha2::{Digest as _, Sha256};

/// How much is written at a time.
const CHUNK: usize = 64 * 1024;

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

impl KeptKind {
    const fn directory(self) -> &'static str {
        match self {
            Self::Evidence => "evidence",
            Self::Policy | Self::PolicyFile => "policies",
        }
    }
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
        let extension = match kind {
            KeptKind::Evidence => "jsonl",
            KeptKind::Policy => "json",
            KeptKind::PolicyFile => "yaml",
        };
        self.directory.join(kind.directory()).join(format!("{digest}.{extension}"))
    }

    /// Keeps `bytes`, durably; one that is there as it should be is left alone.
    ///
    /// # Errors
    /// [`KeptError::Io`].
    pub fn put(&self, kind: KeptKind, bytes: &[u8]) -> Result<Digest, KeptError> {
        let digest = Digest::of(bytes);
        // One that was changed is put right: its name says what it has to hold.
        match self.holds(kind, digest) {
            Ok(()) => Ok(digest),
            Err(_) => self.put_from(kind, |out| out.write_all(bytes)),
        }
    }

    /// Keeps what `write` writes, durably, without having all of it in memory.
    ///
    /// It is hashed on its way into a file without a lasting name, which gets the name of its digest when all of it is on disk. A writer that is killed
    /// before that leaves `.part-*`, which nobody reads; one that fails leaves nothing.
    ///
    /// # Errors
    /// [`KeptError::Io`]: `write` failed, or the file.
    pub fn put_from(
        &self,
        kind: KeptKind,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Digest, KeptError> {
        let directory = self.directory.join(kind.directory());
        let failed = |path: &Path, source| {
            let path = path.display().to_string();
            KeptError::Io { action: "write", path, source }
        };
        let into = |source| failed(&directory, source);
        let new = !directory.exists();
        fs::create_dir_all(&directory).map_err(into)?;
        if new {
            sync(&self.directory).map_err(into)?;
        }
        let file = tempfile::Builder::new().prefix(".part-").tempfile_in(&directory).map_err(into)?;
        let mut out = BufWriter::with_capacity(CHUNK, Hashing { out: file, hash: Sha256::new() });
        write(&mut out).map_err(into)?;
        let Hashing { out: file, hash } = out.into_inner().map_err(|error| into(error.into_error()))?;
        file.as_file().sync_all().map_err(into)?;
        let digest = Digest::from(<[u8; 32]>::from(hash.finalize()));
        let path = self.path(kind, digest);
        file.persist(&path).map_err(|error| failed(&path, error.error))?;
        sync(&directory).map_err(into)?;
        Ok(digest)
    }

    /// What a file holds, which is what its name says.
    ///
    /// # Errors
    /// [`KeptError`].
    pub fn read(&self, kind: KeptKind, digest: Digest) -> Result<Vec<u8>, KeptError> {
        let mut bytes = Vec::new();
        self.copied(kind, digest, &mut bytes)?;
        Ok(bytes)
    }

    /// Whether a file holds what its name says.
    fn holds(&self, kind: KeptKind, digest: Digest) -> Result<(), KeptError> {
        self.copied(kind, digest, &mut io::sink())
    }

    /// Copies a file while it is held against its name; on an error `to` has what is worth nothing.
    fn copied(&self, kind: KeptKind, digest: Digest, to: &mut impl Write) -> Result<(), KeptError> {
        let path = self.path(kind, digest);
        let shown = || path.display().to_string();
        let failed = |source| KeptError::Io { action: "read", path: shown(), source };
        let mut file = match fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(KeptError::Missing(shown())),
            Err(source) => return Err(failed(source)),
        };
        let mut to = Hashing { out: to, hash: Sha256::new() };
        io::copy(&mut file, &mut to).map_err(failed)?;
        let found = Digest::from(<[u8; 32]>::from(to.hash.finalize()));
        if found == digest { Ok(()) } else { Err(KeptError::Changed { path: shown(), found }) }
    }

    /// Checks everything that a decision rests on.
    ///
    /// # Errors
    /// The first of it that is missing, changed or not readable.
    pub fn check(&self, decided: &Decided) -> Result<(), KeptError> {
        self.holds(KeptKind::Evidence, decided.evidence_sha256)?;
        self.holds(KeptKind::Policy, decided.ruling.policy_sha256)?;
        self.holds(KeptKind::PolicyFile, decided.policy_file_sha256)
    }
}

/// Hashes what it hands on.
struct Hashing<W> {
    out: W,
    hash: Sha256,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.out.write(bytes)?;
        self.hash.update(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn sync(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests;

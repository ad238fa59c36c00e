//! What binaries ask of the database, kept by their digest: the contract of one that runs must be known when the next comes.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use canary_core::fleet::{Digest, Revision};
use serde::{Deserialize, Serialize};

use crate::contract::Contract;

/// The contracts of the binaries that were released, one file each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractStore {
    dir: PathBuf,
}

/// What is kept of a binary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredContract {
    /// The revision of the sources it was built from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// What it asks of the database.
    pub contract: Contract,
}

/// A store that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{what} {}: {source}", path.display())]
pub struct ContractStoreError {
    what: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl ContractStore {
    /// The store in a directory, which is made when something is first kept.
    #[must_use]
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    fn path(&self, binary: &Digest) -> PathBuf {
        self.dir.join(format!("{binary}.json"))
    }

    /// What is known of a binary; nothing when it was never kept.
    ///
    /// # Errors
    /// A file that cannot be read, or is none of ours.
    pub fn load(&self, binary: &Digest) -> Result<Option<StoredContract>, ContractStoreError> {
        let path = self.path(binary);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(ContractStoreError { what: "read the contract", path, source }),
        };
        let stored = serde_json::from_slice(&text);
        stored.map(Some).map_err(|error| ContractStoreError {
            what: "read the contract",
            path,
            source: error.into(),
        })
    }

    /// Keeps what is known of a binary. Whole or not at all, also after a crash; safe to repeat.
    ///
    /// # Errors
    /// A directory that cannot be made, a disk that is full.
    pub fn save(&self, binary: &Digest, stored: &StoredContract) -> Result<(), ContractStoreError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| ContractStoreError { what: "keep the contract", path, source }
        };
        fs::create_dir_all(&self.dir).map_err(failed(&self.dir))?;
        let path = self.path(binary);
        let text = serde_json::to_vec(stored).map_err(io::Error::from).map_err(failed(&path))?;
        // One name a process: two that keep the same binary write the same.
        let beside = self.dir.join(format!(".{binary}.{}", std::process::id()));
        let written = File::create(&beside)
            .and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&beside, &path))
            .and_then(|()| File::open(&self.dir)?.sync_all());
        if written.is_err() {
            // The error that matters is the first.
            let _gone = fs::remove_file(&beside);
        }
        written.map_err(failed(&path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phase::sample;

    #[test]
    fn keeps_and_finds_and_says_what_is_broken() {
        let dir = tempfile::tempdir().unwrap();
        let store = ContractStore::at(dir.path().join("contracts"));
        let binary = Digest::of(b"binary");
        assert_eq!(store.load(&binary).unwrap(), None);
        let stored =
            StoredContract { revision: Some("0123abc".parse().unwrap()), contract: sample(&["SELECT 1"]) };
        store.save(&binary, &stored).unwrap();
        store.save(&binary, &stored).unwrap();
        assert_eq!(store.load(&binary).unwrap(), Some(stored));
        assert_eq!(fs::read_dir(dir.path().join("contracts")).unwrap().count(), 1);
        fs::write(store.path(&binary), "{").unwrap();
        let error = store.load(&binary).unwrap_err().to_string();
        assert!(error.contains("read the contract") && error.contains(".json"), "{error}");
    }
}

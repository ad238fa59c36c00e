//! Files of a node: looked at, replaced in one step, copied out. Blocking; meant for `spawn_blocking`.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use canary_core::fleet::{Artifact, ArtifactError, Digest, FileFacts};
use canary_core::traits::{BackendError, CallOutcome, ErrorKind, InstallReport};

use crate::error::{file_failed, unchanged};

/// The ending of files that are not whole yet.
const PARTIAL: &str = ".canary-partial";

/// Size and digest of a file; `None` when there is none.
pub(crate) fn facts(operation: &str, path: &Path) -> Result<Option<FileFacts>, BackendError> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(file_failed(operation, "look at", path, error)),
        Ok(meta) if !meta.is_file() => {
            let text = format!("{} is not a regular file", path.display());
            return Err(unchanged(ErrorKind::Refused, operation, text));
        }
        Ok(meta) if meta.len() == 0 => {
            return Ok(Some(FileFacts { sha256: Digest::of(&[]), size: 0 }));
        }
        Ok(_) => {}
    }
    match Artifact::read(path) {
        Ok(artifact) => Ok(Some(artifact.facts)),
        Err(ArtifactError::Unreadable { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(ArtifactError::Unreadable { source, .. }) => Err(file_failed(operation, "read", path, source)),
        Err(error) => Err(unchanged(ErrorKind::LocalIo, operation, "it changed meanwhile").caused_by(error)),
    }
}

/// Puts `artifact` in place at `target`, by a copy beside it and a rename.
pub(crate) fn install(target: &Path, artifact: &Artifact) -> Result<InstallReport, BackendError> {
    const OPERATION: &str = "install the artifact";
    let beside = beside(target);
    // What an earlier call left behind.
    let _ = fs::remove_file(&beside);
    if facts(OPERATION, target)? == Some(artifact.facts) {
        return Ok(InstallReport { changed: false, facts: artifact.facts });
    }
    if let Err(error) = copy(OPERATION, &artifact.path, &beside) {
        let _ = fs::remove_file(&beside);
        return Err(error);
    }
    put(target, artifact.facts)
}

/// Puts the file that lies beside `target`, whole and on disk, in its place.
pub(crate) fn put(target: &Path, facts: FileFacts) -> Result<InstallReport, BackendError> {
    const OPERATION: &str = "install the artifact";
    let beside = beside(target);
    let prepared = keep_mode(target, &beside)
        .map_err(|error| file_failed(OPERATION, "set the mode of", &beside, error))
        .and_then(|()| expect(OPERATION, &beside, facts));
    if let Err(error) = prepared {
        let _ = fs::remove_file(&beside);
        return Err(error);
    }
    let unsure =
        |error: io::Error| file_failed(OPERATION, "replace", target, error).outcome_is(CallOutcome::Unknown);
    fs::rename(&beside, target).map_err(unsure)?;
    if let Some(dir) = target.parent() {
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(unsure)?;
    }
    expect(OPERATION, target, facts).map_err(|error| error.outcome_is(CallOutcome::Applied))?;
    Ok(InstallReport { changed: true, facts })
}

/// Copies `from` to `into`, by a copy beside it and a rename.
pub(crate) fn fetch(from: &Path, into: &Path) -> Result<FileFacts, BackendError> {
    const OPERATION: &str = "fetch the file";
    let Some(expected) = facts(OPERATION, from)? else {
        let text = format!("there is no {}", from.display());
        return Err(unchanged(ErrorKind::NotFound, OPERATION, text));
    };
    let beside = beside(into);
    let here = |error: BackendError| local(OPERATION, error);
    let copied =
        copy(OPERATION, from, &beside).map_err(here).and_then(|()| expect(OPERATION, &beside, expected));
    let renamed = copied.and_then(|()| {
        fs::rename(&beside, into)
            .map_err(|error| local(OPERATION, file_failed(OPERATION, "replace", into, error)))
    });
    if let Err(error) = renamed {
        let _ = fs::remove_file(&beside);
        return Err(error);
    }
    Ok(expected)
}

/// A failure on the deploying host's side, unless it is about space.
pub(crate) fn local(operation: &str, error: BackendError) -> BackendError {
    if error.kind() == ErrorKind::Exhausted {
        return error;
    }
    unchanged(ErrorKind::LocalIo, operation, error.message()).caused_by(error)
}

/// Where a file lies until it is whole.
pub(crate) fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(PARTIAL);
    path.with_file_name(name)
}

fn copy(operation: &str, from: &Path, to: &Path) -> Result<(), BackendError> {
    let mut source = File::open(from).map_err(|error| file_failed(operation, "read", from, error))?;
    let failed = |error| file_failed(operation, "write", to, error);
    let mut file = File::create(to).map_err(failed)?;
    io::copy(&mut source, &mut file).map_err(failed)?;
    file.sync_all().map_err(failed)
}

/// Gives the new file the old one's mode and owner; one that is the first may be executed by all.
fn keep_mode(old: &Path, new: &Path) -> io::Result<()> {
    let Ok(meta) = fs::metadata(old) else {
        return fs::set_permissions(new, Permissions::from_mode(0o755));
    };
    let ours = fs::metadata(new)?;
    if (ours.uid(), ours.gid()) != (meta.uid(), meta.gid()) {
        chown(new, Some(meta.uid()), Some(meta.gid()))?;
    }
    fs::set_permissions(new, Permissions::from_mode(meta.mode() & 0o7777))
}

/// Reads a file back.
fn expect(operation: &str, path: &Path, expected: FileFacts) -> Result<(), BackendError> {
    let found = facts(operation, path)?;
    if found == Some(expected) {
        return Ok(());
    }
    let seen = found.map_or_else(|| "nothing".to_owned(), |facts| facts.sha256.to_string());
    let text = format!("{} has digest {seen}, expected {}", path.display(), expected.sha256);
    Err(unchanged(ErrorKind::Mismatch, operation, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(dir: &Path, text: &str) -> Artifact {
        let path = dir.join("artifact");
        fs::write(&path, text).unwrap();
        Artifact::read(path).unwrap()
    }

    #[test]
    fn the_mode_stays_and_the_second_time_writes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("api");
        let one = artifact(dir.path(), "one");
        assert!(install(&target, &one).unwrap().changed);
        assert_eq!(fs::metadata(&target).unwrap().mode() & 0o7777, 0o755);
        fs::set_permissions(&target, Permissions::from_mode(0o711)).unwrap();
        let inode = fs::metadata(&target).unwrap().ino();
        assert_eq!(install(&target, &one).unwrap(), InstallReport { changed: false, facts: one.facts });
        assert_eq!(fs::metadata(&target).unwrap().ino(), inode);
        let two = artifact(dir.path(), "two");
        assert_eq!(install(&target, &two).unwrap(), InstallReport { changed: true, facts: two.facts });
        assert_eq!(fs::metadata(&target).unwrap().mode() & 0o7777, 0o711);
    }

    #[test]
    fn a_changed_artifact_leaves_the_old_file_and_nothing_beside() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("api");
        install(&target, &artifact(dir.path(), "one")).unwrap();
        let two = artifact(dir.path(), "two");
        fs::write(&two.path, "three").unwrap();
        let error = install(&target, &two).unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Mismatch, CallOutcome::NotApplied));
        fs::remove_file(&two.path).unwrap();
        assert_eq!(install(&target, &two).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(fs::read(&target).unwrap(), b"one");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn fetching_names_whose_fault_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let from = artifact(dir.path(), "one");
        let into = dir.path().join("copy");
        assert_eq!(fetch(&from.path, &into).unwrap(), from.facts);
        assert_eq!(fs::read(&into).unwrap(), b"one");
        assert_eq!(fetch(&dir.path().join("none"), &into).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(fetch(&from.path, &dir.path().join("no/dir")).unwrap_err().kind(), ErrorKind::LocalIo);
        assert_eq!(facts("look", dir.path()).unwrap_err().kind(), ErrorKind::Refused);
    }
}

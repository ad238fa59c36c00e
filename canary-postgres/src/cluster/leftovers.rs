//! Directories of throw-away servers whose owner is gone.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::error::ClusterError;

/// What every directory's name starts with.
pub(super) const PREFIX: &str = "canary-pg-";

/// The longest that a server left behind may take to end.
const ENDS: Duration = Duration::from_secs(10);

/// What a process that is gone left behind, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The directory.
    pub directory: PathBuf,
    /// The server that still ran in it and was ended.
    pub server: Option<u32>,
    /// Why it is still there, if so.
    pub failed: Option<String>,
}

/// Removes the directories, and ends the servers, of owners that are gone; leaves alone what others own or still use.
///
/// Safe to repeat, and beside others that do the same: each directory has a lock file that its owner holds, and whoever
/// removes it holds it too.
#[must_use]
pub fn remove_leftovers(parent: &Path) -> Vec<Leftover> {
    let mut found = Vec::new();
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with(PREFIX) || !name.ends_with(".lock") {
            continue;
        }
        if let Ok(Some(_held)) = locked(&path, false) {
            let directory = path.with_extension("");
            let removed = remove(&directory);
            // The lock file last: as long as it is there, so may the directory be.
            if removed.is_ok() && fs::remove_file(&path).is_err() {
                continue;
            }
            let server = removed.as_ref().ok().copied().flatten();
            found.push(Leftover { directory, server, failed: removed.err().map(|error| error.to_string()) });
        }
    }
    found
}

/// Opens a lock file and takes its lock; nothing when another has it, or has just removed it.
pub(super) fn locked(path: &Path, create: bool) -> io::Result<Option<File>> {
    let file = File::options().write(true).create_new(create).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => return Ok(None),
        Err(fs::TryLockError::Error(error)) => return Err(error),
    }
    // Who removes leftovers may have taken and removed the file between the two calls.
    Ok((file.metadata()?.nlink() > 0).then_some(file))
}

/// Ends the server of a directory, if one runs, and removes the directory.
fn remove(directory: &Path) -> Result<Option<u32>, ClusterError> {
    let server = server_in(directory);
    if let Some(pid) = server {
        end(pid, directory)?;
    }
    remove_directory(directory)?;
    Ok(server)
}

/// Removes a directory and all below it; one that is not there is fine.
pub(super) fn remove_directory(directory: &Path) -> Result<(), ClusterError> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(ClusterError::io("remove", directory)(error))
        }
        _ => Ok(()),
    }
}

/// The server that runs in a directory: the process its `postmaster.pid` names, if that one was really started with this data
/// directory. A number alone may belong to somebody else by now.
fn server_in(directory: &Path) -> Option<u32> {
    let data = directory.join("data");
    let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let pid: u32 = text.lines().next()?.trim().parse().ok()?;
    runs_in(pid, directory).then_some(pid)
}

/// Whether a process was started with the data directory below `directory`, and is not a mere entry in the table.
pub(super) fn runs_in(pid: u32, directory: &Path) -> bool {
    let data = directory.join("data");
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).any(|word| word == data.as_os_str().as_encoded_bytes())
}

fn end(pid: u32, directory: &Path) -> Result<(), ClusterError> {
    let Some(process) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(()) };
    for signal in [Signal::QUIT, Signal::KILL] {
        // A failure means that it is gone, or not ours: the wait tells.
        let _gone = kill_process(process, signal);
        let until = Instant::now() + ENDS;
        while Instant::now() < until {
            if !runs_in(pid, directory) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    Err(ClusterError::Deadline {
        what: format!("the end of the server {pid} in {}", directory.display()),
        after: ENDS * 2,
        log: String::new(),
    })
}

//! Who may write: a lease with a fencing token beside the journal, given back at the end, taken over from the dead.
//!
//! The advisory lock on the journal keeps two writers of one machine apart. The lease covers what a lock cannot: a
//! state directory that several machines see, and a writer that was replaced and does not know it yet.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Writer;
use super::file::{io_error, sync_directory};
use crate::fleet::Digest;
use crate::time::Timestamp;
use crate::traits::JournalError;

/// What the lease's file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Terms {
    v: u8,
    /// Grows with every writer. A writer whose token is not the file's is fenced off.
    token: u64,
    held: bool,
    since: Timestamp,
    actor: String,
    host: String,
    #[serde(flatten)]
    process: Process,
}

/// A process that no other can be mistaken for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Process {
    pid: u32,
    /// Its start, in clock ticks since boot (field 22 of `/proc/PID/stat`, proc(5)): a number used again is another process.
    started: Option<u64>,
    /// The kernel's boot (`/proc/sys/kernel/random/boot_id`, random(4)).
    boot: Option<String>,
    /// The machine: a digest of `/etc/machine-id` (machine-id(5)), else of the host's name.
    machine: String,
}

impl Process {
    fn of(pid: u32, host: &str) -> Self {
        let read = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
        let machine = read("/etc/machine-id").filter(|id| !id.is_empty()).unwrap_or_else(|| host.to_owned());
        Self {
            pid,
            started: started(pid),
            boot: read("/proc/sys/kernel/random/boot_id"),
            machine: Digest::of(machine.as_bytes()).short(),
        }
    }

    /// Whether it is certain, seen from `here`, that this process no longer runs.
    fn is_dead(&self, here: &Self) -> Result<bool, &'static str> {
        if self.machine != here.machine {
            return Err("it is on another machine, so whether it still runs cannot be seen from here");
        }
        match (&self.boot, &here.boot) {
            (Some(then), Some(now)) if then != now => Ok(true),
            (Some(_), Some(_)) => Ok(match started(self.pid) {
                None => true,
                // A lease that this very process did not give back: the journal's lock says that it is not in use.
                Some(_) if self.pid == here.pid => true,
                now => self.started.is_some() && now != self.started,
            }),
            _ => Err("this system does not tell when it was booted, so whether it still runs cannot be seen"),
        }
    }
}

/// When a process started; `None` when there is none.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, also parentheses; the fields after it are numbers and letters.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    // A zombie runs no more.
    (state != "Z").then(|| fields.nth(18)?.parse().ok())?
}

/// The right to write a journal, while it lives.
#[derive(Debug)]
pub(super) struct Lease {
    path: PathBuf,
    terms: Terms,
}

impl Lease {
    /// The lease of a journal.
    fn path(journal: &Path) -> PathBuf {
        journal.with_extension("lease")
    }

    /// Takes the lease of a journal whose lock the caller holds; `last` is the highest token the journal knows.
    ///
    /// # Errors
    /// [`JournalError::Locked`] when the last holder neither gave it back nor is certainly dead.
    pub(super) fn take(
        journal: &Path,
        writer: &Writer,
        since: Timestamp,
        last: u64,
    ) -> Result<Self, JournalError> {
        let path = Self::path(journal);
        let here = Process::of(writer.pid, &writer.host);
        let before = read(&path)?;
        if let Some(terms) = before.as_ref().filter(|terms| terms.held)
            && let why @ (Err(_) | Ok(false)) = terms.process.is_dead(&here)
        {
            let why =
                why.err().map(|why| format!("; {why}: make sure of it, then remove {}", path.display()));
            let Terms { host, actor, since, process, .. } = terms;
            let holder = format!(
                "process {} on {host}, started by {actor} at {since}{}",
                process.pid,
                why.unwrap_or_default()
            );
            return Err(JournalError::Locked { path: journal.display().to_string(), holder });
        }
        let token = before.map_or(0, |terms| terms.token).max(last) + 1;
        let (actor, host) = (writer.actor.clone(), writer.host.clone());
        let terms = Terms { v: 1, token, held: true, since, actor, host, process: here };
        let lease = Self { path, terms };
        lease.write()?;
        Ok(lease)
    }

    /// The fencing token.
    pub(super) const fn token(&self) -> u64 {
        self.terms.token
    }

    /// Fails when somebody else has taken the lease since, or took it away.
    pub(super) fn check(&self) -> Result<(), JournalError> {
        match read(&self.path)? {
            Some(terms) if terms.token == self.terms.token => Ok(()),
            Some(Terms { token, host, process, .. }) => Err(self.fenced(format!(
                "process {} on {host} took the lease over with token {token}, this is token {}",
                process.pid, self.terms.token
            ))),
            None => Err(self.fenced("the lease was removed".to_owned())),
        }
    }

    fn fenced(&self, why: String) -> JournalError {
        JournalError::Fenced { path: self.path.display().to_string(), why }
    }

    fn write(&self) -> Result<(), JournalError> {
        let part = self.path.with_extension("lease-part");
        // proof: plain data with text keys.
        let text = serde_json::to_vec(&self.terms).unwrap_or_default();
        File::create(&part)
            .and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&part, &self.path))
            .map_err(|e| io_error("write", &self.path, e))?;
        sync_directory(&self.path)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.check().is_ok() {
            self.terms.held = false;
            // One that cannot be given back is taken over once this process is gone.
            let _ = self.write();
        }
    }
}

/// Reads a lease; `None` when there is none. One that cannot be understood is nobody's word.
fn read(path: &Path) -> Result<Option<Terms>, JournalError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(io_error("read", path, e)),
    };
    serde_json::from_slice(&text).map(Some).map_err(|e| {
        let why = format!("it is no lease ({e}); make sure that nobody writes the journal, then remove it");
        JournalError::Damaged { path: path.display().to_string(), line: 1, why }
    })
}

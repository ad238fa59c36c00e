//! The journal as a file: append-only, synced record by record, locked while a writer lives.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::lease::Lease;
use super::sealing::{Sealing, head_path};
use super::{Chain, Entry, Guard, Handover, Record, Seal, parse_line};
use crate::time::Timestamp;
use crate::traits::{Clock, Journal, JournalError};

/// Who writes: recorded when the journal is opened, shown to whoever is locked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    /// The process.
    pub pid: u32,
    /// The host.
    pub host: String,
    /// The person or job.
    pub actor: String,
    /// The version of the program.
    pub engine: String,
}

/// A journal as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadJournal {
    /// All whole records.
    pub records: Vec<Record>,
    /// Bytes after the last line feed: a record that was being written.
    pub torn: u64,
}

/// Reads a journal without locking it; a missing file has no records.
///
/// # Errors
/// [`JournalError::Damaged`] with the line where the chain does not hold; [`JournalError::Io`].
pub fn read(path: &Path) -> Result<ReadJournal, JournalError> {
    match File::open(path) {
        Ok(file) => read_from(path, &file).map(|(journal, _)| journal),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(ReadJournal { records: Vec::new(), torn: 0 }),
        Err(e) => Err(io_error("open", path, e)),
    }
}

pub(super) fn io_error(action: &'static str, path: &Path, source: io::Error) -> JournalError {
    JournalError::Io { action, path: path.display().to_string(), source }
}

/// Reads from the start, checks the chain, and gives the length of the whole lines.
fn read_from(path: &Path, mut file: &File) -> Result<(ReadJournal, u64), JournalError> {
    if !file.metadata().map_err(|e| io_error("read", path, e))?.is_file() {
        return Err(io_error("read", path, io::Error::other("it is not a regular file")));
    }
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).map_err(|e| io_error("read", path, e))?;
    file.read_to_end(&mut bytes).map_err(|e| io_error("read", path, e))?;
    let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
    let mut chain = None;
    let mut records = Vec::new();
    for (i, line) in bytes[..whole].split_inclusive(|b| *b == b'\n').enumerate() {
        let damaged =
            |why| JournalError::Damaged { path: path.display().to_string(), line: i as u64 + 1, why };
        let record = parse_line(&line[..line.len() - 1]).map_err(damaged)?;
        chain = Some(Chain::accept(chain.as_ref(), &record).map_err(damaged)?);
        records.push(record);
    }
    Ok((ReadJournal { records, torn: (bytes.len() - whole) as u64 }, whole as u64))
}

/// A journal in a file.
///
/// Holds an advisory lock on the file while it lives, and a lease with a fencing token beside it (`journal.lease` for
/// `journal.jsonl`); each record is one write with `O_APPEND`, followed by `fdatasync`. After a failed write, or when
/// somebody else took the lease, it refuses further entries.
pub struct FileJournal {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    state: Arc<Mutex<State>>,
    /// Whose turn it is to append: who comes first writes first, also when nobody waits for that write any more.
    turn: Arc<tokio::sync::Mutex<()>>,
}

struct State {
    // Given back before the file is closed and with it the lock.
    lease: Lease,
    file: File,
    chain: Chain,
    sealing: Option<Sealing>,
    failed: bool,
    records: Vec<Record>,
}

impl FileJournal {
    /// Opens the journal for writing, or creates it with its directory. Blocking. Its head is not signed, and one that is there not looked at.
    ///
    /// A last line without line feed is moved to a file beside the journal, and that is recorded.
    ///
    /// # Errors
    /// [`JournalError::Locked`] with the holder when another process has it, or had it and is not certainly dead; [`JournalError::Damaged`] with the line
    /// when the chain does not hold; [`JournalError::Io`].
    pub fn open(
        path: impl Into<PathBuf>,
        writer: &Writer,
        random: [u8; 16],
        clock: Arc<dyn Clock>,
    ) -> Result<Self, JournalError> {
        Self::open_with(path.into(), writer, random, clock, None)
    }

    /// The same under a signed head, in a file beside the journal: signed anew after each record that [settles](Entry::settles)
    /// something, and when the journal is closed. A journal that has no head yet gets one, and a record that names the key.
    ///
    /// # Errors
    /// Also [`JournalError::Head`], when the file is shorter than its head says, or another, or the head is missing or not signed by `seal`'s key.
    /// Nothing was changed then.
    pub fn open_sealed(
        path: impl Into<PathBuf>,
        writer: &Writer,
        random: [u8; 16],
        clock: Arc<dyn Clock>,
        seal: Arc<dyn Seal>,
    ) -> Result<Self, JournalError> {
        Self::open_with(path.into(), writer, random, clock, Some(Guard::new(seal)))
    }

    /// The same, held against what is known of the journal from elsewhere as well.
    ///
    /// # Errors
    /// Also [`JournalError::Anchor`], when the journal is otherwise than it is known, or gone. Nothing was changed then.
    pub fn open_guarded(
        path: impl Into<PathBuf>,
        writer: &Writer,
        random: [u8; 16],
        clock: Arc<dyn Clock>,
        guard: Guard,
    ) -> Result<Self, JournalError> {
        Self::open_with(path.into(), writer, random, clock, Some(guard))
    }

    fn open_with(
        path: PathBuf,
        writer: &Writer,
        random: [u8; 16],
        clock: Arc<dyn Clock>,
        guard: Option<Guard>,
    ) -> Result<Self, JournalError> {
        if let Some(guard) = guard.as_ref().filter(|_| !path.exists()) {
            if head_path(&path).exists() {
                let why = format!("it is gone, its signed head {} is not", head_path(&path).display());
                return Err(JournalError::Head { path: path.display().to_string(), why });
            }
            guard.hold(&path, &[])?;
        }
        let file = open_locked(&path)?;
        let (journal, whole) = read_from(&path, &file)?;
        guard.as_ref().map_or(Ok(()), |guard| guard.hold(&path, &journal.records))?;
        let sealing = guard.map(|guard| Sealing::open(&path, &journal.records, guard)).transpose()?;
        let chain = journal.records.last().map_or_else(|| Chain::new(random), Chain::after);
        let new = journal.records.is_empty();
        let lease = Lease::take(&path, writer, clock.now(), last_token(&journal.records))?;
        let mut state = State { lease, file, chain, sealing, failed: false, records: journal.records };
        if new {
            sync_directory(&path)?;
            state.append(&path, clock.now(), Entry::Genesis { engine: writer.engine.clone() })?;
        }
        if journal.torn > 0 {
            let moved_to = move_aside(&path, &mut state, whole)?;
            state.append(&path, clock.now(), Entry::Recovered { bytes: journal.torn, moved_to })?;
        }
        state.name_key(&path, clock.now())?;
        let opened = Entry::Opened {
            pid: writer.pid.into(),
            host: writer.host.clone(),
            actor: writer.actor.clone(),
            engine: writer.engine.clone(),
            token: state.lease.token(),
        };
        state.append(&path, clock.now(), opened)?;
        Ok(Self { path, clock, state: Arc::new(Mutex::new(state)), turn: Arc::default() })
    }

    /// Has the head signed by another key from here on; `handover` is what both keys say to that. Blocking.
    ///
    /// # Errors
    /// Those of [`Journal::append`]; [`JournalError::Head`] when the journal has no signed head.
    pub fn hand_over(&self, seal: Arc<dyn Seal>, handover: Handover) -> Result<Record, JournalError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sealing) = &mut state.sealing else {
            let why = "it was opened without a key".to_owned();
            return Err(JournalError::Head { path: self.path.display().to_string(), why });
        };
        let key = seal.key().to_owned();
        // The head that follows the record is over it, and so the new key's.
        let before = std::mem::replace(&mut sealing.seal, seal);
        let entry = Entry::SigningKey { key, handover: Some(handover) };
        let result = state.append(&self.path, self.clock.now(), entry);
        if let (Err(_), Some(sealing)) = (&result, &mut state.sealing) {
            sealing.seal = before;
        }
        result
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Opens the file, or creates it with its directory, and takes its lock.
fn open_locked(path: &Path) -> Result<File, JournalError> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(|e| io_error("create the directory of", path, e))?;
    }
    let mut options = OpenOptions::new();
    let file = options.read(true).append(true).create(true).open(path);
    let file = file.map_err(|e| io_error("open", path, e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(locked(path)),
        Err(TryLockError::Error(e)) => Err(io_error("lock", path, e)),
    }
}

/// The highest fencing token that was used.
fn last_token(records: &[Record]) -> u64 {
    let token = |record: &Record| match record.entry {
        Entry::Opened { token, .. } => Some(token),
        _ => None,
    };
    records.iter().filter_map(token).max().unwrap_or(0)
}

/// Names the process that has the lock, by the journal's own last `opened` record.
fn locked(path: &Path) -> JournalError {
    let holder = read(path).ok().and_then(|journal| {
        journal.records.iter().rev().find_map(|record| match &record.entry {
            Entry::Opened { pid, host, actor, .. } => {
                Some(format!("process {pid} on {host}, started by {actor} at {}", record.time))
            }
            _ => None,
        })
    });
    let holder = holder.unwrap_or_else(|| "another process".to_owned());
    JournalError::Locked { path: path.display().to_string(), holder }
}

/// Makes the file's name durable.
pub(super) fn sync_directory(path: &Path) -> Result<(), JournalError> {
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(dir).and_then(|d| d.sync_all()).map_err(|e| io_error("sync the directory of", path, e))
}

/// Copies what follows the whole lines to a file of its own, then cuts it off.
fn move_aside(path: &Path, state: &mut State, whole: u64) -> Result<String, JournalError> {
    let mut tail = Vec::new();
    state.file.seek(SeekFrom::Start(whole)).map_err(|e| io_error("read", path, e))?;
    state.file.read_to_end(&mut tail).map_err(|e| io_error("read", path, e))?;
    let aside = path.with_extension(format!("torn-{}", state.records.len()));
    let mut copy = File::create(&aside).map_err(|e| io_error("create", &aside, e))?;
    copy.write_all(&tail).and_then(|()| copy.sync_all()).map_err(|e| io_error("write", &aside, e))?;
    sync_directory(path)?;
    state.file.set_len(whole).map_err(|e| io_error("cut", path, e))?;
    state.file.sync_all().map_err(|e| io_error("sync", path, e))?;
    Ok(aside.display().to_string())
}

impl State {
    /// Begins to sign: the head comes first, so that records which name a key are never without one.
    fn name_key(&mut self, path: &Path, time: Timestamp) -> Result<(), JournalError> {
        let Some(sealing) = self.sealing.as_mut().filter(|sealing| !sealing.named) else { return Ok(()) };
        sealing.write(self.chain.log())?;
        sealing.named = true;
        let key = sealing.seal.key().to_owned();
        self.append(path, time, Entry::SigningKey { key, handover: None })?;
        Ok(())
    }

    fn append(&mut self, path: &Path, time: Timestamp, entry: Entry) -> Result<Record, JournalError> {
        if self.failed {
            let source = io::Error::other("an earlier write failed");
            return Err(io_error("append to", path, source));
        }
        if let Err(error) = self.lease.check() {
            self.failed = true;
            return Err(error);
        }
        let (record, line) = self.chain.record(time, entry)?;
        // A short write would tear the line: it counts as a failure, and the next opening moves the rest aside.
        let written = match self.file.write(&line) {
            Ok(n) if n == line.len() => self.file.sync_data(),
            Ok(_) => Err(io::Error::new(io::ErrorKind::WriteZero, "only a part of the record was written")),
            Err(e) => Err(e),
        };
        if let Err(e) = written {
            self.failed = true;
            return Err(io_error("append to", path, e));
        }
        self.chain = Chain::after(&record);
        self.records.push(record.clone());
        if let Some(sealing) = &mut self.sealing {
            sealing.push(&record);
            if record.entry.settles()
                && let Err(error) = sealing.write(self.chain.log())
            {
                self.failed = true;
                return Err(error);
            }
        }
        Ok(record)
    }
}

impl Drop for State {
    /// Signs what was not signed yet. A head that cannot be written is an older one: the next writer signs anew.
    fn drop(&mut self) {
        if self.failed || self.lease.check().is_err() {
            return;
        }
        if let Some(Err(error)) = self.sealing.as_mut().map(|sealing| sealing.write(self.chain.log())) {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot sign the journal's head");
        }
    }
}

impl fmt::Display for FileJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "journal {}", self.path.display())
    }
}

impl fmt::Debug for FileJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileJournal").field("path", &self.path).finish_non_exhaustive()
    }
}

#[async_trait]
impl Journal for FileJournal {
    async fn append(&self, entry: Entry) -> Result<Record, JournalError> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let (state, path, time) = (Arc::clone(&self.state), self.path.clone(), self.clock.now());
        let write = move || {
            let _turn = turn;
            state.lock().unwrap_or_else(PoisonError::into_inner).append(&path, time, entry)
        };
        match tokio::task::spawn_blocking(write).await {
            Ok(result) => result,
            Err(e) => Err(io_error("append to", &self.path, io::Error::other(e))),
        }
    }

    async fn records(&self) -> Result<Vec<Record>, JournalError> {
        Ok(self.state.lock().unwrap_or_else(PoisonError::into_inner).records.clone())
    }
}

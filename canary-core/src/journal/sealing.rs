//! The signed head beside a journal: what it must hold against, and what is signed anew.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::file::{io_error, sync_directory};
use super::{Entry, Guard, Record, Tree};
use crate::fleet::Digest;
use crate::traits::JournalError;

/// What a signed head says of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The journal's id.
    pub log: String,
    /// How many records it has.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Digest,
}

/// Signs a journal's head. Keys are texts, of whatever form the implementation gives them.
pub trait Seal: fmt::Debug + Send + Sync + 'static {
    /// The public key, as records name it.
    fn key(&self) -> &str;

    /// The head as a text that whoever has the public key can check. The same head gives the same text.
    fn sign(&self, head: &Head) -> String;

    /// What a signed text says; `key_at` gives the key that has to have signed a head of that size.
    ///
    /// # Errors
    /// Why it is not that key's word.
    fn open(&self, text: &str, key_at: &dyn Fn(u64) -> String) -> Result<Head, String>;
}

/// The head's file of a journal: `journal.head` for `journal.jsonl`.
#[must_use]
pub fn head_path(journal: &Path) -> PathBuf {
    journal.with_extension("head")
}

/// The key that the records name, as of the first `size` of them.
fn key_of(records: &[Record], size: u64) -> Option<&str> {
    let named = |record: &Record| record.seq < size;
    records.iter().rev().filter(|record| named(record)).find_map(|record| match &record.entry {
        Entry::SigningKey { key, .. } => Some(key.as_str()),
        _ => None,
    })
}

/// The head of an open journal.
pub(super) struct Sealing {
    path: PathBuf,
    /// Where the head is written to as well.
    copy: Option<PathBuf>,
    pub(super) seal: Arc<dyn Seal>,
    tree: Tree,
    /// How many records the head in the file is over.
    signed: u64,
    /// Whether the records name the key.
    pub(super) named: bool,
}

impl Sealing {
    /// Holds the records that were read against the head that was left. Changes nothing.
    ///
    /// A journal that is longer than its head by whole records was left by a writer that was killed between the two; one that names no key
    /// yet is from before there were heads.
    ///
    /// # Errors
    /// [`JournalError::Head`] when records that were signed are not there, or others, or the head is missing or not our key's.
    pub(super) fn open(journal: &Path, records: &[Record], guard: Guard) -> Result<Self, JournalError> {
        let Guard { seal, copy, .. } = guard;
        let path = head_path(journal);
        let refuse = |why| JournalError::Head { path: journal.display().to_string(), why };
        let text = match fs::read_to_string(&path) {
            Ok(text) => Some(text),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(io_error("read", &path, e)),
        };
        let key = key_of(records, u64::MAX);
        if let Some(key) = key.filter(|key| *key != seal.key()) {
            return Err(refuse(format!("its heads are signed with the key {key}, not with {}", seal.key())));
        }
        let mut sealing = Self { path, copy, seal, tree: Tree::default(), signed: 0, named: key.is_some() };
        let Some(text) = text else {
            if sealing.named {
                return Err(refuse(format!("its signed head {} is missing", sealing.path.display())));
            }
            records.iter().for_each(|record| sealing.tree.push(&record.hash));
            return Ok(sealing);
        };
        let key_at = |size| key_of(records, size).unwrap_or_else(|| sealing.seal.key()).to_owned();
        let head = sealing.seal.open(&text, &key_at).map_err(|why| {
            refuse(format!("its head {} is not what was signed: {why}", sealing.path.display()))
        })?;
        sealing.signed = head.size;
        sealing.hold_against(records, &head).map_err(refuse)?;
        Ok(sealing)
    }

    fn hold_against(&mut self, records: &[Record], head: &Head) -> Result<(), String> {
        let size = records.len() as u64;
        if head.size > size {
            return Err(format!("it has {size} records, {} were signed: the end was cut off", head.size));
        }
        if records.first().is_some_and(|first| first.log != head.log) {
            return Err(format!("it is another journal than the one that was signed, {}", head.log));
        }
        for record in records {
            if self.tree.size() == head.size && self.tree.root() != head.root {
                break;
            }
            self.tree.push(&record.hash);
        }
        if self.tree.size() == head.size && self.tree.root() != head.root {
            return Err(format!("the first {} records are not those that were signed", head.size));
        }
        Ok(())
    }

    /// Takes a record into the tree.
    pub(super) fn push(&mut self, record: &Record) {
        self.tree.push(&record.hash);
    }

    /// Signs the head anew, if there is anything new. Replaced in one piece: whoever reads it finds the one before or this one.
    pub(super) fn write(&mut self, log: &str) -> Result<(), JournalError> {
        let there = self.path.exists() && self.copy.as_ref().is_none_or(|copy| copy.exists());
        if self.signed == self.tree.size() && there {
            return Ok(());
        }
        let head = Head { log: log.to_owned(), size: self.tree.size(), root: self.tree.root() };
        let text = self.seal.sign(&head);
        replace(&self.path, &text)?;
        self.signed = head.size;
        if let Some(Err(error)) = self.copy.as_ref().map(|copy| replace(copy, &text)) {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the copy of the journal's head stays as it was");
        }
        Ok(())
    }
}

/// Writes a head durably and in one piece.
fn replace(path: &Path, text: &str) -> Result<(), JournalError> {
    let part = path.with_extension("head-part");
    File::create(&part)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&part, path))
        .map_err(|e| io_error("write", path, e))?;
    sync_directory(path)
}

//! A journal, its head and its keys, checked in one pass.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use canary_core::journal::{Damage, Known, Mark, Verified, head_path};
use serde::Serialize;

use crate::checkpoint::{self, signed};
use crate::custody::Custody;
use crate::key::Fingerprint;

/// How the head's mark is told.
const HEAD: &str = "its signed head";

/// The files could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {path}")]
pub struct VerifyError {
    /// The file.
    path: String,
    /// The system's words.
    #[source]
    source: io::Error,
}

/// What does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Finding {
    /// A record.
    Record(Damage),
    /// The head.
    Head {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The key.
    Key {
        /// What is wrong.
        why: String,
    },
    /// The last line has no end: a writer died at it, or it was cut.
    Torn {
        /// The line, from 1.
        line: u64,
        /// How many bytes of it there are.
        bytes: u64,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(damage) => damage.fmt(f),
            Self::Head { path, why } => write!(f, "{}: {why}", path.display()),
            Self::Key { why } => f.write_str(why),
            Self::Torn { line, bytes } => {
                write!(f, "line {line} has no end ({bytes} bytes): a writer died at it, or it was cut")
            }
        }
    }
}

/// What the head says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadState {
    /// There is none, and no record names a key: the journal is not signed.
    Unsigned,
    /// It is signed by the key that the journal names.
    Signed(Sealed),
}

/// A signed head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// How many records it is over.
    pub size: u64,
    /// The key that signs now.
    pub key: Fingerprint,
    /// Whether that key, or one it was handed over from, is known from elsewhere.
    pub trusted: bool,
}

/// A journal that holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Verification {
    /// Its records.
    pub journal: Verified,
    /// Its head.
    pub head: HeadState,
}

/// Verifies a journal: every line, the chain, the head beside it, the changes of its key, and `marks`.
///
/// `trusted` is the key that must have signed, or have been handed over from; without it the key is the journal's own word. The head is read first:
/// a writer at work only ever adds to the journal.
///
/// # Errors
/// [`VerifyError`]; inside, the first [`Finding`].
pub fn verify(
    journal: &Path,
    marks: &[Mark],
    trusted: Option<Fingerprint>,
) -> Result<Result<Verification, Finding>, VerifyError> {
    let failed = |path: &Path, source| VerifyError { path: path.display().to_string(), source };
    let path = head_path(journal);
    let text = match fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(e) if e.kind() == io::ErrorKind::InvalidData => Some(String::new()),
        Err(e) => return Err(failed(&path, e)),
    };
    let head = text.as_deref().map(checkpoint::read);
    let mut marks = marks.to_vec();
    if let Some(Some((head, _))) = &head {
        let last = head.size.checked_sub(1);
        let (log, known) = (Some(head.log.clone()), Known::Root(head.root));
        marks.extend(last.map(|seq| Mark { log, seq, known, by: HEAD.to_owned() }));
    }
    let file = File::open(journal).map_err(|e| failed(journal, e))?;
    if !file.metadata().map_err(|e| failed(journal, e))?.is_file() {
        return Err(failed(journal, io::Error::other("it is not a regular file")));
    }
    let read = canary_core::journal::verify(BufReader::with_capacity(1 << 16, file), &marks);
    let verified = match read.map_err(|e| failed(journal, e))? {
        Ok(verified) => verified,
        Err(damage) => return Ok(Err(Finding::Record(damage))),
    };
    Ok(judge(path, head, verified, trusted))
}

/// The head and the keys of a journal whose records hold.
fn judge(
    path: PathBuf,
    head: Option<Option<(canary_core::journal::Head, crate::note::Note<'_>)>>,
    journal: Verified,
    trusted: Option<Fingerprint>,
) -> Result<Verification, Finding> {
    let wrong = |why: &str| Finding::Head { path: path.clone(), why: why.to_owned() };
    let custody = Custody::of(&journal.keys).map_err(|(record, why)| {
        Finding::Record(Damage { line: record.seq + 1, seq: record.seq, hash: Some(record.hash), why })
    })?;
    let state = match (head, custody.last().and_then(Fingerprint::of)) {
        (None, None) => HeadState::Unsigned,
        (None, Some(_)) => return Err(wrong("it is missing, and the journal names a key that signs it")),
        (Some(None), _) => return Err(wrong("it is no checkpoint of a journal")),
        (Some(Some(_)), None) => {
            return Err(wrong(
                "the journal names no key for it: it was cut back to before there was one, or its writer was killed at its first head",
            ));
        }
        (Some(Some((head, note))), Some(key)) => {
            let signer = custody.at(head.size).unwrap_or_default();
            signed(&head, &note, signer).map_err(|why| wrong(&why))?;
            let held = |trusted| custody.keys().filter_map(Fingerprint::of).any(|key| key == trusted);
            HeadState::Signed(Sealed { size: head.size, key, trusted: trusted.is_some_and(held) })
        }
    };
    match (&state, trusted) {
        (HeadState::Unsigned, Some(key)) => {
            let why = format!(
                "the journal is not signed, and should be with the key {key}: it was begun before there were heads and not written since, or it was written anew"
            );
            return Err(Finding::Key { why });
        }
        (HeadState::Signed(Sealed { key, trusted: false, .. }), Some(trusted)) => {
            return Err(Finding::Key { why: format!("it is signed with the key {key}, not with {trusted}") });
        }
        _ => {}
    }
    if journal.torn > 0 {
        return Err(Finding::Torn { line: journal.records + 1, bytes: journal.torn });
    }
    Ok(Verification { journal, head: state })
}

//! A record's number and hash: what is noted elsewhere, to know later whether the journal is still the one it was.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Record;
use crate::fleet::Digest;

/// What an anchor's line begins with.
const WORD: &str = "canary-anchor";

/// A record's number and hash. Its text is one line, for a ticket, a git note or another host's log: `canary-anchor log=… seq=… hash=…`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// The journal's id.
    pub log: String,
    /// The record.
    pub seq: u64,
    /// Its hash.
    pub hash: Digest,
}

impl Anchor {
    /// The anchor within a line, whatever stands before and after it.
    #[must_use]
    pub fn find(line: &str) -> Option<Self> {
        let (_, rest) = line.split_once(WORD)?;
        let mut words = rest.split_ascii_whitespace();
        let log = words.next()?.strip_prefix("log=")?.to_owned();
        let seq = words.next()?.strip_prefix("seq=")?.parse().ok()?;
        let hash = words.next()?.strip_prefix("hash=")?.get(..64)?.parse().ok()?;
        Some(Self { log, seq, hash })
    }
}

impl From<&Record> for Anchor {
    fn from(record: &Record) -> Self {
        Self { log: record.log.clone(), seq: record.seq, hash: record.hash }
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{WORD} log={} seq={} hash={}", self.log, self.seq, self.hash)
    }
}

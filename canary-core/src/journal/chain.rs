//! The chain: every record names the hash of the one before, and counts on from it.

use std::fmt::Write as _;

use serde::Serialize as _;
use serde_json::{Map, Value};

use super::form::MAX_INTEGER;
use super::line::VERSION;
use super::{Entry, Line};
use crate::fleet::Digest;
use crate::time::Timestamp;
use crate::traits::JournalError;

/// The kind of a journal's first record.
const GENESIS: &str = "genesis";
/// What the first record names as its predecessor.
const NO_PREVIOUS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// An entry with its place in the chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The journal's random id, 32 hex digits.
    pub log: String,
    /// Counts from 0.
    pub seq: u64,
    /// The hash of the line before; zeros for the first.
    pub prev: String,
    /// When it was written.
    pub time: Timestamp,
    /// What it says.
    pub entry: Entry,
    /// The hash of its own body.
    pub hash: Digest,
}

/// The end of a chain: what the next record must name.
#[derive(Debug, Clone, PartialEq)]
pub struct Chain {
    log: String,
    next_seq: u64,
    prev: String,
}

impl Chain {
    /// A chain without records, for a journal with this random id.
    #[must_use]
    pub fn new(random: [u8; 16]) -> Self {
        let mut log = String::with_capacity(32);
        for byte in random {
            // proof: writing to a String cannot fail.
            let _ = write!(log, "{byte:02x}");
        }
        Self { log, next_seq: 0, prev: NO_PREVIOUS.to_owned() }
    }

    /// The chain after `record`.
    #[must_use]
    pub fn after(record: &Record) -> Self {
        Self { log: record.log.clone(), next_seq: record.seq + 1, prev: record.hash.to_string() }
    }

    /// The journal's random id.
    #[must_use]
    pub fn log(&self) -> &str {
        &self.log
    }

    /// The next record and its line, with the line feed.
    ///
    /// # Errors
    /// [`JournalError::Form`] when the entry holds a number the journal's form does not allow.
    pub fn record(&self, time: Timestamp, entry: Entry) -> Result<(Record, Vec<u8>), JournalError> {
        let form = |e: &dyn std::fmt::Display| JournalError::Form(e.to_string());
        let Value::Object(mut body) = entry.serialize(serde_json::value::Serializer).map_err(|e| form(&e))?
        else {
            return Err(JournalError::Form("an entry is not an object".to_owned()));
        };
        body.insert("v".to_owned(), VERSION.into());
        body.insert("log".to_owned(), self.log.clone().into());
        body.insert("seq".to_owned(), self.next_seq.into());
        body.insert("prev".to_owned(), self.prev.clone().into());
        body.insert("time".to_owned(), time.to_string().into());
        let mut text = String::new();
        canonical(&Value::Object(body), &mut text).map_err(JournalError::Form)?;
        let hash = Digest::of(text.as_bytes());
        let line = format!("{{\"body\":{text},\"hash\":\"{hash}\"}}\n").into_bytes();
        let (log, prev) = (self.log.clone(), self.prev.clone());
        Ok((Record { log, seq: self.next_seq, prev, time, entry, hash }, line))
    }

    /// Checks that `record` comes next; a chain without a first record takes its log id from it.
    ///
    /// # Errors
    /// What does not fit.
    pub fn accept(before: Option<&Self>, record: &Record) -> Result<Self, String> {
        fits(before, record.seq, &record.prev, &record.log)?;
        Ok(Self::after(record))
    }

    /// The same of a line whose record is of no interest; the first line of a journal is its genesis.
    ///
    /// # Errors
    /// What does not fit.
    pub fn accept_line(before: Option<Self>, line: &Line<'_>) -> Result<Self, String> {
        fits(before.as_ref(), line.seq, line.prev, line.log)?;
        let log = match before {
            Some(chain) => chain.log,
            None if line.kind == GENESIS => line.log.to_owned(),
            None => return Err(format!("the first record is of the kind {:?}, not {GENESIS:?}", line.kind)),
        };
        Ok(Self { log, next_seq: line.seq + 1, prev: line.hash.to_string() })
    }
}

fn fits(before: Option<&Chain>, seq: u64, prev: &str, log: &str) -> Result<(), String> {
    let (next, hash) = before.map_or((0, NO_PREVIOUS), |chain| (chain.next_seq, chain.prev.as_str()));
    if seq != next {
        return Err(format!("sequence number {seq} where {next} comes next"));
    }
    if prev != hash {
        return Err("it does not continue the line before: its `prev` is another hash".to_owned());
    }
    if before.is_some_and(|chain| chain.log != log) {
        return Err(format!("it belongs to another journal ({log})"));
    }
    Ok(())
}

/// Writes JSON in the journal's form: sorted keys, compact, no floats, no integer above 2^53, ASCII keys.
///
/// # Errors
/// What the form does not allow.
pub fn canonical(value: &Value, out: &mut String) -> Result<(), String> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Number(n) => {
            let fits = n.as_u64().is_some_and(|n| n <= MAX_INTEGER)
                || n.as_i64().is_some_and(|n| n.unsigned_abs() <= MAX_INTEGER);
            if !fits {
                return Err(format!("the number {n} is not an integer up to 2^53; write it as text"));
            }
            // proof: writing to a String cannot fail.
            let _ = write!(out, "{n}");
        }
        Value::String(s) => push_string(s, out)?,
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                canonical(item, out)?;
            }
            out.push(']');
        }
        Value::Object(map) => push_object(map, out)?,
    }
    Ok(())
}

fn push_object(map: &Map<String, Value>, out: &mut String) -> Result<(), String> {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by(|a, b| a.0.cmp(b.0));
    out.push('{');
    for (i, (key, item)) in entries.into_iter().enumerate() {
        if !key.is_ascii() {
            return Err(format!("the key {key:?} is not ASCII"));
        }
        if i > 0 {
            out.push(',');
        }
        push_string(key, out)?;
        out.push(':');
        canonical(item, out)?;
    }
    out.push('}');
    Ok(())
}

fn push_string(text: &str, out: &mut String) -> Result<(), String> {
    out.push_str(&serde_json::to_string(text).map_err(|e| e.to_string())?);
    Ok(())
}

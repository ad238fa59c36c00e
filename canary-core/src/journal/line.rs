//! One line of a journal: `{"body":BODY,"hash":"<64 hex>"}`, the hash over BODY's bytes as they lie in the file.

use serde_json::Value;

use super::Record;
use super::form::{self, Field};
use crate::fleet::Digest;
use crate::time::Timestamp;

/// The version of the line's form.
pub(super) const VERSION: u64 = 1;

/// What every line says of its place, whatever its record says besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// The journal's random id.
    pub log: &'a str,
    /// Its number, from 0.
    pub seq: u64,
    /// The hash of the line before; zeros for the first.
    pub prev: &'a str,
    /// When it was written.
    pub time: Timestamp,
    /// What kind of record it is.
    pub kind: &'a str,
    /// The hash of its body.
    pub hash: Digest,
    body: &'a str,
}

impl<'a> Line<'a> {
    /// Reads one line, without its line feed, and checks its hash and its form. A line has one text: whatever byte is changed is found.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(line: &'a [u8]) -> Result<Self, String> {
        let (body, named) = split(line).ok_or("it is not a journal line")?;
        let hash = Digest::of(body.as_bytes());
        if hash.to_string() != named {
            return Err("its hash does not match its body: it was changed".to_owned());
        }
        let [mut log, mut prev, mut time, mut kind] = [None; 4];
        let (mut seq, mut version) = (None, None);
        form::check(body, |key, field| match (key, field) {
            ("log", Field::Text(text)) => log = Some(text),
            ("prev", Field::Text(text)) => prev = Some(text),
            ("time", Field::Text(text)) => time = Some(text),
            ("kind", Field::Text(text)) => kind = Some(text),
            ("seq", Field::Integer(number)) => seq = Some(number),
            ("v", Field::Integer(number)) => version = Some(number),
            _ => {}
        })
        .map_err(|why| format!("its body is not in the journal's form: {why}"))?;
        match version {
            Some(VERSION) => {}
            Some(v) => return Err(format!("its version is {v}, this program reads {VERSION}")),
            None => return Err("it has no version".to_owned()),
        }
        let lacks = |key: &str| format!("it has no {key:?}");
        let time = time.ok_or_else(|| lacks("time"))?;
        Ok(Self {
            log: log.ok_or_else(|| lacks("log"))?,
            seq: seq.ok_or_else(|| lacks("seq"))?,
            prev: prev.ok_or_else(|| lacks("prev"))?,
            time: time.to_owned().try_into().map_err(|e| format!("its time is not RFC 3339: {e}"))?,
            kind: kind.ok_or_else(|| lacks("kind"))?,
            hash,
            body,
        })
    }

    /// The whole record.
    ///
    /// # Errors
    /// It says something that this version does not know.
    pub fn record(&self) -> Result<Record, String> {
        let unknown =
            |e: &dyn std::fmt::Display| format!("it says something this version does not know: {e}");
        let mut value: Value = serde_json::from_str(self.body).map_err(|e| unknown(&e))?;
        if let Value::Object(body) = &mut value {
            ["v", "log", "seq", "prev", "time"].iter().for_each(|key| drop(body.remove(*key)));
        }
        let entry = serde_json::from_value(value).map_err(|e| unknown(&e))?;
        let (log, prev) = (self.log.to_owned(), self.prev.to_owned());
        Ok(Record { log, seq: self.seq, prev, time: self.time, entry, hash: self.hash })
    }
}

/// The body, and the hash that the line names.
fn split(line: &[u8]) -> Option<(&str, &str)> {
    const TAIL: usize = 64 + 2;
    let inner = std::str::from_utf8(line).ok()?.strip_prefix("{\"body\":")?;
    let tail = inner.len().checked_sub(TAIL)?;
    let (body, hash) = (inner.get(..tail)?, inner.get(tail..)?);
    Some((body.strip_suffix(",\"hash\":\"")?, hash.strip_suffix("\"}")?))
}

/// Reads one line, without its line feed, and checks its hash and its form.
///
/// # Errors
/// What is wrong with it.
pub fn parse_line(line: &[u8]) -> Result<Record, String> {
    Line::read(line)?.record()
}

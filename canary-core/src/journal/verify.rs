//! The one verifier of journals: their lines, their chain, and what is known of them from elsewhere.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead};

use serde::Serialize;

use super::{Chain, Line, Record, Tree};
use crate::fleet::Digest;
use crate::time::Timestamp;

/// The kind of the records that say who signs.
const SIGNING_KEY: &str = "signing_key";

/// Something about a journal that is known from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Mark {
    /// The journal's id, where it is known.
    pub log: Option<String>,
    /// Which record it is about.
    pub seq: u64,
    /// What is known.
    pub known: Known,
    /// Where it was noted.
    pub by: String,
}

/// What is known of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Known {
    /// Its hash.
    Hash(Digest),
    /// The root of the tree over all records up to it.
    Root(Digest),
}

/// A journal that holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// Its id.
    pub log: String,
    /// How many records it has.
    pub records: u64,
    /// The last record's hash.
    pub hash: Digest,
    /// The root of the tree over all records.
    pub root: Digest,
    /// When the first and the last record were written.
    pub span: (Timestamp, Timestamp),
    /// Bytes after the last whole line: a record that was being written.
    pub torn: u64,
    /// How many marks were found as they were noted.
    pub marks: u64,
    /// How many records are older than the one before them: the clock was set back.
    pub set_back: u64,
    /// The records that say who signs, oldest first.
    pub keys: Vec<Record>,
}

/// The first place where a journal does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// The line, from 1.
    pub line: u64,
    /// The number of the record that belongs there.
    pub seq: u64,
    /// The hash of what is there, where it is a line at all.
    pub hash: Option<Digest>,
    /// What is wrong.
    pub why: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, record {}", self.line, self.seq)?;
        if let Some(hash) = &self.hash {
            write!(f, " (hash {hash})")?;
        }
        write!(f, ": {}", self.why)
    }
}

/// Reads a journal through and holds it against `marks`.
///
/// Checks of every line that it is the only text of its value, that its hash is its body's, that it continues the line before, counts on from
/// it and belongs to the same journal; and that the first is a genesis. What records say beyond that is not looked at, so that records of a kind
/// that this version does not know are verified, too. 1 KiB a record takes some 5 µs.
///
/// # Errors
/// The file cannot be read; inside, the first [`Damage`]. A journal without a whole line is damaged.
pub fn verify(mut journal: impl BufRead, marks: &[Mark]) -> io::Result<Result<Verified, Damage>> {
    let mut verifier = Verifier::new(marks);
    let mut line = Vec::new();
    loop {
        line.clear();
        journal.read_until(b'\n', &mut line)?;
        let Some(whole) = line.strip_suffix(b"\n") else { break };
        if let Err(damage) = verifier.line(whole) {
            return Ok(Err(damage));
        }
    }
    Ok(verifier.end(line.len() as u64))
}

struct Verifier {
    marks: BTreeMap<u64, Vec<Mark>>,
    /// How many lines hold so far.
    lines: u64,
    chain: Option<Chain>,
    tree: Tree,
    hash: Option<Digest>,
    span: Option<(Timestamp, Timestamp)>,
    met: u64,
    set_back: u64,
    keys: Vec<Record>,
}

impl Verifier {
    fn new(marks: &[Mark]) -> Self {
        let mut by_seq: BTreeMap<u64, Vec<Mark>> = BTreeMap::new();
        marks.iter().for_each(|mark| by_seq.entry(mark.seq).or_default().push(mark.clone()));
        Self {
            marks: by_seq,
            lines: 0,
            chain: None,
            tree: Tree::default(),
            hash: None,
            span: None,
            met: 0,
            set_back: 0,
            keys: Vec::new(),
        }
    }

    fn damage(&self, hash: Option<Digest>, why: String) -> Damage {
        Damage { line: self.lines + 1, seq: self.lines, hash, why }
    }

    fn line(&mut self, text: &[u8]) -> Result<(), Damage> {
        let line = Line::read(text).map_err(|why| self.damage(None, why))?;
        let of_line = |verifier: &Self, why| verifier.damage(Some(line.hash), why);
        let chain = Chain::accept_line(self.chain.take(), &line).map_err(|why| of_line(self, why))?;
        if line.kind == SIGNING_KEY {
            let record = line.record().map_err(|why| of_line(self, why))?;
            self.keys.push(record);
        }
        self.tree.push(&line.hash);
        for mark in self.marks.remove(&line.seq).unwrap_or_default() {
            let met = Met { log: chain.log(), hash: &line.hash, tree: &self.tree };
            met.is(&mark).map_err(|why| of_line(self, why))?;
            self.met += 1;
        }
        let (first, last) = self.span.unwrap_or((line.time, line.time));
        self.set_back += u64::from(line.time < last);
        self.span = Some((first, line.time));
        (self.chain, self.hash) = (Some(chain), Some(line.hash));
        self.lines += 1;
        Ok(())
    }

    fn end(self, torn: u64) -> Result<Verified, Damage> {
        let (Some(chain), Some(hash), Some(span)) = (&self.chain, self.hash, self.span) else {
            return Err(self.damage(None, "there is no whole record".to_owned()));
        };
        if let Some(mark) = self.marks.values().flatten().next_back() {
            let last = self.lines - 1;
            let why = format!("the journal ends with record {last}, {} knows record {}", mark.by, mark.seq);
            return Err(self.damage(None, why));
        }
        Ok(Verified {
            log: chain.log().to_owned(),
            records: self.lines,
            hash,
            root: self.tree.root(),
            span,
            torn,
            marks: self.met,
            set_back: self.set_back,
            keys: self.keys,
        })
    }
}

/// What is there of a record that something is known of.
pub(super) struct Met<'a> {
    pub(super) log: &'a str,
    pub(super) hash: &'a Digest,
    /// Over all records up to it; looked at where its root is known.
    pub(super) tree: &'a Tree,
}

impl Met<'_> {
    /// Holds it against a mark.
    ///
    /// # Errors
    /// What is otherwise.
    pub(super) fn is(&self, mark: &Mark) -> Result<(), String> {
        if let Some(log) = mark.log.as_ref().filter(|log| *log != self.log) {
            return Err(format!("this is journal {}, {} is about journal {log}", self.log, mark.by));
        }
        match mark.known {
            Known::Hash(hash) if hash != *self.hash => {
                Err(format!("{} knows it with the hash {hash}: it was replaced", mark.by))
            }
            Known::Root(root) if root != self.tree.root() => Err(format!(
                "{} knows the {} records up to it by another root: one of them was replaced",
                mark.by,
                self.tree.size()
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;

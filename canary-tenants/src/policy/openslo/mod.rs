//! OpenSLO v1, in and out: one SLO a tenant and objective, as that format has no layers.
//!
//! What has no counterpart is named ([`Note`]), never dropped unseen.

mod export;
mod import;
mod promql;

#[cfg(test)]
mod tests;

pub use export::export;
pub use import::import;

use std::fmt::{self, Write as _};

/// The version of the format that is read and written.
const API: &str = "openslo/v1";

/// The keys among a DataSource's connection details that say which Prometheus it is, and whose of its tenants is asked.
const KIND: &str = "kind";
const ORG_ID: &str = "orgId";

/// What was made of documents, and what was not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converted {
    /// The documents, as YAML.
    pub text: String,
    /// What has no counterpart, or was assumed.
    pub notes: Vec<Note>,
}

/// Something that a conversion left out or assumed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// What it is about: `SLO checkout`, `tenant acme`.
    pub about: String,
    /// What became of it.
    pub what: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.about, self.what)
    }
}

fn note(notes: &mut Vec<Note>, about: impl Into<String>, what: impl Into<String>) {
    let note = Note { about: about.into(), what: what.into() };
    if !notes.contains(&note) {
        notes.push(note);
    }
}

/// A YAML scalar in double quotes that reads back as this text; what may not stand in YAML as it is is escaped (YAML 1.2.2, 5.7).
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_ascii_graphic() || c == ' ' || c.is_alphanumeric() => out.push(c),
            // proof: writing to a String cannot fail, so the result says nothing.
            c => drop(write!(out, "\\U{:08X}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

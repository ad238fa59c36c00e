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

use std::fmt;

/// The version of the format that is read and written.
const API: &str = "openslo/v1";

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

/// A YAML scalar that reads back as this text: JSON's strings are YAML's, too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

//! What was read of the sources, and what could not be.

use serde::{Deserialize, Serialize};

use super::Place;

/// What the contract rests on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coverage {
    /// The Rust files that were read.
    pub files: u32,
    /// The uses of queries whose text is known.
    pub known: u32,
    /// The queries whose text is made when the service runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub computed: Vec<Computed>,
    /// The files that could not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<Unreadable>,
    /// Names that stand for something the extraction did not find.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unresolved: Vec<Unresolved>,
}

impl Coverage {
    /// Whether every query of the service is in the contract: only then may "nobody reads this" be concluded.
    #[must_use]
    pub const fn complete(&self) -> bool {
        self.computed.is_empty() && self.unreadable.is_empty()
    }
}

/// A query whose text is not in the sources.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Computed {
    /// Where it is called.
    pub place: Place,
    /// The call (`sqlx::query`, `client.query`).
    pub call: String,
    /// What makes the text (`format!`, `QueryBuilder`, a variable).
    pub made_by: String,
}

/// A file that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unreadable {
    /// The file, and the line of the error; 1 when the error has none.
    pub place: Place,
    /// The column of the error, from 1.
    pub column: u32,
    /// What is wrong.
    pub why: String,
}

/// A name that stands for something the extraction did not find.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unresolved {
    /// Where the name is used.
    pub place: Place,
    /// The name.
    pub name: String,
    /// What it should have been (`row struct`, `flattened struct`).
    pub wanted: String,
}

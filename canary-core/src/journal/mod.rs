//! The journal: one line a record, hash-chained.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Entry {
    /// The first record of a journal.
    Genesis {
        /// The version of the engine that wrote it.
        engine: String,
    },
}

/// An entry with its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Counts from 0.
    pub seq: u64,
    /// When it was written.
    pub time: Timestamp,
    /// What it says.
    pub entry: Entry,
}

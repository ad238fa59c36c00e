//! What a shadow run saw.

use canary_core::traits::Severity;
use serde::{Deserialize, Serialize};

use super::breakage::Breakage;
use super::compare::refuses;
use super::locks::Trace;

/// What one shadow run saw, from one base.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShadowReport {
    /// The server (`PostgreSQL 15.18, throw-away`).
    pub server: String,
    /// What the run started from.
    pub base: String,
    /// The tenant's own schema there, where it is one of many alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_schema: Option<String>,
    /// The shards whose schema it started from, of a live one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<String>,
    /// As whom the queries were planned; as the owner of the tables when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The queries of the running binary's contract; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queries: Option<usize>,
    /// Those that worked on the base, so that something can be said of them.
    pub judged: usize,
    /// Whether the contract holds every query of the binary.
    pub complete: bool,
    /// What each statement of the migrations did.
    pub traces: Vec<Trace>,
    /// What breaks.
    pub breakages: Vec<Breakage>,
    /// Whether the new binary may start before the migrations have run; absent when its contract is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_on_old: Option<Way>,
    /// Whether the old binary may come back after them; absent when its contract is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way_back: Option<Way>,
    /// Why the answer is not to be relied on: something could not be looked at.
    pub doubts: Vec<String>,
    /// What was taken for granted, or cleaned up.
    pub notes: Vec<String>,
}

impl ShadowReport {
    /// Whether nothing breaks and nothing is in doubt.
    #[must_use]
    pub fn clean(&self) -> bool {
        self.doubts.is_empty() && !refuses(&self.breakages)
    }

    /// Whether it proves that the running binary gets on with the new schema: clean, with every query known and judged.
    #[must_use]
    pub fn proves(&self) -> bool {
        self.clean() && self.complete && self.queries == Some(self.judged)
    }
}

/// Whether a binary may run on a schema that is not its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// It may.
    pub safe: bool,
    /// Why not, and what to mind if it may.
    pub because: Vec<Breakage>,
}

impl Way {
    pub(super) fn of(because: Vec<Breakage>) -> Self {
        Self { safe: !refuses(&because), because }
    }

    /// The gravest reason, in a sentence.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        let first = self.because.iter().find(|breakage| breakage.severity == Severity::Refuse)?;
        let code = first.sqlstate.as_ref().map_or_else(String::new, |code| format!(" ({code})"));
        let place = first.queries.first().map_or_else(String::new, |place| format!("{place}: "));
        Some(format!("{place}{}{code}", first.what))
    }
}

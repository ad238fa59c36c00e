//! One way in which a schema does not suit a binary.

use std::fmt;

use canary_core::traits::Severity;
use serde::{Deserialize, Serialize};

/// What showed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The migration itself failed.
    Apply,
    /// L1: the query cannot be prepared.
    Prepare,
    /// L2: it takes or gives other types.
    Describe,
    /// A connection from before the migration cannot go on with what it has prepared.
    OldConnection,
    /// L3: it cannot be planned as the application's role.
    Explain,
    /// L4: what it writes can be refused, or becomes something else.
    Catalog,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Apply => "apply",
            Self::Prepare => "L1 prepare",
            Self::Describe => "L2 describe",
            Self::OldConnection => "old connection",
            Self::Explain => "L3 explain",
            Self::Catalog => "L4 catalog",
        })
    }
}

/// One way in which a schema does not suit a binary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breakage {
    /// The rule it comes under.
    pub rule: String,
    /// How grave it is.
    pub severity: Severity,
    /// What showed it.
    pub level: Level,
    /// The code that the binary, or the migration, gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sqlstate: Option<String>,
    /// The table it is about, with its schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// What breaks, in a sentence.
    pub what: String,
    /// The queries it breaks, each by its place in the binary's sources.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queries: Vec<String>,
    /// The migration file that brought it, and its line; 0 when the file as a whole did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<(String, u64)>,
}

impl Breakage {
    pub(super) fn new(rule: &str, level: Level, sqlstate: Option<&str>, what: impl Into<String>) -> Self {
        Self {
            rule: rule.to_owned(),
            severity: Severity::Refuse,
            level,
            sqlstate: sqlstate.map(str::to_owned),
            table: None,
            what: what.into(),
            queries: Vec::new(),
            place: None,
        }
    }

    pub(super) fn warns(mut self) -> Self {
        self.severity = Severity::Warn;
        self
    }

    pub(super) fn of(mut self, table: &str) -> Self {
        self.table = Some(table.to_owned());
        self
    }

    /// Whether a binary that starts anew, with new connections, has it too.
    #[must_use]
    pub fn outlives_connections(&self) -> bool {
        self.level != Level::OldConnection && self.level != Level::Apply
    }

    /// What tells it from others, but for its queries.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        (&self.rule, self.severity, self.level, &self.sqlstate, &self.table, &self.what)
            == (&other.rule, other.severity, other.level, &other.sqlstate, &other.table, &other.what)
    }
}

/// Breakages with their queries gathered, in the order they were found.
#[derive(Debug, Default)]
pub(super) struct Found(Vec<Breakage>);

impl Found {
    pub(super) fn push(&mut self, query: &str, breakage: Breakage) {
        let at = self.0.iter().position(|known| known.same_as(&breakage)).unwrap_or_else(|| {
            self.0.push(breakage);
            self.0.len() - 1
        });
        let queries = &mut self.0[at].queries;
        if !queries.iter().any(|known| known == query) {
            queries.push(query.to_owned());
        }
    }

    pub(super) fn into_vec(mut self) -> Vec<Breakage> {
        self.0.sort_by_key(|breakage| (std::cmp::Reverse(breakage.severity), breakage.level));
        self.0
    }
}

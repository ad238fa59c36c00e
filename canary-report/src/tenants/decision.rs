//! What there is to show.

use canary_core::journal::{AskedSource, Decision};
use canary_core::time::Timestamp;

use super::{message, page};

/// The score of what is as promised, in ppm.
const ONE: u64 = 1_000_000;

/// How a tenant fares by one objective, from the best to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// The promise is kept.
    Kept,
    /// It is not known whether it is.
    Unknown,
    /// What was observed is above the limit, and chance may be why.
    Above,
    /// It is broken beyond chance.
    Breach,
}

impl State {
    /// All, from the worst to the best.
    pub(crate) const ALL: [Self; 4] = [Self::Breach, Self::Above, Self::Unknown, Self::Kept];

    /// In a word or two.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Unknown => "unknown",
            Self::Above => "above limit",
            Self::Breach => "in breach",
        }
    }

    /// Its class in the style sheet, and its pattern's id.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Unknown => "unknown",
            Self::Above => "above",
            Self::Breach => "breach",
        }
    }
}

/// One objective of a tenant at one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// The objective.
    pub objective: String,
    /// The source.
    pub source: String,
    /// Whether the promise is broken beyond chance.
    pub breach: bool,
    /// The least and the most score, in ppm.
    pub score: (u64, u64),
    /// What is the matter with the samples: `ok`, `stale`.
    pub code: String,
    /// What was observed, with its unit; `None` when it is not known.
    pub observed: Option<String>,
    /// The limit as promised.
    pub limit: String,
    /// The limit that was judged by, where it is another.
    pub adjusted: Option<String>,
    /// The events it rests on.
    pub events: u64,
}

impl Cell {
    /// How the tenant fares by it.
    #[must_use]
    pub const fn state(&self) -> State {
        let (low, high) = self.score;
        if self.breach {
            State::Breach
        } else if low < high {
            State::Unknown
        } else if high < ONE {
            State::Above
        } else {
            State::Kept
        }
    }
}

/// A tenant that was decided by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its name.
    pub name: String,
    /// Whether its breach alone takes a release back.
    pub veto: bool,
    /// Its results, in any order; none when nothing at all is known.
    pub results: Vec<Cell>,
}

/// One of the worst results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worst {
    /// The tenant.
    pub tenant: String,
    /// Its result.
    pub cell: Cell,
}

/// Where the decision lies in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// The journal.
    pub log: String,
    /// The record's number.
    pub seq: u64,
    /// The chain hash up to it.
    pub hash: String,
}

/// One decision by tenants.
#[derive(Debug, Clone)]
pub struct TenantDecision {
    /// What was decided.
    pub verdict: Decision,
    /// What was decided on: `v2.14.3 at 10 %`.
    pub subject: String,
    /// When.
    pub at: Timestamp,
    /// More facts for the head: a term and what it is, each a short line.
    pub facts: Vec<(String, String)>,
    /// Why, in words.
    pub reasons: Vec<String>,
    /// The least and the most score, in ppm.
    pub score: (u64, u64),
    /// The score that was needed, in ppm.
    pub threshold: u64,
    /// Tenants that were decided by.
    pub counted: u64,
    /// Tenants in proven breach.
    pub breached: u64,
    /// Other tenants of which not all is known.
    pub unknown: u64,
    /// How many results have which code.
    pub gaps: Vec<(String, u64)>,
    /// Whom it was asked of.
    pub sources: Vec<AskedSource>,
    /// The worst results, the worst first.
    pub worst: Vec<Worst>,
    /// All tenants, from the evidence; `None` where that is not at hand.
    pub tenants: Option<Vec<Tenant>>,
    /// Where it is recorded.
    pub seal: Option<Seal>,
}

impl TenantDecision {
    /// One HTML document that needs nothing else: no script, no font, no picture, no network.
    #[must_use]
    pub fn html(&self) -> String {
        page::page(self)
    }

    /// A short message for a chat or a ticket.
    #[must_use]
    pub fn markdown(&self) -> String {
        message::message(self)
    }

    /// What was decided, on what, and the first reason, in one line; foreign words in it are as they were recorded.
    #[must_use]
    pub fn headline(&self) -> String {
        let why = self.reasons.first().map(|why| format!(": {why}")).unwrap_or_default();
        format!("{} {}{why}", self.verdict.as_str(), self.subject)
    }
}

/// A score in three digits and more only where it has more: `0.967`, `1`, `0.9475`.
pub(crate) fn score(ppm: u64) -> String {
    if ppm >= ONE {
        return "1".to_owned();
    }
    let digits = format!("{ppm:06}");
    let short = digits.trim_end_matches('0');
    if short.is_empty() { "0".to_owned() } else { format!("0.{short}") }
}

/// A score, or the interval of it.
pub(crate) fn interval((low, high): (u64, u64)) -> String {
    if low == high { score(low) } else { format!("{} to {}", score(low), score(high)) }
}

//! What is recorded of a decision about a release by what its tenants were promised. Counts and names alone: what a tenant is, the core does not know.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::RolloutId;
use crate::fleet::Digest;

/// What becomes of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Decision {
    /// It may go on.
    Approve,
    /// It is taken back.
    Rollback,
    /// It stays where it is: neither is proven.
    Halt,
}

impl Decision {
    /// The decision as a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "APPROVE",
            Self::Rollback => "ROLLBACK",
            Self::Halt => "HALT",
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What follows from the evidence and the policy alone: deciding again gives the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruling {
    /// The instant that was asked about, in milliseconds.
    pub at_ms: u64,
    /// The release, as it was named.
    pub version: Option<String>,
    /// How much of the traffic it had, in percent.
    pub percentage: Option<u64>,
    /// The SHA-256 of the policy in its canonical form, as it held: `policies/<it>.json` beside the journal.
    pub policy_sha256: Digest,
    /// What was decided.
    pub decision: Decision,
    /// The score of those of which all is known, in ppm; `None` without one.
    pub score_ppm: Option<u64>,
    /// The least score with everything unknown at its worst, in ppm.
    pub lo_ppm: u64,
    /// The most, with everything unknown perfect, in ppm.
    pub hi_ppm: u64,
    /// The score that was needed, in ppm.
    pub threshold_ppm: u64,
    /// Tenants that were decided by.
    pub tenants: u64,
    /// Tenants in proven breach.
    pub breached: u64,
    /// Other tenants of which not all is known.
    pub unknown: u64,
    /// Results by the code of what was the matter with their samples; keys are ASCII.
    pub gaps: BTreeMap<String, u64>,
    /// The worst results, the worst first; ten at most.
    pub worst: Vec<WorstResult>,
    /// The codes of the reasons.
    pub reasons: Vec<String>,
    /// What was asked of whom.
    pub sources: Vec<AskedSource>,
}

/// One of the worst results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorstResult {
    /// The tenant.
    pub tenant: String,
    /// The objective.
    pub objective: String,
    /// The source.
    pub source: String,
    /// What was the matter with its samples.
    pub code: String,
    /// What was observed, in the objective's unit (ppm, microseconds or plain numbers).
    pub observed: Option<u64>,
    /// The limit as promised.
    pub limit: u64,
    /// The limit that was judged by.
    pub limit_adj: u64,
    /// The events it rests on.
    pub n: u64,
    /// The share of the expected samples that was there, in ppm.
    pub coverage_ppm: u64,
    /// What it may be at least, in the same unit.
    pub low: Option<u64>,
    /// What it may be at most; `None` when anything is possible.
    pub high: Option<u64>,
}

/// What was asked of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedSource {
    /// The source.
    pub name: String,
    /// How many queries.
    pub queries: u64,
    /// How long they took, in milliseconds.
    pub ms: u64,
    /// What the source said beside its answers, each once.
    pub warnings: Vec<String>,
}

/// A decision about a release, and by which bytes it can be made once more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Names the round.
    pub execution: String,
    /// The rollout whose watch it was made for; absent where somebody asked by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutId>,
    /// The binary, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Digest>,
    /// What was decided, and by which numbers.
    #[serde(flatten)]
    pub ruling: Ruling,
    /// The SHA-256 of the policy's file as it was written: `policies/<it>.yaml` beside the journal.
    pub policy_file_sha256: Digest,
    /// The commit that the policy's file is of, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_commit: Option<String>,
    /// The SHA-256 of everything the decision rests on: `evidence/<it>.jsonl` beside the journal.
    pub evidence_sha256: Digest,
    /// The number of the decision about the same release that this one replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<u64>,
    /// Who asked for it.
    pub actor: String,
    /// Why, in their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Where.
    pub host: String,
    /// The process.
    pub pid: u64,
    /// The version of the engine that decided.
    pub engine: String,
}

/// Which sign of life it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Beat {
    /// Rounds begin.
    Began,
    /// They go on, and none was decided for an hour.
    Alive,
    /// There are no more.
    Ended,
}

impl Beat {
    /// The beat as a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Began => "began",
            Self::Alive => "alive",
            Self::Ended => "ended",
        }
    }
}

#[cfg(test)]
mod tests;

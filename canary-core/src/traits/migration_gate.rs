//! The gate's role: may this release start while the old binary is still serving?

use std::fmt::{self, Debug, Display};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::fleet::{Digest, ServiceName};
use crate::traits::BackendError;

/// What is to be released, as far as a gate needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The service.
    pub service: ServiceName,
    /// The new binary.
    pub artifact: Digest,
}

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Shown and recorded; does not stop.
    Warn,
    /// Stops the release.
    Refuse,
}

/// One thing a gate found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The rule's name (`drop-column`).
    pub rule: String,
    /// How grave it is.
    pub severity: Severity,
    /// The file, as the operator names it.
    pub file: String,
    /// The line, from 1; 0 when the finding is about the file as a whole.
    pub line: u64,
    /// The column of the offending clause, in characters from 1; 0 when not known.
    pub column: u64,
    /// The statement, cut to a readable length.
    pub statement: String,
    /// What breaks, and for whom.
    pub reason: String,
    /// How to get the same done safely.
    pub remedy: String,
}

/// A bypass that was used: what, by whom, why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The rule waved through; `*` for all.
    pub rule: String,
    /// Who granted it.
    pub actor: String,
    /// Why, in their words.
    pub reason: String,
}

/// A gate's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Verdict {
    /// Everything new is compatible.
    Pass,
    /// There is nothing new to judge.
    NothingNew {
        /// What was looked at.
        why: String,
    },
    /// Refused, and waved through.
    Bypassed {
        /// By whom and why.
        grants: Vec<Grant>,
    },
    /// Something new breaks the old binary.
    Refused,
    /// The question could not be answered.
    Undecided {
        /// Why not, and what to do.
        why: String,
    },
}

impl Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "pass",
            Self::NothingNew { .. } => "nothing new",
            Self::Bypassed { .. } => "bypassed",
            Self::Refused => "refused",
            Self::Undecided { .. } => "undecided",
        })
    }
}

/// What a gate looked at and found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// The answer.
    pub verdict: Verdict,
    /// Everything found, by file and line.
    pub findings: Vec<Finding>,
    /// What was looked at, one line each (`migrations/0042_x.sql, 3 statements`).
    pub evidence: Vec<String>,
    /// A digest over everything that was judged; a bypass is bound to it.
    pub digest: Digest,
}

impl Review {
    /// The permit, if the verdict gives one; the only way to come by it.
    #[must_use]
    pub fn permit(&self) -> Option<DeployPermit> {
        match self.verdict {
            Verdict::Pass | Verdict::NothingNew { .. } | Verdict::Bypassed { .. } => {
                Some(DeployPermit { review: self.digest, _private: () })
            }
            Verdict::Refused | Verdict::Undecided { .. } => None,
        }
    }
}

/// Proof that a gate let a release pass. A rollout cannot be started without one.
#[derive(Debug)]
pub struct DeployPermit {
    review: Digest,
    _private: (),
}

impl DeployPermit {
    /// The digest of the review that gave it.
    #[must_use]
    pub const fn review(&self) -> Digest {
        self.review
    }
}

/// Judges whether a release's migrations are compatible with the binary that is running.
#[async_trait]
pub trait MigrationGate: Display + Debug + Send + Sync + 'static {
    /// Looks at everything new and answers. Changes nothing.
    ///
    /// # Errors
    /// Only where nothing could be looked at; what cannot be judged is [`Verdict::Undecided`] or a finding.
    async fn review(&self, release: &Release) -> Result<Review, BackendError>;
}

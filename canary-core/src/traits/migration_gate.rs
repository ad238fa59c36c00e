//! The gate's role: may this release start while the old binary is still serving?

use std::fmt::{self, Debug, Display};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::fleet::{Digest, NodeId, Provenance, Revision, ServiceName};
use crate::journal::RunningRelease;
use crate::time::Timestamp;
use crate::traits::BackendError;

/// What is to be released, as far as a gate needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The service.
    pub service: ServiceName,
    /// The new binary; going back, the old one.
    pub artifact: Digest,
    /// Where it comes from.
    #[serde(default, skip_serializing_if = "Provenance::is_empty")]
    pub from: Provenance,
    /// What every node runs now, as far as it is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub running: Vec<RunsWhere>,
    /// What the last completed rollout left running, if the journal knows its revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<RunningRelease>,
    /// Which way.
    #[serde(default)]
    pub direction: ReleaseDirection,
}

impl Release {
    /// A release of which nothing else is known.
    #[must_use]
    pub fn new(service: ServiceName, artifact: Digest) -> Self {
        Self {
            service,
            artifact,
            from: Provenance::default(),
            running: Vec::new(),
            baseline: None,
            direction: ReleaseDirection::Forward,
        }
    }
}

/// What a node runs before a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunsWhere {
    /// The node.
    pub node: NodeId,
    /// Its binary; `None` when it has none or it could not be read.
    pub artifact: Option<Digest>,
    /// The revision that binary was built from, where the journal knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
}

/// Which way a binary is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseDirection {
    /// A new binary, with migrations that may not have run yet.
    #[default]
    Forward,
    /// An older binary comes back to a schema that is ahead of it: may it?
    Back,
}

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Shown and recorded; does not stop.
    Warn,
    /// Stops the release.
    #[default]
    Refuse,
}

/// One of the deploys that get a change done without breaking what runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// A migration that only adds.
    Expand,
    /// A binary that works with the new form.
    Switch,
    /// A migration that takes the old form away, once no node runs a binary that needs it.
    Contract,
    /// The same deploy, written differently.
    Instead,
}

impl Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Expand => "expand",
            Self::Switch => "switch",
            Self::Contract => "contract",
            Self::Instead => "instead",
        })
    }
}

/// One deploy of a safe way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployStep {
    /// Which one.
    pub phase: Phase,
    /// What it does.
    pub what: String,
}

/// A line of a file and the part of it that a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceLine {
    /// The line, from 1.
    pub line: u64,
    /// Its text, with control characters but tabs replaced, cut to a readable length.
    pub text: String,
    /// The first character that is meant, from 0.
    pub from: u64,
    /// The character after the last.
    pub to: u64,
}

/// One thing a gate found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
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
    /// The line the clause ends in, from 1; 0 when not known, as in journals from before it was told.
    #[serde(default)]
    pub end_line: u64,
    /// The column after the clause's last character, from 1; 0 when not known.
    #[serde(default)]
    pub end_column: u64,
    /// The clause where it stands; empty when the finding is about the file as a whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source: Vec<SourceLine>,
    /// The database object it is about (`public.users.email`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// The SQLSTATEs that the running binary, or the migration, gets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sqlstates: Vec<String>,
    /// The running binary's queries that break, each by its place in the sources.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub breaks: Vec<String>,
    /// The deploys that do it safely, in order; `remedy` says the same in one line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<DeployStep>,
    /// What a grant must name to wave this finding's rule through for this file; empty when there is nothing to grant.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub grant: String,
}

impl Finding {
    /// Its place as people and editors write it: `file:line:column`, as far as it is known.
    #[must_use]
    pub fn place(&self) -> String {
        match (self.line, self.column) {
            (0, _) => self.file.clone(),
            (line, 0) => format!("{}:{line}", self.file),
            (line, column) => format!("{}:{line}:{column}", self.file),
        }
    }
}

/// A bypass that was used: what, by whom, why.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Grant {
    /// The rule waved through; `*` for all.
    pub rule: String,
    /// Who granted it.
    pub actor: String,
    /// Why, in their words.
    pub reason: String,
    /// The file it is for; none in journals from before grants were for one file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The digest of what was refused, which it is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Where it was talked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// What it waved through: place and reason of each finding.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waved_through: Vec<String>,
}

/// What new migrations are new against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// The commit.
    pub revision: String,
    /// How it was found.
    pub found: BaselineSource,
}

/// How a baseline was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum BaselineSource {
    /// It is the revision that the last completed rollout brought everywhere.
    Journal {
        /// That rollout.
        rollout: String,
    },
    /// A branch, tag or commit was named, and the candidate comes after it.
    Ref {
        /// Its name.
        name: String,
    },
    /// The candidate left the named branch there.
    MergeBase {
        /// The branch.
        name: String,
    },
}

impl Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short: String = self.revision.chars().take(12).collect();
        match &self.found {
            BaselineSource::Journal { rollout } => write!(f, "{short}, what rollout {rollout} left running"),
            BaselineSource::Ref { name } if *name == self.revision => write!(f, "{short}"),
            BaselineSource::Ref { name } => write!(f, "{name} ({short})"),
            BaselineSource::MergeBase { name } => write!(f, "{name} (merge base {short})"),
        }
    }
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
    /// What was new against; none where that could not be told, and in journals from before it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
}

impl Review {
    /// The review of a gate that could not answer.
    #[must_use]
    pub fn undecided(why: String) -> Self {
        let (verdict, digest) = (Verdict::Undecided { why }, Digest::of(&[]));
        Self { verdict, findings: Vec::new(), evidence: Vec::new(), digest, baseline: None }
    }

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
    /// Looks at everything new and answers. Changes nothing; cancel-safe.
    ///
    /// # Errors
    /// Only where nothing could be looked at; what cannot be judged is [`Verdict::Undecided`] or a finding.
    async fn review(&self, release: &Release) -> Result<Review, BackendError>;

    /// The revision of the sources that would be released, as one that does not move: `named` as a commit, or what is checked
    /// out where nobody has named it. As it was named where the gate reads no sources.
    async fn revision(&self, named: Option<&Revision>) -> Option<Revision> {
        named.cloned()
    }
}

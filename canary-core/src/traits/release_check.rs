//! The role of a check of one's own: is something that the SLIs do not show as the release needs it?

use std::fmt::{self, Debug, Display};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::fleet::{Digest, NodeId, Revision, ServiceName};
use crate::journal::RolloutId;
use crate::time::Timestamp;
use crate::traits::{BackendError, Severity};

/// When a check is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckStage {
    /// Before anything is touched: everything the check can look at.
    Before,
    /// At a probe of the watch, with the release on the canary: what can be looked at again and again.
    Watch,
}

/// The release that is on the canary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedRelease {
    /// The rollout that brings it.
    pub rollout: RolloutId,
    /// The binary.
    pub artifact: Digest,
    /// What it was built from, where that is known.
    pub revision: Option<Revision>,
    /// Which share of the requests it was planned to have, in ppm; `None` where the weights do not tell.
    pub share_ppm: Option<u64>,
}

/// What a check is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckAsk {
    /// The service.
    pub service: ServiceName,
    /// The node that gets the release first.
    pub canary: NodeId,
    /// When it is asked.
    pub stage: CheckStage,
    /// What is on the canary; `None` before anything is touched.
    pub release: Option<CheckedRelease>,
    /// The instant.
    pub at: Timestamp,
    /// How long the answer may take; a minute before a rollout, a probe's interval in a watch.
    #[serde(rename = "limit_ms", with = "crate::time::millis")]
    pub limit: Duration,
}

/// One thing a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckFinding {
    /// How grave it is.
    pub severity: Severity,
    /// What it is about (`shard-3: users.created_at`).
    pub subject: String,
    /// What was found, and what was expected.
    pub text: String,
    /// What to do about it.
    pub remedy: String,
}

impl Display for CheckFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.text)
    }
}

/// A check's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum CheckVerdict {
    /// As the release needs it.
    Pass,
    /// Not so: refuses a rollout before it begins, and is red in a watch.
    Fail,
    /// It could not be found out: refuses a rollout before it begins, and holds a watch.
    Unknown {
        /// Why not.
        why: String,
    },
}

/// What a check looked at and found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// The check's name.
    pub check: String,
    /// The answer.
    #[serde(flatten)]
    pub verdict: CheckVerdict,
    /// What was looked at, as one line (`8 shards, 12 queries: 1 shard has drifted`).
    pub summary: String,
    /// Everything found, gravest first.
    pub findings: Vec<CheckFinding>,
    /// How many findings more there are than are listed here.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde wants it")]
const fn is_zero(more: &u64) -> bool {
    *more == 0
}

impl CheckReport {
    /// How many findings a record lists at most.
    pub const LISTED: usize = 20;

    /// A report of a check that could not answer.
    pub fn unknown(check: impl Into<String>, why: impl Into<String>) -> Self {
        let (check, why) = (check.into(), why.into());
        Self {
            check,
            summary: why.clone(),
            verdict: CheckVerdict::Unknown { why },
            findings: Vec::new(),
            more: 0,
        }
    }

    /// The report with its gravest findings first, [`Self::LISTED`] of them at most: what a record shall hold.
    #[must_use]
    pub fn listed(mut self) -> Self {
        self.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        let over = self.findings.len().saturating_sub(Self::LISTED);
        self.findings.truncate(Self::LISTED);
        self.more += over as u64;
        self
    }

    /// The findings that stand against the release.
    pub fn against(&self) -> impl Iterator<Item = &CheckFinding> {
        self.findings.iter().filter(|finding| finding.severity == Severity::Refuse)
    }
}

/// The report as one line: the first thing against the release, else the summary.
impl Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.check)?;
        match (&self.verdict, self.against().next()) {
            (CheckVerdict::Pass, _) | (CheckVerdict::Fail, None) => f.write_str(&self.summary),
            (CheckVerdict::Unknown { why }, _) => f.write_str(why),
            (CheckVerdict::Fail, Some(first)) => {
                write!(f, "{first}")?;
                let more = self.against().count() as u64 - 1 + self.more;
                if more > 0 { write!(f, " (and {more} more)") } else { Ok(()) }
            }
        }
    }
}

/// Looks at something that a release needs and no SLI shows: the tenants' schemas, their own SLAs.
///
/// Changes nothing, and may be asked at any time, again and again.
#[async_trait]
pub trait ReleaseCheck: Display + Debug + Send + Sync + 'static {
    /// A short name for columns and records (`schema`, `tenants`).
    fn name(&self) -> &str;

    /// Looks, and answers within [`CheckAsk::limit`]; cancel-safe.
    ///
    /// The engine drops the call 2 s after that, and takes it for [`CheckVerdict::Unknown`].
    ///
    /// # Errors
    /// When nothing could be looked at; the engine takes that for [`CheckVerdict::Unknown`].
    async fn check(&self, ask: &CheckAsk) -> Result<CheckReport, BackendError>;
}

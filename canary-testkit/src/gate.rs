//! A gate that answers what it is told to.

use std::fmt;

use async_trait::async_trait;
use canary_core::fleet::Digest;
use canary_core::traits::{BackendError, Finding, GateVerdict, MigrationGate, Release, Review, Severity};

/// A gate with one answer. A strict one: what it finds fits its verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FakeGate {
    verdict: GateVerdict,
    findings: Vec<Finding>,
    digest: Digest,
}

impl FakeGate {
    /// Finds nothing to judge.
    #[must_use]
    pub fn nothing_new() -> Self {
        let verdict = GateVerdict::NothingNew { why: "there are no migrations".to_owned() };
        Self { verdict, findings: Vec::new(), digest: Digest::of(b"") }
    }

    /// Finds migrations with that content compatible.
    #[must_use]
    pub fn passing(content: &[u8]) -> Self {
        Self { verdict: GateVerdict::Pass, findings: Vec::new(), digest: Digest::of(content) }
    }

    /// Refuses migrations with that content.
    #[must_use]
    pub fn refusing(content: &[u8]) -> Self {
        let finding = Finding {
            rule: "drop-column".to_owned(),
            severity: Severity::Refuse,
            file: "migrations/2.sql".to_owned(),
            line: 1,
            column: 0,
            statement: String::from_utf8_lossy(content).chars().take(200).collect(),
            reason: "the running binary reads the column".to_owned(),
            remedy: "drop it with the release after".to_owned(),
            ..Finding::default()
        };
        Self { verdict: GateVerdict::Refused, findings: vec![finding], digest: Digest::of(content) }
    }

    /// Cannot answer.
    #[must_use]
    pub fn undecided(why: &str) -> Self {
        let verdict = GateVerdict::Undecided { why: why.to_owned() };
        Self { verdict, findings: Vec::new(), digest: Digest::of(why.as_bytes()) }
    }
}

impl fmt::Display for FakeGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gate that says {}", self.verdict)
    }
}

#[async_trait]
impl MigrationGate for FakeGate {
    async fn review(&self, _: &Release) -> Result<Review, BackendError> {
        Ok(Review {
            verdict: self.verdict.clone(),
            findings: self.findings.clone(),
            evidence: vec![format!("content {}", self.digest.short())],
            digest: self.digest,
            baseline: None,
        })
    }
}

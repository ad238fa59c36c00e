//! The engine's check.

use std::fmt;

use async_trait::async_trait;
use canary_core::traits::{
    BackendError, CheckAsk, CheckFinding, CheckReport, CheckVerdict, ReleaseCheck, Severity,
};

use super::{SchemaCheckConfig, SchemaReport, check_all};
use crate::describe::Gravity;
use crate::words;

const NAME: &str = "schema";

/// The live schemas and the service's contract, as a check before a rollout and at every probe of its watch.
#[derive(Debug, Clone)]
pub struct SchemaChecks {
    config: SchemaCheckConfig,
}

impl SchemaChecks {
    /// A check with these settings; each question's own limit replaces theirs.
    #[must_use]
    pub const fn new(config: SchemaCheckConfig) -> Self {
        Self { config }
    }
}

impl fmt::Display for SchemaChecks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "live schemas of {}", self.config.url)
    }
}

#[async_trait]
impl ReleaseCheck for SchemaChecks {
    fn name(&self) -> &str {
        NAME
    }

    async fn check(&self, ask: &CheckAsk) -> Result<CheckReport, BackendError> {
        let mut config = self.config.clone();
        // A tenth is kept for handing the answer in.
        config.limit = config.limit.min(ask.limit.mul_f64(0.9));
        Ok(check_all(&config, ask.stage, ask.at).await.to_check())
    }
}

impl SchemaReport {
    /// The report in the engine's terms. What could not be found out is a doubt, not a fault of the release.
    fn to_check(&self) -> CheckReport {
        let count = |gravity| self.findings.iter().filter(|finding| finding.gravity == gravity).count();
        let verdict = match self.gravest() {
            Some(Gravity::Refuse) => CheckVerdict::Fail,
            Some(Gravity::Undecided) => {
                let first = self.findings.iter().find(|finding| finding.gravity == Gravity::Undecided);
                CheckVerdict::Unknown { why: first.map_or_else(String::new, ToString::to_string) }
            }
            Some(Gravity::Warn) | None => CheckVerdict::Pass,
        };
        let finding = |finding: &super::Finding| CheckFinding {
            severity: if finding.gravity == Gravity::Refuse { Severity::Refuse } else { Severity::Warn },
            subject: finding.subject.clone(),
            text: finding.text.clone(),
            remedy: finding.remedy.to_owned(),
        };
        CheckReport {
            check: NAME.to_owned(),
            verdict,
            summary: format!(
                "{}: {} against, {} undecided, {}",
                words::count(self.shards, "shard"),
                count(Gravity::Refuse),
                count(Gravity::Undecided),
                words::count(count(Gravity::Warn), "warning")
            ),
            findings: self.findings.iter().map(finding).collect(),
            more: 0,
        }
        .listed()
    }
}

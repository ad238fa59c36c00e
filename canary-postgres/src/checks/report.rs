//! What was looked at, what was found, and what to do.

use std::fmt;
use std::time::Duration;

use canary_core::time::Timestamp;
use serde::Serialize;

use crate::describe::Gravity;
use crate::words::count;

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The pools that the sources build.
    ParseRustServiceConfig,
    /// Tenants, hashes, drift, isolation.
    IntrospectSqlSchema,
    /// Queries held against row types.
    AnalyzeContractDefinitions,
    /// What is checked by rule, and the baseline of the latency.
    GenerateDeterministicValidators,
    /// Budgets of latency, pool and server.
    ValidateCanaryEndpoint,
}

impl Action {
    /// All, in their order.
    pub const ALL: [Self; 5] = [
        Self::ParseRustServiceConfig,
        Self::IntrospectSqlSchema,
        Self::AnalyzeContractDefinitions,
        Self::GenerateDeterministicValidators,
        Self::ValidateCanaryEndpoint,
    ];

    /// The name in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ParseRustServiceConfig => "parse_rust_service_config",
            Self::IntrospectSqlSchema => "introspect_sql_schema",
            Self::AnalyzeContractDefinitions => "analyze_contract_definitions",
            Self::GenerateDeterministicValidators => "generate_deterministic_validators",
            Self::ValidateCanaryEndpoint => "validate_canary_endpoint",
        }
    }
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nothing stands against the release.
    Success,
    /// Something to look at that does not stop it, or that could not be found out.
    Warning,
    /// The service would fail.
    Failure,
    /// It was not done.
    Skipped,
}

impl Status {
    /// The word for it in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Warning => "warning",
            Self::Failure => "failure",
            Self::Skipped => "skipped",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What it did.
    pub action: Action,
    /// How it ended.
    pub status: Status,
    /// What it saw, as one line.
    pub details: String,
    /// How long it took.
    pub took: Duration,
}

/// One thing found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How grave it is.
    pub gravity: Gravity,
    /// The step that found it.
    pub action: Action,
    /// What it is about (`shard-3`).
    pub subject: String,
    /// What was found and expected.
    pub text: String,
    /// What to do.
    pub remedy: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.text)
    }
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaReport {
    /// The service, or the database when there is no contract.
    pub service: String,
    /// When it began.
    pub at: Timestamp,
    /// All five steps.
    pub steps: Vec<Step>,
    /// Everything found, gravest first.
    pub findings: Vec<Finding>,
    /// Shards looked at.
    pub shards: usize,
    /// How long it took.
    pub took: Duration,
}

impl SchemaReport {
    /// The gravest finding's gravity; `None` when nothing was found.
    #[must_use]
    pub fn gravest(&self) -> Option<Gravity> {
        self.findings.iter().map(|finding| finding.gravity).max()
    }

    /// What to do, as one sentence.
    #[must_use]
    pub fn recommendation(&self) -> String {
        let of = |gravity| self.findings.iter().filter(move |finding| finding.gravity == gravity);
        let first = |gravity, words: &str| {
            let more = of(gravity).count() - 1;
            let tail = if more > 0 { format!(" (and {more} more)") } else { String::new() };
            of(gravity).next().map_or_else(String::new, |finding| {
                format!("{words} {finding}{tail}. {}", capital(finding.remedy))
            })
        };
        match self.gravest() {
            Some(Gravity::Refuse) => first(Gravity::Refuse, "Do not shift traffic:"),
            Some(Gravity::Undecided) => first(Gravity::Undecided, "Undecided, so do not shift traffic yet:"),
            Some(Gravity::Warn) => {
                format!(
                    "Safe to proceed with the traffic shift; {} to look at.",
                    count(of(Gravity::Warn).count(), "warning")
                )
            }
            None => "Safe to proceed with the traffic shift.".to_owned(),
        }
    }

    /// The log, with the fields that its readers know.
    #[must_use]
    pub fn log(&self) -> WorkflowLog {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let name: String =
            self.service.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let stamp: String = self.at.to_string().chars().filter(char::is_ascii_alphanumeric).collect();
        let step = |(i, step): (usize, &Step)| LogStep {
            step: i + 1,
            action: step.action,
            status: step.status,
            details: self.details(step),
            duration_ms: milliseconds(step.took),
        };
        WorkflowLog {
            workflow_id: format!("{name}_schema_check_{stamp}"),
            timestamp: self.at.to_string(),
            steps: self.steps.iter().enumerate().map(step).collect(),
            recommendation: self.recommendation(),
            execution_time_ms: milliseconds(self.took),
        }
    }
}

impl SchemaReport {
    /// What a step saw and found, as one line.
    fn details(&self, step: &Step) -> String {
        const TOLD: usize = 10;
        let found: Vec<_> = self.findings.iter().filter(|finding| finding.action == step.action).collect();
        let mut details = step.details.clone();
        if step.status != Status::Skipped {
            details.extend(found.iter().take(TOLD).map(|finding| format!("; {finding}")));
            if found.len() > TOLD {
                details.push_str(&format!("; and {} more", found.len() - TOLD));
            }
        }
        details
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

/// The log of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkflowLog {
    /// Names the check.
    pub workflow_id: String,
    /// When it began, RFC 3339 in UTC.
    pub timestamp: String,
    /// Its steps.
    pub steps: Vec<LogStep>,
    /// What to do.
    pub recommendation: String,
    /// How long it took.
    pub execution_time_ms: u64,
}

/// One step of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogStep {
    /// Its number, from 1.
    pub step: usize,
    /// What it did.
    pub action: Action,
    /// How it ended.
    pub status: Status,
    /// What it saw.
    pub details: String,
    /// How long it took.
    pub duration_ms: u64,
}

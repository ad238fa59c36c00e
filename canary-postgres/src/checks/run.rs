//! The steps in their order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use canary_core::time::Timestamp;
use canary_core::traits::CheckStage;
use tokio::time::{Instant as Deadline, timeout_at};

use super::report::{Action, Finding, SchemaReport, Status, Step};
use super::{SchemaCheckConfig, schema, service, traffic};
use crate::contract::Contract;
use crate::describe::Gravity;
use crate::drift::Survey;
use crate::live::Connection;
use crate::routing::Routes;

/// What one step hands on to those after it.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) connection: Option<Connection>,
    pub(super) routes: Option<Routes>,
    pub(super) survey: Survey,
    pub(super) load: Option<crate::load::LoadReport>,
    pub(super) violations: usize,
}

/// A step's result: what it saw, and what it found.
pub(super) struct Outcome {
    pub(super) details: String,
    pub(super) findings: Vec<Finding>,
    pub(super) skipped: bool,
}

impl Outcome {
    pub(super) fn new(details: impl Into<String>, findings: Vec<Finding>) -> Self {
        Self { details: details.into(), findings, skipped: false }
    }

    pub(super) fn skipped(why: impl Into<String>) -> Self {
        Self { details: why.into(), findings: Vec::new(), skipped: true }
    }
}

/// Looks at everything that the stage asks for, within the limit. Changes nothing.
///
/// What cannot be found out is a finding as well; there is always a report with all five steps.
pub async fn check_all(config: &SchemaCheckConfig, stage: CheckStage, at: Timestamp) -> SchemaReport {
    let began = Instant::now();
    let deadline = Deadline::now() + config.limit;
    let mut seen = Seen::default();
    let mut report = SchemaReport {
        service: config
            .contract
            .as_ref()
            .map_or_else(|| config.url.database(), |contract| &contract.service)
            .to_owned(),
        at,
        steps: Vec::new(),
        findings: Vec::new(),
        shards: 0,
        took: Duration::ZERO,
    };
    for action in Action::ALL {
        let step_began = Instant::now();
        let done = timeout_at(deadline, step(action, config, stage, &mut seen)).await;
        let outcome = done.unwrap_or_else(|_| late(action, config));
        report.take(action, outcome, step_began.elapsed());
    }
    report.shards = seen.routes.map_or(0, |routes| routes.shards.len());
    report.findings.sort_by_key(|finding| std::cmp::Reverse(finding.gravity));
    report.took = began.elapsed();
    report
}

async fn step(action: Action, config: &SchemaCheckConfig, stage: CheckStage, seen: &mut Seen) -> Outcome {
    let contract: Option<&Arc<Contract>> = config.contract.as_ref();
    match action {
        Action::ParseRustServiceConfig => service::pools(config),
        Action::IntrospectSqlSchema => schema::introspect(config, stage, seen).await,
        Action::AnalyzeContractDefinitions => match contract {
            Some(contract) => service::analyze(config, contract, stage, seen).await,
            None => Outcome::skipped("there is no contract: run `contract lock` in the service's repository"),
        },
        Action::GenerateDeterministicValidators => match contract {
            Some(contract) => traffic::baseline(config, contract, stage, seen).await,
            None => Outcome::skipped("there is no contract, so nothing to make checks of"),
        },
        Action::ValidateCanaryEndpoint => traffic::validate(config, seen).await,
    }
}

fn late(action: Action, config: &SchemaCheckConfig) -> Outcome {
    let text = format!("not done within {:?}", config.limit);
    let finding = Finding {
        gravity: Gravity::Undecided,
        action,
        subject: action.as_str().to_owned(),
        text: text.clone(),
        remedy: "give the check more time or connections, or look for locks on the tables",
    };
    Outcome { details: text, findings: vec![finding], skipped: true }
}

impl SchemaReport {
    fn take(&mut self, action: Action, outcome: Outcome, took: Duration) {
        let status = match outcome.findings.iter().map(|finding| finding.gravity).max() {
            _ if outcome.skipped => Status::Skipped,
            Some(Gravity::Refuse) => Status::Failure,
            Some(Gravity::Undecided | Gravity::Warn) => Status::Warning,
            None => Status::Success,
        };
        let details = outcome.details;
        self.steps.push(Step { action, status, details, took });
        self.findings.extend(outcome.findings);
    }
}

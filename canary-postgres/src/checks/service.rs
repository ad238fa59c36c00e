//! The service's pools and queries.

use std::collections::BTreeSet;
use std::sync::Arc;

use canary_core::traits::CheckStage;

use super::SchemaCheckConfig;
use super::report::{Action, Finding};
use super::run::{Outcome, Seen};
use super::schema::unanswered;
use crate::contract::{Contract, Limit, PoolSettings, Setting};
use crate::describe::{Gravity, Violation, describe};
use crate::words::{count, few, queries};

/// The first step: the pools that the sources build.
pub(super) fn pools(config: &SchemaCheckConfig) -> Outcome {
    let Some(contract) = &config.contract else {
        return Outcome::skipped("there is no contract: run `contract lock` in the service's repository");
    };
    let finding = |subject: String, text: &str, remedy| Finding {
        gravity: Gravity::Warn,
        action: Action::ParseRustServiceConfig,
        subject,
        text: text.to_owned(),
        remedy,
    };
    if contract.pools.is_empty() {
        let text = "the sources build no pool that is known here";
        return Outcome::new(text, vec![finding("pools".to_owned(), text, "say database.pool")]);
    }
    let mut findings = Vec::new();
    for pool in &contract.pools {
        if pool.max_connections.value().is_none() && config.pool.is_none() {
            let text = format!("its size is not in the sources ({})", spelled(&pool.max_connections, ""));
            findings.push(finding(pool.place.to_string(), &text, "say database.pool"));
        }
        if pool.acquire_timeout_ms.value() == Some(Limit::Unlimited) {
            let text = "callers wait for a connection without an end";
            findings.push(finding(pool.place.to_string(), text, "set a timeout below that of requests"));
        }
    }
    let pools: Vec<_> = contract.pools.iter().map(in_words).collect();
    Outcome::new(format!("Detected {}", pools.join("; ")), findings)
}

fn in_words(pool: &PoolSettings) -> String {
    format!(
        "{} with {} connections at most, {} acquire timeout ({})",
        pool.library,
        spelled(&pool.max_connections, ""),
        spelled(&pool.acquire_timeout_ms, "ms"),
        pool.place
    )
}

fn spelled(setting: &Setting, unit: &str) -> String {
    match setting {
        Setting::Known { value, .. } | Setting::Default { value } => match value.number() {
            Some(number) if unit == "ms" && number % 1000 == 0 => format!("{}s", number / 1000),
            Some(number) => format!("{number}{unit}"),
            None => "no".to_owned(),
        },
        Setting::FromEnvironment { name, otherwise, .. } => match otherwise {
            Some(number) => format!("${name} or {number}{unit}"),
            None => format!("${name}"),
        },
        Setting::Unknown { why, .. } => format!("unknown ({why})"),
    }
}

/// The most connections that one instance opens, all its pools together.
pub(super) fn pool_size(config: &SchemaCheckConfig) -> Option<u64> {
    if config.pool.is_some() {
        return config.pool;
    }
    let pools = &config.contract.as_ref()?.pools;
    let sizes: Option<Vec<_>> =
        pools.iter().map(|pool| pool.max_connections.value().and_then(Limit::number)).collect();
    sizes.map(|sizes| sizes.iter().sum()).filter(|size| *size > 0)
}

/// The third step: every query on every shard; on one shard of each kind in a watch.
pub(super) async fn analyze(
    config: &SchemaCheckConfig,
    contract: &Arc<Contract>,
    stage: CheckStage,
    seen: &mut Seen,
) -> Outcome {
    let Some(routes) = &seen.routes else {
        return Outcome::skipped("no tenants are known");
    };
    let kinds: BTreeSet<_> =
        seen.survey.groups.iter().filter_map(|group| group.members.first().copied()).collect();
    let only = match stage {
        CheckStage::Before => seen.survey.hashes.keys().copied().collect(),
        CheckStage::Watch => kinds,
    };
    let described = describe(routes, contract, &config.describe(), Some(&only)).await;
    let fields: usize = contract.rows.iter().map(|row| row.fields.len()).sum();
    let details = format!(
        "{} on {}, {} with {}: {}",
        queries(contract.queries.len()),
        count(described.shards, "shard"),
        count(contract.rows.len(), "row struct"),
        count(fields, "field"),
        if described.violations.is_empty() { "contract aligned" } else { "contract violated" }
    );
    seen.violations = described.violations.iter().filter(|v| v.mismatch.gravity == Gravity::Refuse).count();
    let name = |shard: usize| routes.shards[shard].name.as_str();
    let mut findings: Vec<_> = described
        .violations
        .into_iter()
        .map(|violation| {
            let shards: Vec<_> = violation.shards.iter().map(|shard| name(*shard)).collect();
            told(&few(&shards), violation)
        })
        .collect();
    for (shard, failure) in described.failed {
        findings.push(unanswered(Action::AnalyzeContractDefinitions, name(shard), failure));
    }
    findings.extend(uncovered(contract));
    Outcome::new(details, findings)
}

fn told(shards: &str, violation: Violation) -> Finding {
    let mismatch = violation.mismatch;
    let text = match (&violation.sqlstate, &mismatch.column) {
        (Some(code), _) => format!("{} fails there: {} ({code})", mismatch.place, mismatch.found),
        (None, Some(column)) => {
            format!("{}: {column}: expected {}, found {}", mismatch.place, mismatch.expected, mismatch.found)
        }
        (None, None) => {
            format!("{}: expected {}, found {}", mismatch.place, mismatch.expected, mismatch.found)
        }
    };
    Finding {
        gravity: mismatch.gravity,
        action: Action::AnalyzeContractDefinitions,
        subject: shards.to_owned(),
        text,
        remedy: "mend the schema of the shard, or the query and its row type",
    }
}

/// What the sources keep to themselves.
fn uncovered(contract: &Contract) -> Option<Finding> {
    let coverage = &contract.coverage;
    let first = coverage.computed.first().map(|computed| &computed.place);
    let first = first.or_else(|| coverage.unreadable.first().map(|unreadable| &unreadable.place))?;
    Some(Finding {
        gravity: Gravity::Warn,
        action: Action::AnalyzeContractDefinitions,
        subject: "coverage".to_owned(),
        text: format!(
            "{} computed queries and {} unreadable files are not checked (first: {first})",
            coverage.computed.len(),
            coverage.unreadable.len()
        ),
        remedy: "write queries as literals where that can be",
    })
}

//! Latency, pool and server under the service's own reading queries.

use std::sync::Arc;
use std::time::Duration;

use canary_core::traits::CheckStage;

use super::SchemaCheckConfig;
use super::report::{Action, Finding};
use super::run::{Outcome, Seen};
use super::schema::unanswered;
use super::service::pool_size;
use crate::contract::{Contract, Limit};
use crate::describe::Gravity;
use crate::load::{Demand, Load, LoadReport, measure, read_limits};
use crate::words::count;

/// What sqlx's pools wait for a connection when nothing is said.
const PATIENCE: Duration = Duration::from_secs(30);
/// More would be a load test of its own.
const LARGEST_POOL: u64 = 200;

/// The fourth step: what is checked by rule, and the baseline of the latency.
pub(super) async fn baseline(
    config: &SchemaCheckConfig,
    contract: &Arc<Contract>,
    stage: CheckStage,
    seen: &mut Seen,
) -> Outcome {
    let Some(routes) = &seen.routes else {
        return Outcome::skipped("no tenants are known");
    };
    let cases: usize = contract.queries.iter().map(|query| query.uses.len().max(1)).sum();
    let made = format!(
        "{} a shard, {}",
        count(cases, "type-safe case"),
        count(routes.shards.len(), "schema consistency check")
    );
    let requests = match stage {
        CheckStage::Before => config.requests,
        CheckStage::Watch => config.requests / 10,
    };
    if requests == 0 {
        return Outcome::new(format!("{made}, no load asked for"), Vec::new());
    }
    let undecided = |subject: &str, text: String, remedy| Finding {
        gravity: Gravity::Undecided,
        action: Action::GenerateDeterministicValidators,
        subject: subject.to_owned(),
        text,
        remedy,
    };
    let size = pool_size(config).unwrap_or(10).clamp(1, LARGEST_POOL);
    match room(config, seen).await {
        Err(finding) => return Outcome::new(format!("{made}, no load"), vec![finding]),
        Ok(free) if free < size + config.reserve => {
            let text = format!(
                "{free} connections are free, a pool of {size} and a reserve of {} need more",
                config.reserve
            );
            let found =
                undecided("server", text, "ask when the server is less busy, or raise its max_connections");
            return Outcome::new(format!("{made}, no load: the server is full"), vec![found]);
        }
        Ok(_) => {}
    }
    let load = Load {
        pool: usize::try_from(size).unwrap_or(1),
        rate: config.rate.max(1),
        requests,
        acquire_timeout: patience(contract),
        seed: u64::from(contract.seed),
    };
    // A shard that could not be read has its finding already.
    let routes = routes.only(|shard| seen.survey.hashes.contains_key(&shard));
    if routes.shards.is_empty() {
        return Outcome::new(format!("{made}, no load: no shard could be read"), Vec::new());
    }
    match measure(&routes, contract, &config.describe(), &load).await {
        Err(failure) => Outcome::new(
            format!("{made}, no load"),
            vec![unanswered(Action::GenerateDeterministicValidators, "pool", failure)],
        ),
        Ok(report) if report.queries == 0 => {
            let why =
                report.left_out.first().map_or_else(String::new, |(place, why)| format!("{place}: {why}"));
            let found = Finding {
                gravity: Gravity::Warn,
                ..undecided(
                    "load",
                    format!("no query of the contract can be run by itself ({why})"),
                    "nothing to do",
                )
            };
            Outcome::new(format!("{made}, no latency measured"), vec![found])
        }
        Ok(report) => {
            let details = format!(
                "{made}, P99 latency baseline: {} (median {}, seed {})",
                milliseconds(report.p99),
                milliseconds(report.p50),
                contract.seed
            );
            seen.load = Some(report);
            Outcome::new(details, Vec::new())
        }
    }
}

async fn room(config: &SchemaCheckConfig, seen: &Seen) -> Result<u64, Finding> {
    let Some(connection) = &seen.connection else {
        return Ok(0);
    };
    match read_limits(connection, config.role()).await {
        Ok(limits) => Ok(limits.free()),
        Err(failure) => Err(unanswered(Action::GenerateDeterministicValidators, "server", failure)),
    }
}

fn patience(contract: &Contract) -> Duration {
    let said =
        contract.pools.iter().filter_map(|pool| pool.acquire_timeout_ms.value().and_then(Limit::number));
    said.min().map_or(PATIENCE, Duration::from_millis).min(PATIENCE)
}

/// The fifth step: the budgets, and the server's limits.
pub(super) async fn validate(config: &SchemaCheckConfig, seen: &mut Seen) -> Outcome {
    let Some(connection) = &seen.connection else {
        return Outcome::skipped("the database was not reached");
    };
    let mut findings = Vec::new();
    let mut details = Vec::new();
    if let Some(load) = &seen.load {
        findings.extend(judge(config, load));
        details.push(format!(
            "{} concurrent tenant queries at {}/s, {}, connection pool utilization: {:.0}%, 99 of 100 wait {} at most for a connection",
            load.answered,
            config.rate,
            count(seen.violations, "schema violation"),
            load.utilisation * 100.0,
            milliseconds(load.acquire_p99)
        ));
    }
    match (read_limits(connection, config.role()).await, pool_size(config)) {
        (Err(failure), _) => findings.push(unanswered(Action::ValidateCanaryEndpoint, "server", failure)),
        (Ok(limits), Some(pool)) => {
            let demand = Demand {
                pool,
                instances: config.instances,
                canaries: config.canaries,
                reserve: config.reserve,
            };
            details.push(format!(
                "{} connections at most with canary and stable at once, the server has {}",
                demand.total(),
                limits.room()
            ));
            let remedy = "make the pools smaller, or max_connections larger, before a second release runs beside the first";
            findings.extend(limits.refuse(demand).map(|text| found(Gravity::Refuse, "server", text, remedy)));
        }
        (Ok(limits), None) => details.push(format!("the server has room for {} connections", limits.room())),
    }
    Outcome::new(details.join("; "), findings)
}

fn found(gravity: Gravity, subject: &str, text: String, remedy: &'static str) -> Finding {
    Finding { gravity, action: Action::ValidateCanaryEndpoint, subject: subject.to_owned(), text, remedy }
}

/// Past saturation the wait is the latency: then it is the pool that is named, not the query.
fn judge(config: &SchemaCheckConfig, load: &LoadReport) -> Vec<Finding> {
    let budgets = config.budgets;
    let mut findings = Vec::new();
    let over = |time: Duration, budget: u64| time > Duration::from_millis(budget);
    if over(load.acquire_p99, budgets.acquire_p99_ms) || load.starved > 0 {
        let text = format!(
            "one caller of a hundred waits {} or more for a connection (budget {} ms), {} got none; it was {:.0}% in use",
            milliseconds(load.acquire_p99),
            budgets.acquire_p99_ms,
            load.starved,
            load.utilisation * 100.0
        );
        findings.push(found(Gravity::Refuse, "pool", text, "make the pool larger or the queries fewer"));
    }
    if over(load.p99, budgets.p99_ms) {
        let text = format!("p99 is {}, the budget is {} ms", milliseconds(load.p99), budgets.p99_ms);
        findings.push(found(
            Gravity::Refuse,
            "latency",
            text,
            "look for the slow query, and for what else the server does",
        ));
    }
    if load.blocked > 0 {
        let text = format!("{} waited for a lock until lock_timeout", count(load.blocked, "request"));
        let remedy = "ask again when nobody holds a table locked";
        findings.push(found(Gravity::Undecided, "load", text, remedy));
    }
    let percent = (load.utilisation * 100.0).round();
    if percent > f64::from(budgets.pool_utilisation_percent) {
        let text = format!("{percent:.0}% in use, the budget is {}%", budgets.pool_utilisation_percent);
        findings.push(found(Gravity::Refuse, "pool", text, "make the pool larger or the queries fewer"));
    }
    for (place, (why, times)) in &load.failed {
        let text = format!("failed {} under load: {why}", count(*times, "time"));
        findings.push(found(
            Gravity::Refuse,
            place,
            text,
            "see what the query finds on the tenants where it fails",
        ));
    }
    findings
}

fn milliseconds(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1000.0;
    if ms < 10.0 { format!("{ms:.1}ms") } else { format!("{ms:.0}ms") }
}

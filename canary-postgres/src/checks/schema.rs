//! Tenants, hashes, drift and isolation.

use canary_core::traits::CheckStage;

use super::SchemaCheckConfig;
use super::report::{Action, Finding};
use super::run::{Outcome, Seen};
use crate::describe::Gravity;
use crate::drift::{Difference, Expected, Group, State, Survey, survey};
use crate::isolation::read_breaches;
use crate::live::{Connection, Failure};
use crate::routing::{Routes, read_routes};
use crate::words::{count, few};

/// Differences of one schema that are told one by one.
const TOLD: usize = 8;

const ACTION: Action = Action::IntrospectSqlSchema;

fn finding(
    gravity: Gravity,
    subject: impl Into<String>,
    text: impl Into<String>,
    remedy: &'static str,
) -> Finding {
    Finding { gravity, action: ACTION, subject: subject.into(), text: text.into(), remedy }
}

/// Something that could not be asked.
pub(super) fn unanswered(action: Action, subject: impl Into<String>, failure: Failure) -> Finding {
    let remedy = match failure.sqlstate() {
        // Class 28, invalid authorization.
        Some(code) if code.starts_with("28") => {
            "see that user and password in the address are right, and that the server's pg_hba.conf lets the role in"
        }
        Some("3D000") => "see that the address names the right database",
        _ => "see that the database answers, that the role may connect, and that no lock is held for long",
    };
    let text = canary_core::traits::BackendError::from(failure).chain();
    Finding { gravity: Gravity::Undecided, action, subject: subject.into(), text, remedy }
}

/// The second step.
pub(super) async fn introspect(config: &SchemaCheckConfig, stage: CheckStage, seen: &mut Seen) -> Outcome {
    let connection = match Connection::open(&config.url, &config.session).await {
        Ok(connection) => connection,
        Err(failure) => {
            return Outcome::new(
                "the database was not reached",
                vec![unanswered(ACTION, "database", failure)],
            );
        }
    };
    let routes = match read_routes(&config.routing, &connection, &config.url).await {
        Ok(routes) => routes,
        Err(error) => {
            let mut text = error.to_string();
            if let Some(cause) = std::error::Error::source(&error).map(ToString::to_string) {
                text = format!("{text}: {cause}");
            }
            let remedy = "mend the routing table, or say where the right one is";
            return Outcome::new(
                "no tenants are known",
                vec![finding(Gravity::Undecided, "routing", text, remedy)],
            );
        }
    };
    let expected = expected(config);
    let looked = survey(&routes, &config.session, config.role(), &expected, config.connections).await;
    let details = summary(&routes, &looked);
    let mut findings = versions(config, &routes, &looked);
    findings.extend(told(config, &routes, &looked));
    if stage == CheckStage::Before {
        findings.extend(isolation(config, &routes).await);
    }
    seen.survey = Survey { failed: Vec::new(), ..looked };
    seen.routes = Some(routes);
    seen.connection = Some(connection);
    Outcome::new(details, findings)
}

/// What is expected: what the lock file says, where it says something.
fn expected(config: &SchemaCheckConfig) -> Expected {
    let hashes = config.contract.as_ref().map(|contract| (&contract.schema_hashes, contract.server_major));
    let Some((Some((last, earlier)), major)) = hashes.map(|(all, major)| (all.split_last(), major)) else {
        return config.expected.clone();
    };
    Expected {
        before: earlier.iter().map(|after| after.schema.clone()).collect(),
        after: Some(last.schema.clone()),
        major: major.and_then(|major| i32::try_from(major).ok()),
    }
}

/// Servers of several major versions, and of others than the lock file's hashes are of.
fn versions(config: &SchemaCheckConfig, routes: &Routes, survey: &Survey) -> Vec<Finding> {
    let versions = survey.versions();
    let shards = |shards: &[usize]| {
        let names: Vec<_> = shards.iter().map(|shard| routes.shards[*shard].name.as_str()).collect();
        few(&names)
    };
    let mut findings = Vec::new();
    if let Some(((most, _), others @ [_, ..])) = versions.split_first() {
        let others: Vec<_> =
            others.iter().map(|(major, those)| format!("{} on {major}", shards(those))).collect();
        let text = format!(
            "most shards are on PostgreSQL {most}, {}: between versions only what every version words alike is compared (tables, columns, labels, sequences, grants), not views, constraints, defaults and functions' texts",
            others.join(", ")
        );
        let remedy = "bring the servers to one major version; until then look at the rest by hand";
        findings.push(finding(Gravity::Warn, "version", text, remedy));
    }
    let locked = expected(config).major;
    let strange = versions.iter().filter(|(major, _)| locked.is_some_and(|locked| locked != *major));
    findings.extend(strange.map(|(major, those)| {
        let text = format!(
            "the lock file's schema hashes are of PostgreSQL {}, {} on {major}: schemas there are only compared with each other",
            locked.unwrap_or_default(),
            shards(those)
        );
        let remedy = "take the hashes on a server of the same major version: contract lock --shadow …";
        finding(Gravity::Warn, "version", text, remedy)
    }));
    findings
}

fn summary(routes: &Routes, survey: &Survey) -> String {
    let odd: Vec<_> = survey
        .groups
        .iter()
        .filter(|group| matches!(group.state, State::Odd | State::Drifted))
        .flat_map(|group| &group.members)
        .map(|shard| routes.shards[*shard].name.as_str())
        .collect();
    let of =
        |state| -> usize { survey.groups.iter().filter(|g| g.state == state).map(|g| g.members.len()).sum() };
    let mut text = format!(
        "{} in {}, {}",
        count(routes.shards.len(), "tenant shard"),
        count(routes.databases.len(), "database"),
        count(survey.groups.len(), "distinct schema")
    );
    if of(State::Done) + of(State::Late) > 0 {
        text.push_str(&format!(", {} migrated, {} not yet", of(State::Done), of(State::Late)));
    }
    if !odd.is_empty() {
        text.push_str(&format!(", schema hash mismatch on {}", few(&odd)));
    }
    text
}

fn told(config: &SchemaCheckConfig, routes: &Routes, survey: &Survey) -> Vec<Finding> {
    let mut findings = Vec::new();
    let name = |shard: &usize| routes.shards[*shard].name.clone();
    for shard in &survey.missing {
        let place = &routes.shards[*shard];
        let text =
            format!("schema {} does not exist in {}", place.schema, routes.databases[place.database].name);
        findings.push(finding(
            Gravity::Refuse,
            name(shard),
            text,
            "create the tenant's schema or take it off the routing table",
        ));
    }
    for shard in &survey.moving {
        let text = "the schema was being changed while it was read, twice";
        findings.push(finding(Gravity::Undecided, name(shard), text, "ask again when nobody migrates it"));
    }
    for (shard, who) in &survey.locked {
        let remedy = "ask again when the lock is gone; see what holds it for so long (pg_stat_activity)";
        findings.push(finding(Gravity::Undecided, name(shard), format!("not read: {who}"), remedy));
    }
    for (i, group) in survey.groups.iter().enumerate() {
        let differences = survey.drifts.iter().find(|(at, _)| *at == i).map_or(&[][..], |(_, found)| found);
        findings.extend(drift(config, routes, group, differences));
    }
    for text in &survey.extensions {
        findings.push(finding(Gravity::Warn, "extensions", text.clone(), "bring extensions to one version"));
    }
    for (database, failure) in &survey.failed {
        let remedy = "see that the database answers and that the role may read its catalog";
        findings.push(finding(
            Gravity::Undecided,
            format!("database {database}"),
            failure.to_string(),
            remedy,
        ));
    }
    findings
}

fn drift(
    config: &SchemaCheckConfig,
    routes: &Routes,
    group: &Group,
    differences: &[Difference],
) -> Vec<Finding> {
    let names: Vec<_> = group.members.iter().map(|shard| routes.shards[*shard].name.as_str()).collect();
    let subject = few(&names);
    let remedy = "bring the shard to the others' schema before traffic is shifted";
    match group.state {
        State::Done | State::Common => Vec::new(),
        State::Late => {
            let hashes = config.contract.iter().flat_map(|contract| &contract.schema_hashes);
            let after = hashes.rev().find(|after| after.schema == group.bare).map(|after| &after.migration);
            let text = after.map_or_else(
                || "not migrated yet: the schema is as before the release's migrations".to_owned(),
                |migration| format!("not migrated yet: the schema is as after {migration}"),
            );
            vec![finding(Gravity::Warn, subject, text, "run the migrations there")]
        }
        State::Odd | State::Drifted if differences.is_empty() => {
            let text = format!(
                "schema hash {}, which is none that is expected",
                group.bare.get(..12).unwrap_or_default()
            );
            vec![finding(Gravity::Refuse, subject, text, remedy)]
        }
        State::Odd | State::Drifted => {
            let told = differences
                .iter()
                .take(TOLD)
                .map(|found| finding(gravity(found), subject.clone(), found.text.clone(), remedy));
            let mut told: Vec<_> = told.collect();
            if differences.len() > TOLD {
                let text = format!("{} more differences", differences.len() - TOLD);
                told.push(finding(Gravity::Refuse, subject, text, remedy));
            }
            told
        }
    }
}

/// What only makes queries slower does not stop a release.
fn gravity(difference: &Difference) -> Gravity {
    match difference.kind.as_str() {
        "index" if !difference.text.contains("UNIQUE") => Gravity::Warn,
        "statistics" | "sequence" => Gravity::Warn,
        _ => Gravity::Refuse,
    }
}

async fn isolation(config: &SchemaCheckConfig, routes: &Routes) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (i, database) in routes.databases.iter().enumerate() {
        let shards: Vec<_> = routes.in_database(i).collect();
        let schemas: Vec<_> = shards.iter().map(|(_, shard)| shard.schema.clone()).collect();
        let read = async {
            let connection = Connection::open(&database.url, &config.session).await?;
            read_breaches(&connection, &schemas, config.role()).await
        };
        match read.await {
            Err(failure) => findings.push(unanswered(ACTION, format!("database {}", database.name), failure)),
            Ok(breaches) => findings.extend(breaches.into_iter().map(|breach| {
                let shard = shards.iter().find(|(_, shard)| Some(&shard.schema) == breach.schema.as_ref());
                let subject =
                    shard.map_or_else(|| format!("database {}", database.name), |(_, s)| s.name.clone());
                finding(
                    breach.gravity,
                    subject,
                    breach.text,
                    "keep what belongs to a tenant inside its schema",
                )
            })),
        }
    }
    findings
}

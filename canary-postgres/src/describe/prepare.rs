//! Prepares the contract's queries on every shard.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ask::{Answer, ask_all};
use super::compare::{Gravity, Mismatch};
use super::constraints::named;
use crate::contract::Contract;
use crate::live::{DatabaseUrl, Failure, Session, bounded};
use crate::routing::Routes;

/// Tenants after which a connection is made anew: its backend keeps the catalog entries of every table it ever saw.
const RECYCLE: usize = 100;

/// How to describe.
#[derive(Debug, Clone)]
pub struct Describe {
    /// How connections behave.
    pub session: Session,
    /// The schemas that names are looked up in; `{schema}` is the shard's own.
    pub search_path: Vec<String>,
    /// The most connections at a time.
    pub connections: usize,
}

impl Describe {
    /// The search path of one shard.
    pub(crate) fn path_of(&self, schema: &str) -> Vec<String> {
        self.search_path.iter().map(|name| name.replace("{schema}", schema)).collect()
    }
}

/// Something that does not fit, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// What does not fit.
    pub mismatch: Mismatch,
    /// The code that the server refuses the query with.
    pub sqlstate: Option<String>,
    /// The shards, by their index in the table.
    pub shards: Vec<usize>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Described {
    /// How many shards were asked.
    pub shards: usize,
    /// How many statements were prepared.
    pub statements: usize,
    /// What does not fit, by source line.
    pub violations: Vec<Violation>,
    /// Shards that could not be asked.
    pub failed: Vec<(usize, Failure)>,
}

/// Prepares every query on the shards of `only` (all when `None`) and holds the descriptions against the sources.
pub async fn describe(
    routes: &Routes,
    contract: &Arc<Contract>,
    how: &Describe,
    only: Option<&BTreeSet<usize>>,
) -> Described {
    let wanted = |i: &usize| only.is_none_or(|only| only.contains(i));
    let mut tasks: Vec<(DatabaseUrl, Vec<(usize, String)>)> = Vec::new();
    for (database, place) in routes.databases.iter().enumerate() {
        let shards: Vec<_> = routes
            .in_database(database)
            .filter(|(i, _)| wanted(i))
            .map(|(i, s)| (i, s.schema.clone()))
            .collect();
        let rounds = shards.len().div_ceil(how.connections.max(1) * RECYCLE).max(1);
        let chunk = shards.len().div_ceil(how.connections.max(1) * rounds).max(1);
        tasks.extend(shards.chunks(chunk).map(|chunk| (place.url.clone(), chunk.to_vec())));
    }
    let answers = bounded(tasks, how.connections, |(url, shards)| {
        let (contract, how) = (Arc::clone(contract), how.clone());
        async move { ask_all(&url, &shards, &contract, &how).await }
    })
    .await;
    let mut described = Described::default();
    let mut by_mismatch: BTreeMap<(Mismatch, Option<String>), Vec<usize>> = BTreeMap::new();
    let mut answered = Vec::new();
    for (shard, answer) in answers.into_iter().flatten().flatten() {
        match answer {
            Ok(mut answer) => {
                described.shards += 1;
                described.statements += answer.statements;
                for found in answer.mismatches.drain(..) {
                    by_mismatch.entry(found).or_default().push(shard);
                }
                answered.push((shard, answer));
            }
            Err(failure) => described.failed.push((shard, failure)),
        }
    }
    let named = named(routes, contract, how, wanted).await;
    described.failed.extend(named.failed);
    for (found, shards) in leaks(routes, &answered).into_iter().chain(named.missing) {
        by_mismatch.entry((found, None)).or_default().extend(shards);
    }
    described.violations = by_mismatch
        .into_iter()
        .map(|((mismatch, sqlstate), mut shards)| {
            shards.sort_unstable();
            Violation { mismatch, sqlstate, shards }
        })
        .collect();
    described
        .violations
        .sort_by(|a, b| b.mismatch.gravity.cmp(&a.mismatch.gravity).then(a.mismatch.cmp(&b.mismatch)));
    described
}

/// Queries that reach past their own schema: into another tenant's, or into a shared one where others have a table of their own.
fn leaks(routes: &Routes, answers: &[(usize, Answer)]) -> Vec<(Mismatch, Vec<usize>)> {
    let tenants: BTreeSet<_> = routes.shards.iter().map(|shard| shard.schema.as_str()).collect();
    let own: BTreeSet<_> = answers.iter().flat_map(|(_, answer)| &answer.own).map(String::as_str).collect();
    let mut found: BTreeMap<Mismatch, Vec<usize>> = BTreeMap::new();
    for (shard, answer) in answers {
        for (relation, schema, place) in &answer.foreign {
            if tenants.contains(schema.as_str()) || own.contains(relation.as_str()) {
                let mismatch = Mismatch {
                    gravity: Gravity::Refuse,
                    place: place.clone(),
                    column: None,
                    expected: format!("{relation} of the tenant's own schema"),
                    found: format!("{schema}.{relation}"),
                };
                found.entry(mismatch).or_default().push(*shard);
            }
        }
    }
    found.into_iter().collect()
}

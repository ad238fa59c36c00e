//! Are the constraints there whose names the service's code matches in errors?

use std::collections::BTreeSet;

use super::compare::{Gravity, Mismatch};
use super::prepare::Describe;
use crate::contract::Contract;
use crate::live::{Connection, DatabaseUrl, Failure, bounded};
use crate::routing::Routes;

/// What an error of the server can be named by, by schema: constraints, unique indexes, and names in the texts of functions, which may
/// raise errors with them.
const NAMES: &str = include_str!("names.sql");

/// What came of it.
#[derive(Default)]
pub(super) struct Named {
    /// Names that are missing, and the shards.
    pub(super) missing: Vec<(Mismatch, Vec<usize>)>,
    /// Shards that could not be asked; of those of a database, the first.
    pub(super) failed: Vec<(usize, Failure)>,
}

/// Looks for every name on the shards that are `wanted`.
pub(super) async fn named(
    routes: &Routes,
    contract: &Contract,
    how: &Describe,
    wanted: impl Fn(&usize) -> bool,
) -> Named {
    let mut all = Named::default();
    if contract.constraints.is_empty() {
        return all;
    }
    let names: Vec<String> = contract.constraints.iter().map(|matched| matched.name.clone()).collect();
    let mut asked = Vec::new();
    for (database, place) in routes.databases.iter().enumerate() {
        let shards: Vec<_> = routes
            .in_database(database)
            .filter(|(shard, _)| wanted(shard))
            .map(|(shard, place)| (shard, how.path_of(&place.schema)))
            .collect();
        if !shards.is_empty() {
            asked.push((place.url.clone(), shards));
        }
    }
    let answers =
        bounded(asked, how.connections, |(url, shards): (DatabaseUrl, Vec<(usize, Vec<String>)>)| {
            let (how, names) = (how.clone(), names.clone());
            async move { (read(&url, &shards, &names, &how).await, shards) }
        })
        .await;
    let mut there = Vec::new();
    for (answer, shards) in answers.into_iter().flatten() {
        match answer {
            Ok(found) => there.extend(shards.into_iter().map(|(shard, path)| (shard, path, found.clone()))),
            Err(failure) => all.failed.extend(shards.first().map(|(shard, _)| (*shard, failure))),
        }
    }
    for matched in &contract.constraints {
        let lacks = |path: &[String], found: &Found| {
            !path.iter().any(|schema| found.contains(&(schema.clone(), matched.name.clone())))
        };
        let shards: Vec<usize> =
            there.iter().filter(|(_, path, found)| lacks(path, found)).map(|(shard, ..)| *shard).collect();
        if !shards.is_empty() {
            let mismatch = Mismatch {
                gravity: Gravity::Refuse,
                place: matched.place.to_string(),
                column: None,
                expected: format!("constraint or unique index {}, which errors are known by", matched.name),
                found: "none".to_owned(),
            };
            all.missing.push((mismatch, shards));
        }
    }
    all
}

/// Schema and name of what is there.
type Found = std::sync::Arc<BTreeSet<(String, String)>>;

async fn read(
    url: &DatabaseUrl,
    shards: &[(usize, Vec<String>)],
    names: &[String],
    how: &Describe,
) -> Result<Found, Failure> {
    let schemas: BTreeSet<&str> = shards.iter().flat_map(|(_, path)| path).map(String::as_str).collect();
    let schemas: Vec<&str> = schemas.into_iter().collect();
    let connection = Connection::open(url, &how.session).await?;
    let rows = connection.query("look for constraints", NAMES, &[&schemas, &names]).await?;
    Ok(Found::new(rows.iter().map(|row| (row.get(0), row.get(1))).collect()))
}

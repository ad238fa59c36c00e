//! All shards of all databases, compared.

use std::collections::{BTreeMap, BTreeSet};

use canary_core::traits::ErrorKind;

use super::diff::Sized;
use super::{
    Difference, Expected, Group, State, differences, group, read_extensions, read_hashes, read_lines,
};
use super::{SchemaHashes, SchemaLines};
use crate::live::{Connection, DatabaseUrl, Failure, Session, bounded};
use crate::routing::Routes;

/// Groups whose differences are told one by one; more than that many kinds of schema are not one mistake.
const TOLD: usize = 20;

/// What a comparison of all shards found.
#[derive(Debug, Default)]
pub struct Survey {
    /// The hash of each shard that is there, by its index in the table.
    pub hashes: BTreeMap<usize, String>,
    /// Shards with equal schemas, those that the others are compared with first.
    pub groups: Vec<Group>,
    /// How the groups after the first differ from it: index of the group, differences.
    pub drifts: Vec<(usize, Vec<Difference>)>,
    /// Shards whose schema does not exist.
    pub missing: Vec<usize>,
    /// Shards that somebody was changing meanwhile.
    pub moving: Vec<usize>,
    /// Shards with a table that somebody held locked, and who.
    pub locked: Vec<(usize, String)>,
    /// Databases that have an extension in another version, in words.
    pub extensions: Vec<String>,
    /// Databases that could not be read: name, and why.
    pub failed: Vec<(String, Failure)>,
}

/// What one database says.
type Read = Result<(SchemaHashes, BTreeMap<String, String>, i32), Failure>;

/// Hashes every shard, `connections` databases at a time, and finds out how those that differ do.
pub async fn survey(
    routes: &Routes,
    session: &Session,
    role: Option<&str>,
    expected: &Expected,
    connections: usize,
) -> Survey {
    let asked: Vec<_> = (0..routes.databases.len())
        .map(|database| {
            let schemas = routes.in_database(database).map(|(_, shard)| shard.schema.clone()).collect();
            (routes.databases[database].url.clone(), schemas)
        })
        .collect();
    let read = bounded(asked, connections, |(url, schemas): (DatabaseUrl, Vec<String>)| {
        let (session, role) = (session.clone(), role.map(str::to_owned));
        async move { read_database(&url, &session, &schemas, role.as_deref()).await }
    })
    .await;
    let mut survey = Survey::default();
    let mut extensions = Vec::new();
    let mut first = None;
    for (database, answer) in read.into_iter().enumerate() {
        let name = &routes.databases[database].name;
        match answer {
            // Each major version spells views and expressions in its own way.
            Some(Ok((_, _, major))) if *first.get_or_insert(major) != major => {
                let text = format!(
                    "is of PostgreSQL {major}, the first is of {}: schemas of different versions cannot be held against each other",
                    first.unwrap_or_default()
                );
                let address = routes.databases[database].url.to_string();
                let failure = Failure::of(ErrorKind::Unsupported, "compare schemas", &address, text);
                survey.failed.push((name.clone(), failure));
            }
            Some(Ok((hashes, installed, _))) => {
                survey.take(routes, database, hashes);
                extensions.push((name.clone(), installed));
            }
            Some(Err(failure)) => survey.failed.push((name.clone(), failure)),
            None => {}
        }
    }
    survey.extensions = odd_extensions(&extensions);
    survey.groups = group(&survey.hashes, expected);
    survey.tell(routes, session, role).await;
    survey
}

async fn read_database(url: &DatabaseUrl, session: &Session, schemas: &[String], role: Option<&str>) -> Read {
    let connection = Connection::open(url, session).await?;
    let sql = "SELECT current_setting('server_version_num')::int / 10000";
    let major = connection.query("ask for the version", sql, &[]).await?.first().map_or(0, |row| row.get(0));
    Ok((read_hashes(&connection, schemas, role).await?, read_extensions(&connection).await?, major))
}

impl Survey {
    fn take(&mut self, routes: &Routes, database: usize, read: SchemaHashes) {
        for (i, shard) in routes.in_database(database) {
            if let Some(hash) = read.hashes.get(&shard.schema) {
                self.hashes.insert(i, hash.clone());
            } else if read.moving.contains(&shard.schema) {
                self.moving.push(i);
            } else if let Some(who) = read.locked.get(&shard.schema) {
                self.locked.push((i, who.clone()));
            } else {
                self.missing.push(i);
            }
        }
    }

    /// The second query, for one schema of each group.
    async fn tell(&mut self, routes: &Routes, session: &Session, role: Option<&str>) {
        if self.groups.len() < 2 {
            return;
        }
        let mut lines = Vec::new();
        for group in self.groups.iter().take(TOLD) {
            match lines_of(routes, group, session, role).await {
                Ok(read) => lines.push(read),
                Err(failure) => {
                    let shard = &routes.shards[group.members[0]];
                    self.failed.push((routes.databases[shard.database].name.clone(), failure));
                    return;
                }
            }
        }
        let all: Vec<Sized<'_>> = lines.iter().zip(&self.groups).map(|(l, g)| (l, g.members.len())).collect();
        for (i, group) in self.groups.iter().enumerate().skip(1).take(TOLD - 1) {
            // Before and after the migrations are meant to differ.
            if group.state != State::Late || self.groups[0].state != State::Done {
                self.drifts.push((i, differences(&lines[i], &lines[0], &all)));
            }
        }
    }
}

async fn lines_of(
    routes: &Routes,
    group: &Group,
    session: &Session,
    role: Option<&str>,
) -> Result<SchemaLines, Failure> {
    let shard = &routes.shards[group.members[0]];
    let connection = Connection::open(&routes.databases[shard.database].url, session).await?;
    read_lines(&connection, &shard.schema, role).await
}

/// Databases that have another version of an extension than most, in words.
fn odd_extensions(databases: &[(String, BTreeMap<String, String>)]) -> Vec<String> {
    let names: BTreeSet<_> = databases.iter().flat_map(|(_, installed)| installed.keys()).collect();
    let version = |installed: &BTreeMap<String, String>, name: &str| {
        installed.get(name).cloned().unwrap_or_else(|| "missing".to_owned())
    };
    let mut odd = Vec::new();
    for name in names {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for (_, installed) in databases {
            *counts.entry(version(installed, name)).or_default() += 1;
        }
        let Some((usual, others)) = counts.into_iter().max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(&a.0)))
        else {
            continue;
        };
        for (database, installed) in databases {
            let here = version(installed, name);
            if here != usual {
                odd.push(format!(
                    "database {database}: extension {name} is {here}, {others} other(s) {usual}"
                ));
            }
        }
    }
    odd
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_compared_between_databases() {
        let with = |name: &str, version: Option<&str>| {
            (name.to_owned(), version.map(|v| ("citext".to_owned(), v.to_owned())).into_iter().collect())
        };
        let databases =
            [with("a", Some("1.6")), with("b", Some("1.5")), with("c", Some("1.6")), with("d", None)];
        assert_eq!(
            odd_extensions(&databases),
            [
                "database b: extension citext is 1.5, 2 other(s) 1.6",
                "database d: extension citext is missing, 2 other(s) 1.6"
            ]
        );
    }
}

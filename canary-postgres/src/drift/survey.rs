//! All shards of all databases, compared.

use std::collections::{BTreeMap, BTreeSet};

use super::diff::Sized;
use super::hash::{self, Asked};
use super::{
    Difference, Expected, Group, Hashed, SchemaHashes, SchemaLines, State, differences, group,
    read_extensions, read_lines,
};
use crate::live::{Connection, DatabaseUrl, Failure, Session, bounded};
use crate::routing::Routes;
use crate::words::count;

/// Groups whose differences are told one by one; more than that many kinds of schema are not one mistake.
const TOLD: usize = 20;

/// What a comparison of all shards found.
#[derive(Debug, Default)]
pub struct Survey {
    /// The hash of each shard that is there, by its index in the table.
    pub hashes: BTreeMap<usize, String>,
    /// Shards with equal schemas on servers of one major version, those that the others are compared with first.
    pub groups: Vec<Group>,
    /// How groups differ from the first of their version, and that from the first of all: index of the group, differences.
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
#[derive(Debug)]
struct Answer {
    hashes: SchemaHashes,
    extensions: BTreeMap<String, String>,
    /// The server's major version.
    major: i32,
}

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
    let bare = role.is_some() && expected.is_known();
    let answers = bounded(asked, connections, |(url, schemas): (DatabaseUrl, Vec<String>)| {
        let (session, role) = (session.clone(), role.map(str::to_owned));
        async move { read_database(&url, &session, &schemas, Asked { role: role.as_deref(), bare }).await }
    })
    .await;
    let mut survey = Survey::of(routes, answers, expected);
    survey.tell(routes, session, role).await;
    survey
}

async fn read_database(
    url: &DatabaseUrl,
    session: &Session,
    schemas: &[String],
    asked: Asked<'_>,
) -> Result<Answer, Failure> {
    let connection = Connection::open(url, session).await?;
    let sql = "SELECT current_setting('server_version_num')::int / 10000";
    let major = connection.query("ask for the version", sql, &[]).await?.first().map_or(0, |row| row.get(0));
    let hashes = hash::read(&connection, schemas, asked).await?;
    Ok(Answer { hashes, extensions: read_extensions(&connection).await?, major })
}

impl Survey {
    /// What the databases' answers come to, each at its index; `None` where the time was over before.
    fn of(routes: &Routes, answers: Vec<Option<Result<Answer, Failure>>>, expected: &Expected) -> Self {
        let mut survey = Self::default();
        let (mut extensions, mut hashed) = (Vec::new(), BTreeMap::new());
        for (database, answer) in answers.into_iter().enumerate() {
            let name = &routes.databases[database].name;
            match answer {
                Some(Ok(answer)) => {
                    survey.take(routes, database, &answer, &mut hashed);
                    extensions.push((name.clone(), answer.extensions));
                }
                Some(Err(failure)) => survey.failed.push((name.clone(), failure)),
                None => {}
            }
        }
        survey.extensions = odd_extensions(&extensions);
        survey.groups = group(&hashed, expected);
        survey.hashes = hashed.into_iter().map(|(shard, hashed)| (shard, hashed.full)).collect();
        survey
    }

    fn take(
        &mut self,
        routes: &Routes,
        database: usize,
        answer: &Answer,
        hashed: &mut BTreeMap<usize, Hashed>,
    ) {
        let read = &answer.hashes;
        for (i, shard) in routes.in_database(database) {
            if let Some(full) = read.hashes.get(&shard.schema) {
                let bare = read.bare.get(&shard.schema).unwrap_or(full).clone();
                hashed.insert(i, Hashed { full: full.clone(), bare, major: answer.major });
            } else if read.moving.contains(&shard.schema) {
                self.moving.push(i);
            } else if let Some(who) = read.locked.get(&shard.schema) {
                self.locked.push((i, who.clone()));
            } else {
                self.missing.push(i);
            }
        }
    }

    /// The shards on servers of each major version, that of the most shards first.
    #[must_use]
    pub fn versions(&self) -> Vec<(i32, Vec<usize>)> {
        let mut versions: Vec<(i32, Vec<usize>)> = Vec::new();
        for group in &self.groups {
            match versions.last_mut().filter(|(major, _)| *major == group.major) {
                Some((_, shards)) => shards.extend(&group.members),
                None => versions.push((group.major, group.members.clone())),
            }
        }
        versions
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
        self.compare(&lines);
    }

    /// How the groups differ, by the lines of one schema of each: from the first group of their version, and the first groups of
    /// the versions from each other, by what every version words alike.
    fn compare(&mut self, lines: &[SchemaLines]) {
        let alike: Vec<SchemaLines> = lines.iter().map(SchemaLines::alike).collect();
        let sized = |lines: &'_ [SchemaLines], major: Option<i32>| -> Vec<(SchemaLines, usize)> {
            let groups =
                lines.iter().zip(&self.groups).filter(|(_, group)| major.is_none_or(|of| of == group.major));
            groups.map(|(lines, group)| (lines.clone(), group.members.len())).collect()
        };
        let everywhere = sized(&alike, None);
        let mut odd = Vec::new();
        for (i, group) in self.groups.iter().enumerate().take(lines.len()) {
            let first = self.groups.iter().position(|other| other.major == group.major).unwrap_or(i);
            // Before and after the migrations are meant to differ.
            let late = |usual: usize| group.state == State::Late && self.groups[usual].state == State::Done;
            if i != first && !late(first) {
                let own = sized(lines, Some(group.major));
                let own: Vec<Sized<'_>> = own.iter().map(|(lines, size)| (lines, *size)).collect();
                self.drifts.push((i, differences(&lines[i], &lines[first], &own)));
            } else if i == first && i > 0 && !late(0) {
                let all: Vec<Sized<'_>> = everywhere.iter().map(|(lines, size)| (lines, *size)).collect();
                let found = differences(&alike[i], &alike[0], &all);
                if !found.is_empty() {
                    self.drifts.push((i, found));
                    odd.push(i);
                }
            }
        }
        for i in odd {
            self.groups[i].state = State::Odd;
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
                    "database {database}: extension {name} is {here}, {} {usual}",
                    count(others, "other")
                ));
            }
        }
    }
    odd
}

#[cfg(test)]
mod tests;

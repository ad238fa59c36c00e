//! Prepares the contract's queries on every shard.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use canary_core::traits::ErrorKind;
use futures_util::future::join_all;
use tokio_postgres::Statement;

use super::Mismatch;
use super::compare::{Gravity, Seen, compare};
use crate::contract::Contract;
use crate::live::{Connection, DatabaseUrl, Failure, Session, bounded};
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

/// Relations that columns come from: name, schema, and the source line.
type Reaches = BTreeSet<(String, String, String)>;

/// What came of a query's description, by query and description.
type Judged = HashMap<(usize, Vec<Seen>), Vec<Mismatch>>;

/// One shard's answer.
#[derive(Default)]
struct Answer {
    statements: usize,
    mismatches: Vec<(Mismatch, Option<String>)>,
    origins: Reaches,
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
    let mut origins = Vec::new();
    for (shard, answer) in answers.into_iter().flatten().flatten() {
        match answer {
            Ok(answer) => {
                described.shards += 1;
                described.statements += answer.statements;
                for found in answer.mismatches {
                    by_mismatch.entry(found).or_default().push(shard);
                }
                origins.push((shard, answer.origins));
            }
            Err(failure) => described.failed.push((shard, failure)),
        }
    }
    for (found, shards) in leaks(routes, &origins) {
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

async fn ask_all(
    url: &DatabaseUrl,
    shards: &[(usize, String)],
    contract: &Contract,
    how: &Describe,
) -> Vec<(usize, Result<Answer, Failure>)> {
    let mut connection: Option<Connection> = None;
    let mut judged = Judged::default();
    let mut answers = Vec::with_capacity(shards.len());
    for (shard, schema) in shards {
        let open = match connection.take().filter(|open| !open.is_broken()) {
            Some(open) => Ok(open),
            None => Connection::open(url, &how.session).await,
        };
        let answer = match open {
            Ok(open) => {
                let answer = ask(&open, schema, contract, how, &mut judged).await;
                connection = Some(open);
                answer
            }
            Err(failure) => Err(failure),
        };
        answers.push((*shard, answer));
    }
    answers
}

async fn ask(
    connection: &Connection,
    schema: &str,
    contract: &Contract,
    how: &Describe,
    judged: &mut Judged,
) -> Result<Answer, Failure> {
    let path = how.path_of(schema);
    connection.set_search_path(&path).await?;
    // All are on their way before the first answer: one connection is as fast as its server, not as its round trips.
    let queries: Vec<_> = contract.queries.iter().filter(|query| query.preparable()).collect();
    let prepared = join_all(queries.iter().map(|query| connection.prepare("prepare", &query.text))).await;
    let tables: BTreeSet<u32> = prepared
        .iter()
        .filter_map(|statement| statement.as_ref().ok())
        .flat_map(|statement| statement.columns().iter().filter_map(tokio_postgres::Column::table_oid))
        .collect();
    let origins = origins(connection, &tables.into_iter().collect::<Vec<_>>()).await?;
    let mut answer = Answer::default();
    for (i, (query, statement)) in queries.into_iter().zip(prepared).enumerate() {
        match statement {
            Ok(statement) => {
                answer.statements += 1;
                let seen = columns(&statement, &origins);
                // Nearly all tenants give the same description: judged once.
                let found =
                    judged.entry((i, seen)).or_insert_with_key(|(_, seen)| compare(query, seen, contract));
                answer.mismatches.extend(found.iter().cloned().map(|found| (found, None)));
                let places = statement
                    .columns()
                    .iter()
                    .filter_map(|column| origins.get(&(column.table_oid()?, column.column_id()?)));
                answer.origins.extend(places.map(|o| (o.relation.clone(), o.schema.clone(), query.place())));
            }
            Err(failure) => {
                // A lock, a full server, a lost connection say nothing about the query.
                let refused = !matches!(
                    failure.kind(),
                    ErrorKind::TimedOut | ErrorKind::Unreachable | ErrorKind::Exhausted
                );
                let Some(code) = failure.sqlstate().filter(|_| refused).map(str::to_owned) else {
                    return Err(failure);
                };
                let found = Mismatch {
                    gravity: Gravity::Refuse,
                    place: query.place(),
                    column: None,
                    expected: "a query that can be prepared".to_owned(),
                    found: failure.message().to_owned(),
                };
                answer.mismatches.push((found, Some(code)));
            }
        }
    }
    Ok(answer)
}

/// Where a column comes from.
struct Origin {
    relation: String,
    schema: String,
    nullable: Option<bool>,
}

/// The columns of tables by table and number. Columns of views say nothing about NULL.
async fn origins(connection: &Connection, tables: &[u32]) -> Result<BTreeMap<(u32, i16), Origin>, Failure> {
    let sql = "SELECT a.attrelid, a.attnum, a.attnotnull, c.relname::text, n.nspname::text, c.relkind IN ('r', 'p', 'f') \
               FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
               WHERE a.attrelid = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped";
    let rows = connection.query("read the columns' origins", sql, &[&tables]).await?;
    let read = |row: &tokio_postgres::Row| {
        let (not_null, table): (bool, bool) = (row.get(2), row.get(5));
        let origin =
            Origin { relation: row.get(3), schema: row.get(4), nullable: table.then_some(!not_null) };
        ((row.get(0), row.get(1)), origin)
    };
    Ok(rows.iter().map(read).collect())
}

fn columns(statement: &Statement, origins: &BTreeMap<(u32, i16), Origin>) -> Vec<Seen> {
    let seen = |column: &tokio_postgres::Column| {
        let origin = column.table_oid().zip(column.column_id()).and_then(|key| origins.get(&key));
        Seen::new(column.name(), column.type_(), origin.and_then(|origin| origin.nullable))
    };
    statement.columns().iter().map(seen).collect()
}

/// Queries that reach past their own schema: into another tenant's, or into a shared one where others have a table of their own.
fn leaks(routes: &Routes, origins: &[(usize, Reaches)]) -> Vec<(Mismatch, Vec<usize>)> {
    let tenants: BTreeSet<_> = routes.shards.iter().map(|shard| shard.schema.as_str()).collect();
    let own: BTreeSet<_> = origins
        .iter()
        .flat_map(|(shard, all)| all.iter().filter(|o| o.1 == routes.shards[*shard].schema))
        .map(|o| o.0.as_str())
        .collect();
    let mut found: BTreeMap<Mismatch, Vec<usize>> = BTreeMap::new();
    for (shard, all) in origins {
        for (relation, schema, place) in all {
            let foreign = *schema != routes.shards[*shard].schema;
            if foreign && (tenants.contains(schema.as_str()) || own.contains(relation.as_str())) {
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

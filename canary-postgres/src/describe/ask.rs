//! Asks shards, one after the other on one connection, and judges what they describe.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use canary_core::traits::ErrorKind;
use futures_util::future::join_all;
use tokio_postgres::types::Type;

use super::Describe;
use super::compare::{Gravity, Mismatch, Seen, compare};
use crate::contract::{Contract, Query};
use crate::live::{Connection, DatabaseUrl, Failure};

/// What a query's columns are called and of what types: one for all tenants where they are the same.
type Shape = Arc<[(String, Type)]>;

/// A statement that the server described.
struct Statement {
    /// The query, by its index among those that can be prepared.
    query: usize,
    shape: Shape,
    /// The table and number of each column that is one of a table.
    places: Vec<Option<(u32, i16)>>,
}

/// What one shard said.
struct Said {
    statements: Vec<Statement>,
    refused: Vec<(Mismatch, Option<String>)>,
}

/// One shard's answer.
#[derive(Default)]
pub(super) struct Answer {
    pub(super) statements: usize,
    pub(super) mismatches: Vec<(Mismatch, Option<String>)>,
    /// Tables of its own that its queries read.
    pub(super) own: BTreeSet<String>,
    /// Those of other schemas: name, schema, and the source line.
    pub(super) foreign: BTreeSet<(String, String, String)>,
}

/// Has some shards of one database describe every query.
pub(super) async fn ask_all(
    url: &DatabaseUrl,
    shards: &[(usize, String)],
    contract: &Contract,
    how: &Describe,
) -> Vec<(usize, Result<Answer, Failure>)> {
    let queries: Vec<&Query> = contract.queries.iter().filter(|query| query.preparable()).collect();
    let mut connection: Option<Connection> = None;
    let mut shapes: Vec<Option<Shape>> = vec![None; queries.len()];
    let mut said = Vec::with_capacity(shards.len());
    for (shard, schema) in shards {
        let open = match connection.take().filter(|open| !open.is_broken()) {
            Some(open) => Ok(open),
            None => Connection::open(url, &how.session).await,
        };
        let answer = match open {
            Ok(open) => {
                let answer = ask(&open, &how.path_of(schema), &queries, &mut shapes).await;
                connection = Some(open);
                answer
            }
            Err(failure) => Err(failure),
        };
        said.push((*shard, schema.as_str(), answer));
    }
    // One question for all of them: where their columns come from.
    let tables: BTreeSet<u32> = (said.iter().filter_map(|(.., answer)| answer.as_ref().ok()))
        .flat_map(|said| said.statements.iter().flat_map(|statement| statement.places.iter().flatten()))
        .map(|(table, _)| *table)
        .collect();
    let origins = match connection {
        Some(open) if !open.is_broken() => Origins::read(&open, tables).await,
        _ => match Connection::open(url, &how.session).await {
            Ok(open) => Origins::read(&open, tables).await,
            Err(failure) => Err(failure),
        },
    };
    let mut judged = Judged { contract, queries: &queries, known: vec![None; queries.len()] };
    let judge = |(shard, schema, answer): (usize, &str, Result<Said, Failure>)| {
        let answer = answer.and_then(|said| match &origins {
            Ok(origins) => Ok(judged.answer(said, schema, origins)),
            Err(failure) => Err(failure.again()),
        });
        (shard, answer)
    };
    said.into_iter().map(judge).collect()
}

/// Has one shard describe every query.
async fn ask(
    connection: &Connection,
    path: &[String],
    queries: &[&Query],
    shapes: &mut [Option<Shape>],
) -> Result<Said, Failure> {
    connection.set_search_path(path).await?;
    // All are on their way before the first answer: one connection is as fast as its server, not as its round trips.
    let prepared = join_all(queries.iter().map(|query| connection.prepare("prepare", &query.text))).await;
    let mut said = Said { statements: Vec::with_capacity(queries.len()), refused: Vec::new() };
    for (query, statement) in prepared.into_iter().enumerate() {
        match statement {
            Ok(statement) => {
                let columns = statement.columns();
                let shape = shape(&mut shapes[query], columns);
                let places =
                    columns.iter().map(|column| column.table_oid().zip(column.column_id())).collect();
                said.statements.push(Statement { query, shape, places });
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
                    place: queries[query].place(),
                    column: None,
                    expected: "a query that can be prepared".to_owned(),
                    found: failure.message().to_owned(),
                };
                said.refused.push((found, Some(code)));
            }
        }
    }
    Ok(said)
}

/// The shape of these columns; the one before, when it is the same.
fn shape(before: &mut Option<Shape>, columns: &[tokio_postgres::Column]) -> Shape {
    if let Some(before) = before
        && before.len() == columns.len()
        && before.iter().zip(columns).all(|(a, b)| a.0 == b.name() && a.1 == *b.type_())
    {
        return Arc::clone(before);
    }
    let shape: Shape =
        columns.iter().map(|column| (column.name().to_owned(), column.type_().clone())).collect();
    *before = Some(Arc::clone(&shape));
    shape
}

/// Where columns come from.
#[derive(Default)]
struct Origins {
    /// Name and schema of tables.
    tables: HashMap<u32, (String, String)>,
    /// Whether a column can be NULL; not known of views.
    nullable: HashMap<(u32, i16), Option<bool>>,
}

impl Origins {
    async fn read(connection: &Connection, tables: BTreeSet<u32>) -> Result<Self, Failure> {
        let sql = "SELECT c.oid, c.relname::text, n.nspname::text, c.relkind IN ('r', 'p', 'f'), \
                   array_agg(a.attnum ORDER BY a.attnum), array_agg(a.attnotnull ORDER BY a.attnum) \
                   FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
                   JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                   WHERE a.attrelid = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped GROUP BY 1, 2, 3, 4";
        let mut origins = Self::default();
        if tables.is_empty() {
            return Ok(origins);
        }
        let tables: Vec<u32> = tables.into_iter().collect();
        for row in connection.query("read the columns' origins", sql, &[&tables]).await? {
            let (table, is_table): (u32, bool) = (row.get(0), row.get(3));
            let (numbers, not_null): (Vec<i16>, Vec<bool>) = (row.get(4), row.get(5));
            origins.tables.insert(table, (row.get(1), row.get(2)));
            let columns = numbers.into_iter().zip(not_null);
            let columns = columns.map(|(n, not_null)| ((table, n), is_table.then_some(!not_null)));
            origins.nullable.extend(columns);
        }
        Ok(origins)
    }
}

/// A description of a query and what was found in it.
type Known = (Shape, Vec<Option<bool>>, Vec<Mismatch>);

/// Judges descriptions; nearly all tenants give the same, which is judged once.
struct Judged<'a> {
    contract: &'a Contract,
    queries: &'a [&'a Query],
    known: Vec<Option<Known>>,
}

impl Judged<'_> {
    fn answer(&mut self, said: Said, schema: &str, origins: &Origins) -> Answer {
        let mut answer =
            Answer { statements: said.statements.len(), mismatches: said.refused, ..Answer::default() };
        for statement in said.statements {
            let nullable: Vec<Option<bool>> = statement
                .places
                .iter()
                .map(|place| place.and_then(|place| origins.nullable.get(&place).copied().flatten()))
                .collect();
            let mut before = None;
            for (table, _) in statement.places.iter().flatten() {
                if before.replace(*table) == Some(*table) {
                    continue;
                }
                let Some((relation, of)) = origins.tables.get(table) else { continue };
                if of != schema {
                    let place = self.queries[statement.query].place();
                    answer.foreign.insert((relation.clone(), of.clone(), place));
                } else if !answer.own.contains(relation) {
                    answer.own.insert(relation.clone());
                }
            }
            let found = self.found(statement.query, statement.shape, nullable);
            answer.mismatches.extend(found.iter().cloned().map(|found| (found, None)));
        }
        answer
    }

    fn found(&mut self, query: usize, shape: Shape, nullable: Vec<Option<bool>>) -> &[Mismatch] {
        let known = self.known[query].take().filter(|(a, b, _)| Arc::ptr_eq(a, &shape) && *b == nullable);
        let known = known.unwrap_or_else(|| {
            let columns: Vec<Seen> =
                shape.iter().zip(&nullable).map(|((name, pg), null)| Seen::new(name, pg, *null)).collect();
            let found = compare(self.queries[query], &columns, self.contract);
            (shape, nullable, found)
        });
        &self.known[query].insert(known).2
    }
}

//! Puts every query of a contract to a database, and notes what it says.

use std::collections::BTreeMap;

use tokio_postgres::types::{FromSql, Kind, Oid, Type, accepts};

use super::plan::Plan;
use crate::contract::Query;
use crate::live::{Connection, Failure};

/// What the server refused a query with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) sqlstate: String,
    pub(super) message: String,
}

/// What is known of one query on one schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Probed {
    /// L1 and L2.
    pub(super) described: Result<Description, Refusal>,
    /// L3; none for what cannot be explained (utility statements).
    pub(super) explained: Option<Result<Plan, Refusal>>,
}

/// What a prepared query takes and gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Description {
    pub(super) parameters: Vec<TypeName>,
    pub(super) columns: Vec<Output>,
}

/// A type as drivers look it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TypeName {
    pub(super) name: String,
    /// Of an enum.
    pub(super) labels: Vec<String>,
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Output {
    pub(super) name: String,
    pub(super) of: TypeName,
    pub(super) modifier: i32,
    /// Whether it comes from a table's column that cannot be NULL; outer joins not looked at.
    pub(super) not_null: bool,
}

/// The name of query number `index` in `PREPARE`.
fn name(index: usize) -> String {
    format!("canary_q{index}")
}

/// The connection of a running binary: every query prepared, as its driver would have it.
#[derive(Debug)]
pub(super) struct Prepared {
    connection: Connection,
    /// How many parameters a query has; none when it could not be prepared.
    parameters: Vec<Option<usize>>,
}

impl Prepared {
    /// Prepares and explains everything, and keeps the connection with it.
    pub(super) async fn on(
        connection: Connection,
        queries: &[Query],
    ) -> Result<(Self, Vec<Probed>), Failure> {
        connection.batch("plan for any parameters", "SET plan_cache_mode = force_generic_plan").await?;
        let (mut parameters, mut probed) = (Vec::new(), Vec::new());
        let mut origins = Vec::new();
        for (index, query) in queries.iter().enumerate() {
            let described = describe(&connection, &query.text).await?;
            let mut explained = None;
            let mut count = None;
            if let Ok((found, _)) = &described {
                // Its own text was one statement a moment ago, so that nothing can hide behind a semicolon.
                let text = format!("PREPARE {} AS {}\n", name(index), query.text);
                if refusal(connection.batch("prepare a query", &text).await)?.is_ok() {
                    count = Some(found.parameters.len());
                    explained = Some(explain(&connection, index, found.parameters.len()).await?);
                }
            }
            parameters.push(count);
            let (described, from) = match described {
                Ok((description, from)) => (Ok(description), from),
                Err(refusal) => (Err(refusal), Vec::new()),
            };
            origins.push(from);
            probed.push(Probed { described, explained });
        }
        not_null(&connection, &origins, &mut probed).await?;
        Ok((Self { connection, parameters }, probed))
    }

    /// Explains everything again, with what this connection has prepared: 0A000 where a result has changed.
    pub(super) async fn again(&self) -> Result<Vec<Option<Refusal>>, Failure> {
        let mut found = Vec::new();
        for (index, parameters) in self.parameters.iter().enumerate() {
            found.push(match parameters {
                Some(count) => explain(&self.connection, index, *count).await?.err(),
                None => None,
            });
        }
        Ok(found)
    }
}

/// Tells what the server refused from not having been asked.
fn refusal<T>(answer: Result<T, Failure>) -> Result<Result<T, Refusal>, Failure> {
    match answer {
        Ok(value) => Ok(Ok(value)),
        Err(failure) => match failure.sqlstate() {
            // A statement_timeout or a server that stops says nothing about the query.
            Some(code) if !code.starts_with("57") && !code.starts_with("53") => {
                Ok(Err(Refusal { sqlstate: code.to_owned(), message: failure.message().to_owned() }))
            }
            _ => Err(failure),
        },
    }
}

type Origins = Vec<Option<(Oid, i16)>>;

async fn describe(
    connection: &Connection,
    text: &str,
) -> Result<Result<(Description, Origins), Refusal>, Failure> {
    let prepared = refusal(connection.prepare("prepare a query", text).await)?;
    Ok(prepared.map(|statement| {
        let parameters = statement.params().iter().map(type_name).collect();
        let mut origins = Origins::new();
        let mut columns = Vec::new();
        for column in statement.columns() {
            origins.push(column.table_oid().zip(column.column_id()));
            columns.push(Output {
                name: column.name().to_owned(),
                of: type_name(column.type_()),
                modifier: column.type_modifier(),
                not_null: false,
            });
        }
        (Description { parameters, columns }, origins)
    }))
}

fn type_name(found: &Type) -> TypeName {
    let labels = match found.kind() {
        Kind::Enum(labels) => labels.clone(),
        _ => Vec::new(),
    };
    TypeName { name: found.name().to_owned(), labels }
}

/// What `EXPLAIN (FORMAT JSON)` prints, as text.
struct Json(String);

impl<'a> FromSql<'a> for Json {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(std::str::from_utf8(raw)?.to_owned()))
    }

    accepts!(JSON);
}

async fn explain(
    connection: &Connection,
    index: usize,
    parameters: usize,
) -> Result<Result<Plan, Refusal>, Failure> {
    let nulls = vec!["NULL"; parameters].join(", ");
    let call = if parameters == 0 { name(index) } else { format!("{}({nulls})", name(index)) };
    let text = format!("EXPLAIN (VERBOSE, FORMAT JSON) EXECUTE {call}");
    let rows = refusal(connection.query("explain a query", &text, &[]).await)?;
    Ok(rows.map(|rows| {
        let text = rows.first().map(|row| row.get::<_, Json>(0).0).unwrap_or_default();
        // A text that is no plan holds nothing to compare.
        Plan::read(&text).unwrap_or_default()
    }))
}

/// Fills in which columns come from columns that cannot be NULL.
async fn not_null(
    connection: &Connection,
    origins: &[Origins],
    probed: &mut [Probed],
) -> Result<(), Failure> {
    let mut tables: Vec<Oid> = origins.iter().flatten().flatten().map(|(table, _)| *table).collect();
    tables.sort_unstable();
    tables.dedup();
    let text = "SELECT attrelid, attnum, attnotnull FROM pg_catalog.pg_attribute WHERE attrelid = ANY ($1)";
    let rows = connection.query("look up columns", text, &[&tables]).await?;
    let facts: BTreeMap<(Oid, i16), bool> =
        rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect();
    for (origins, probed) in origins.iter().zip(probed) {
        if let Ok(description) = &mut probed.described {
            for (origin, column) in origins.iter().zip(&mut description.columns) {
                column.not_null = origin.and_then(|origin| facts.get(&origin).copied()).unwrap_or(false);
            }
        }
    }
    Ok(())
}

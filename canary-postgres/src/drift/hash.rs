//! Reads hashes and lines of many schemas from one database.

use std::collections::BTreeMap;

use super::SchemaLines;
use crate::live::{Connection, Failure};

const LINES: &str = include_str!("lines.sql");
const HASHES: &str = include_str!("hash.sql");

/// Schemas that one query reads: it holds the lines of all of them in memory.
const CHUNK: usize = 250;

/// What the schemas of one database hash to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SchemaHashes {
    /// The hash of each schema that is there, in hexadecimal digits.
    pub hashes: BTreeMap<String, String>,
    /// The schemas that another session was changing, twice in a row.
    pub moving: Vec<String>,
}

/// Hashes schemas; one that is not there is not in the answer. `role` is whose grants count.
///
/// # Errors
/// As [`Connection::query`].
pub async fn read_hashes(
    connection: &Connection,
    schemas: &[String],
    role: Option<&str>,
) -> Result<SchemaHashes, Failure> {
    let mut all = SchemaHashes::default();
    for chunk in schemas.chunks(CHUNK) {
        match hashes_of(connection, chunk, role).await {
            Ok(hashes) => all.hashes.extend(hashes),
            Err(failure) if failure.is_moving() => one_by_one(connection, chunk, role, &mut all).await?,
            Err(failure) => return Err(failure),
        }
    }
    Ok(all)
}

/// The second attempt: finds out which of the schemas is moving. `pg_get_*` read the newest catalog, not the query's snapshot.
async fn one_by_one(
    connection: &Connection,
    schemas: &[String],
    role: Option<&str>,
    all: &mut SchemaHashes,
) -> Result<(), Failure> {
    if let Ok(hashes) = hashes_of(connection, schemas, role).await {
        all.hashes.extend(hashes);
        return Ok(());
    }
    for schema in schemas {
        match hashes_of(connection, std::slice::from_ref(schema), role).await {
            Ok(hashes) => all.hashes.extend(hashes),
            Err(failure) if failure.is_moving() => all.moving.push(schema.clone()),
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

async fn hashes_of(
    connection: &Connection,
    schemas: &[String],
    role: Option<&str>,
) -> Result<Vec<(String, String)>, Failure> {
    let sql = format!("{LINES}{HASHES}");
    let rows = connection.query("hash schemas", &sql, &[&schemas, &role.unwrap_or("")]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// The lines of one schema, for the differences.
///
/// # Errors
/// As [`Connection::query`].
pub async fn read_lines(
    connection: &Connection,
    schema: &str,
    role: Option<&str>,
) -> Result<SchemaLines, Failure> {
    let sql = format!("{LINES}SELECT line FROM t");
    let rows = connection.query("read a schema", &sql, &[&[schema].as_slice(), &role.unwrap_or("")]).await?;
    let lines: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    Ok(SchemaLines::parse(lines.iter().map(String::as_str)))
}

/// The extensions of a database and their versions.
///
/// # Errors
/// As [`Connection::query`].
pub async fn read_extensions(connection: &Connection) -> Result<BTreeMap<String, String>, Failure> {
    let sql = "SELECT extname::text, extversion FROM pg_extension";
    let rows = connection.query("read the extensions", sql, &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

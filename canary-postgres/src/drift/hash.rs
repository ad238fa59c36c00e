//! Reads hashes and lines of many schemas from one database.

use std::collections::BTreeMap;

use super::SchemaLines;
use crate::live::{Connection, Failure};

const LINES: &str = include_str!("lines.sql");
const HASHES: &str = include_str!("hash.sql");
const BARE: &str = include_str!("bare.sql");

/// Schemas that one query reads: it holds the lines of all of them in memory.
const CHUNK: usize = 250;

/// What the schemas of one database hash to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SchemaHashes {
    /// The hash of each schema that is there, in hexadecimal digits.
    pub hashes: BTreeMap<String, String>,
    /// The same without the role's grants, which migrations seldom give: what is held against the lock file. Empty unless asked for.
    pub bare: BTreeMap<String, String>,
    /// The schemas that another session was changing, twice in a row.
    pub moving: Vec<String>,
    /// The schemas with a table that another session held locked for longer than `lock_timeout`, and who.
    pub locked: BTreeMap<String, String>,
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
    read(connection, schemas, Asked { role, bare: false }).await
}

/// What is hashed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// Whose grants count.
    pub(super) role: Option<&'a str>,
    /// Whether the hashes without grants are wanted as well.
    pub(super) bare: bool,
}

pub(super) async fn read(
    connection: &Connection,
    schemas: &[String],
    asked: Asked<'_>,
) -> Result<SchemaHashes, Failure> {
    let mut all = SchemaHashes::default();
    for chunk in schemas.chunks(CHUNK) {
        read_chunk(connection, chunk.to_vec(), asked, &mut all).await?;
    }
    Ok(all)
}

async fn read_chunk(
    connection: &Connection,
    mut schemas: Vec<String>,
    asked: Asked<'_>,
    all: &mut SchemaHashes,
) -> Result<(), Failure> {
    loop {
        let failure = match hashes_of(connection, &schemas, asked, all).await {
            Ok(()) => return Ok(()),
            Err(failure) => failure,
        };
        if failure.is_moving() {
            return one_by_one(connection, &schemas, asked, all).await;
        }
        if !failure.waited_for_a_lock() {
            return Err(failure);
        }
        // The text of a view cannot be had while a table of it is locked; what the other schemas hold can.
        let locked = locked_schemas(connection, &schemas).await?;
        if locked.is_empty() {
            return Err(failure);
        }
        schemas.retain(|schema| !locked.contains_key(schema));
        all.locked.extend(locked);
    }
}

/// Which of the schemas have a relation that nobody else can even read, or that somebody waits to lock so: reads queue behind.
async fn locked_schemas(
    connection: &Connection,
    schemas: &[String],
) -> Result<BTreeMap<String, String>, Failure> {
    let sql = "SELECT DISTINCT ON (n.nspname) n.nspname::text, \
                      c.relname || ' is locked (ACCESS EXCLUSIVE' || CASE WHEN l.granted THEN '' ELSE ', waited for' END || ') by process ' \
                      || l.pid || coalesce(' (' || nullif(a.application_name, '') || ')', '') \
               FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace \
               LEFT JOIN pg_stat_activity a ON a.pid = l.pid \
               WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.pid <> pg_backend_pid() \
               AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND n.nspname = ANY ($1::text[]) \
               ORDER BY n.nspname, l.granted DESC, c.relkind DESC, c.relname";
    let rows = connection.query("look for locks", sql, &[&schemas]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// The second attempt: finds out which of the schemas is moving. `pg_get_*` read the newest catalog, not the query's snapshot.
async fn one_by_one(
    connection: &Connection,
    schemas: &[String],
    asked: Asked<'_>,
    all: &mut SchemaHashes,
) -> Result<(), Failure> {
    if hashes_of(connection, schemas, asked, all).await.is_ok() {
        return Ok(());
    }
    for schema in schemas {
        match hashes_of(connection, std::slice::from_ref(schema), asked, all).await {
            Ok(()) => {}
            Err(failure) if failure.is_moving() => all.moving.push(schema.clone()),
            Err(failure) if failure.waited_for_a_lock() => {
                let locked = locked_schemas(connection, std::slice::from_ref(schema)).await?;
                let who = locked.into_values().next().unwrap_or_else(|| "a table is locked".to_owned());
                all.locked.insert(schema.clone(), who);
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

async fn hashes_of(
    connection: &Connection,
    schemas: &[String],
    asked: Asked<'_>,
    all: &mut SchemaHashes,
) -> Result<(), Failure> {
    let sql = format!("{LINES}{}", if asked.bare { BARE } else { HASHES });
    let rows = connection.query("hash schemas", &sql, &[&schemas, &asked.role.unwrap_or("")]).await?;
    all.hashes.extend(rows.iter().map(|row| (row.get(0), row.get(1))));
    if asked.bare {
        all.bare.extend(rows.iter().map(|row| (row.get(0), row.get(2))));
    }
    Ok(())
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

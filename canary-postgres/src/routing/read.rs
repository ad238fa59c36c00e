//! Reads the table from wherever it is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::table::Row;
use super::{Routes, RoutesError, SchemaPattern, yaml};
use crate::live::{BadDatabaseUrl, Connection, DatabaseUrl, Failure};

/// The largest file that is read as a table.
const LARGEST: u64 = 16 << 20;

/// Where the table is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Routing {
    /// The rows of a query on the database asked first: columns `schema`, and `shard`, `database`, `tenant` where it has them, as text.
    Query(String),
    /// A YAML file.
    File(PathBuf),
    /// The schemas of the database asked first whose names fit.
    Schemas(SchemaPattern),
}

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RoutingError {
    /// The file cannot be read.
    #[error("the routing table {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no table.
    #[error("the routing table {}: {why}", path.display())]
    Yaml {
        /// The file.
        path: PathBuf,
        /// Where and why.
        why: String,
    },
    /// The database does not answer the question.
    #[error("the routing table")]
    Database(#[from] Failure),
    /// The address of a server of its own cannot be had.
    #[error("the routing table {}: an address", path.display())]
    Address {
        /// The file of the table.
        path: PathBuf,
        /// Why; without what it reads.
        source: BadDatabaseUrl,
    },
    /// The query has other columns.
    #[error("the routing query: {0}")]
    Columns(String),
    /// What was read cannot be routed by.
    #[error("the routing table ({place}): {source}")]
    Routes {
        /// Where it is from.
        place: String,
        /// Why.
        source: RoutesError,
    },
}

/// Reads and checks the table.
///
/// # Errors
/// What is wrong with it, and where.
pub async fn read_routes(
    routing: &Routing,
    connection: &Connection,
    url: &DatabaseUrl,
) -> Result<Routes, RoutingError> {
    let (rows, place) = match routing {
        Routing::File(path) => (from_file(path)?, path.display().to_string()),
        Routing::Query(sql) => (from_query(connection, sql).await?, "the routing query".to_owned()),
        Routing::Schemas(pattern) => {
            (from_schemas(connection, pattern).await?, format!("schemas like {pattern}"))
        }
    };
    let servers = match routing {
        Routing::File(path) => servers(path, &rows)?,
        _ => BTreeMap::new(),
    };
    Routes::of_rows(rows, url, &servers).map_err(|source| RoutingError::Routes { place, source })
}

/// The addresses in the files that rows name, which lie beside the table unless they say otherwise.
fn servers(table: &Path, rows: &[Row]) -> Result<BTreeMap<PathBuf, DatabaseUrl>, RoutingError> {
    let files: BTreeSet<&PathBuf> = rows.iter().filter_map(|row| row.url_file.as_ref()).collect();
    let beside = table.parent().unwrap_or_else(|| Path::new(""));
    let read = |file: &PathBuf| match DatabaseUrl::read(&beside.join(file)) {
        Ok(url) => Ok((file.clone(), url)),
        Err(source) => Err(RoutingError::Address { path: table.to_owned(), source }),
    };
    files.into_iter().map(read).collect()
}

fn from_file(path: &Path) -> Result<Vec<Row>, RoutingError> {
    use std::io::Read as _;
    let failed = |source| RoutingError::File { path: path.to_owned(), source };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(LARGEST + 1).read_to_string(&mut text).map_err(failed)?;
    let refuse = |why: String| RoutingError::Yaml { path: path.to_owned(), why };
    if text.len() as u64 > LARGEST {
        return Err(refuse("it is larger than 16 MiB".to_owned()));
    }
    yaml::parse(&text).map_err(|bad| refuse(bad.to_string()))
}

async fn from_query(connection: &Connection, sql: &str) -> Result<Vec<Row>, RoutingError> {
    let rows = connection.query("run the routing query", sql, &[]).await?;
    let Some(first) = rows.first() else {
        return Ok(Vec::new());
    };
    let known = ["schema", "shard", "database", "tenant"];
    for column in first.columns() {
        if !known.contains(&column.name()) {
            let why = format!("column `{}` is none of schema, shard, database, tenant", column.name());
            return Err(RoutingError::Columns(why));
        }
    }
    let value = |row: &tokio_postgres::Row, name: &str| -> Result<Option<String>, RoutingError> {
        let Some(at) = row.columns().iter().position(|column| column.name() == name) else {
            return Ok(None);
        };
        row.try_get(at).map_err(|_| {
            RoutingError::Columns(format!("column `{name}` is not text: cast it ({name}::text)"))
        })
    };
    let mut read = Vec::with_capacity(rows.len());
    for (i, row) in rows.iter().enumerate() {
        let place = format!("row {}", i + 1);
        let schema =
            value(row, "schema")?.ok_or_else(|| RoutingError::Columns(format!("{place} has no `schema`")))?;
        let tenants = value(row, "tenant")?.into_iter().collect();
        let (shard, database) = (value(row, "shard")?, value(row, "database")?);
        read.push(Row { shard, database, schema, tenants, place, ..Row::default() });
    }
    Ok(read)
}

async fn from_schemas(connection: &Connection, pattern: &SchemaPattern) -> Result<Vec<Row>, RoutingError> {
    let (sql, parameter) = pattern.query();
    let rows = connection.query("look for schemas", sql, &[&parameter]).await?;
    let row = |row: &tokio_postgres::Row| Row { schema: row.get(0), ..Row::default() };
    Ok(rows.iter().map(row).collect())
}

//! What a contract holds; every type is a plain record that serialises to the lock file.

mod coverage;
mod pool;
mod query;
mod row;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use coverage::{Computed, Coverage, Unreadable, Unresolved};
pub use pool::{Limit, PoolLibrary, PoolSettings, Setting};
pub use query::{Binding, Column, ColumnRead, Override, Query, QueryHash, QueryUse, SourceKind};
pub use row::{EnumType, Field, RowKind, RowStruct, RustType};

/// The version of the lock file's form that this crate writes and reads.
pub(crate) const FORMAT: u32 = 1;

/// Everything that a service's sources ask of its database.
///
/// Lists are sorted, so that equal sources give equal files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    /// The version of this form; readers refuse others.
    pub format: u32,
    /// The program that extracted it, with its version. No part of comparisons.
    pub tool: String,
    /// The name of the service's package; of the directory when there is no `Cargo.toml`.
    pub service: String,
    /// The revision of the sources, when the caller named one. No part of comparisons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The major version of the server that the schema hashes are of: hashes of different majors say nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_major: Option<u32>,
    /// The drivers that the sources use.
    pub drivers: Vec<Driver>,
    /// The queries whose text is known, by text.
    pub queries: Vec<Query>,
    /// The structs that rows become, by name.
    pub rows: Vec<RowStruct>,
    /// The Rust enums that stand for PostgreSQL enums, by Rust name.
    pub enums: Vec<EnumType>,
    /// The connection pools that the sources build.
    pub pools: Vec<PoolSettings>,
    /// The constraints and unique indexes whose names the code matches in errors, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<MatchedConstraint>,
    /// What a tenant's schema hashes to after each of the last migrations, in the order they run; empty when they were never
    /// replayed. After the last one is how the release wants it, after an earlier one how a tenant is that waits for its migration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schema_hashes: Vec<SchemaHash>,
    /// What queries and pool may take.
    pub budgets: Budgets,
    /// What orders the tenants under load.
    pub seed: u32,
    /// What was read, and what could not be.
    pub coverage: Coverage,
}

impl Contract {
    /// The row struct of this name.
    #[must_use]
    pub fn row(&self, name: &str) -> Option<&RowStruct> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// The enum of this Rust name.
    #[must_use]
    pub fn enum_type(&self, name: &str) -> Option<&EnumType> {
        self.enums.iter().find(|found| found.name == name)
    }
}

/// What a tenant's schema is after a migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchemaHash {
    /// The migration's file, below the migrations' directory, with `/`.
    pub migration: String,
    /// SHA-256 of the file, in hexadecimal digits: another text may make another schema.
    pub text: String,
    /// SHA-256 of the schema after it, in hexadecimal digits, without the role's grants.
    pub schema: String,
}

impl SchemaHash {
    /// The most migrations that are kept, the last ones: a tenant that waits for more is one that has drifted.
    pub const KEPT: usize = 20;
}

/// A constraint, or a unique index, that code knows errors by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatchedConstraint {
    /// Its name, as the server's errors have it.
    pub name: String,
    /// Where it is first matched.
    pub place: Place,
}

/// What queries and pool may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budgets {
    /// The 99th percentile of a query's time, in milliseconds.
    pub p99_ms: u64,
    /// The 99th percentile of the wait for a connection of the pool, in milliseconds.
    pub acquire_p99_ms: u64,
    /// The share of the pool that may be in use, in percent.
    pub pool_utilisation_percent: u32,
}

impl Default for Budgets {
    /// 50 ms a query, 10 ms for a connection, four fifths of the pool.
    fn default() -> Self {
        Self { p99_ms: 50, acquire_p99_ms: 10, pool_utilisation_percent: 80 }
    }
}

/// How a service speaks to PostgreSQL; decides which Rust types decode which columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Driver {
    /// sqlx.
    Sqlx,
    /// tokio-postgres, also below deadpool and bb8, and its blocking form.
    TokioPostgres,
    /// diesel.
    Diesel,
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlx => "sqlx",
            Self::TokioPostgres => "tokio-postgres",
            Self::Diesel => "diesel",
        })
    }
}

/// A line of a source file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The file, relative to the service's directory, with `/`.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

//! The shadow run: do the SQL of the binary that is running, and the schema that a release brings, go together?
//!
//! ```text
//!  base schema ─► template ─► copy ──► running contract prepared ─► new files run as their runner would ─► L1–L4 ─► ShadowReport
//!  (git, or a live shard's)            (one connection kept open)   (locks, scans, rewrites seen)
//! ```
//!
//! Never on a live database: in a throw-away server, or in databases of a server that is not the live one.
//!
//! - L1: every query of the contract can be prepared.
//! - L2: it takes the same parameter types and gives the same columns.
//! - The connection from before the migration goes on with what it has prepared (else 0A000).
//! - L3: `EXPLAIN EXECUTE` with a generic plan, as the application's role: privileges, `ON CONFLICT` targets.
//! - L4: the catalog of every table that a query writes became no stricter: NOT NULL, CHECK, UNIQUE, foreign keys, triggers, rules,
//!   row level security, partitions.
//!
//! What only rows can show (duplicates, NULLs that are there already) stays the static rules' matter: the tables are empty.

mod apply;
mod base;
mod breakage;
mod compare;
mod error;
mod facts;
mod hashes;
mod locks;
mod migration;
mod outside;
mod plan;
mod probe;
mod report;
mod run;
mod server;
mod writes;

use std::time::Duration;

pub use base::{BaseSchema, Dump};
pub use breakage::{Breakage, Level};
pub use error::ShadowError;
pub use hashes::MigratedSchema;
pub use locks::{Lock, LockMode, Trace, Work};
pub use migration::{Migration, Mode, Piece, Statement};
pub use report::{ShadowReport, Way};
pub use server::{NamedServer, ShadowServer};

use crate::contract::Contract;

/// How shadow runs are made.
#[derive(Debug, Clone)]
pub struct Shadow {
    /// Where.
    pub server: ShadowServer,
    /// The application's role, when it is not the one that owns the tables: without it privileges are not looked at.
    pub role: Option<String>,
    /// The schemas that the application looks names up in.
    pub search_path: Vec<String>,
    /// The longest one statement may take.
    pub statement_timeout: Duration,
    /// The longest wait for a lock.
    pub lock_timeout: Duration,
    /// The longest a whole run may take.
    pub deadline: Duration,
}

impl Default for Shadow {
    /// A throw-away server, no role, `public`; 30 s a statement, 2 s a lock, 5 min in all.
    fn default() -> Self {
        Self {
            server: ShadowServer::default(),
            role: None,
            search_path: vec!["public".to_owned()],
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(2),
            deadline: Duration::from_secs(300),
        }
    }
}

/// What a shadow run is asked.
#[derive(Debug, Clone, Copy)]
pub struct ShadowAsk<'a> {
    /// The schemas to start from: one representative of each distinct tenant schema.
    pub bases: &'a [BaseSchema],
    /// The migrations that the release brings, in the order they run.
    pub migrations: &'a [Migration],
    /// What the binary that is running asks of the database.
    pub running: Option<&'a Contract>,
    /// What the new binary asks.
    pub candidate: Option<&'a Contract>,
}

impl Shadow {
    /// Replays migrations in a schema that has nothing in it, and hashes it after each. Nothing is left, as after
    /// [`Shadow::examine`]. `schema` is made unless it is `public`; in the search path `{schema}` stands for it.
    ///
    /// # Errors
    /// No server, a migration that it refuses ([`ShadowError::Migration`]), or migrations that leave the schema empty.
    pub async fn hashes(
        &self,
        migrations: &[Migration],
        schema: &str,
    ) -> Result<MigratedSchema, ShadowError> {
        let work = hashes::replay(self, migrations, schema);
        tokio::time::timeout(self.deadline, work).await.unwrap_or(Err(ShadowError::Deadline(self.deadline)))
    }

    /// Makes a shadow run for each base. Databases and server are gone when it returns, and when it is dropped in between (on a
    /// named server: by the next run).
    ///
    /// # Errors
    /// When no run could be made; what the runs found is in the reports, one a base.
    pub async fn examine(&self, ask: ShadowAsk<'_>) -> Result<Vec<ShadowReport>, ShadowError> {
        let work = run::examine(self, ask);
        tokio::time::timeout(self.deadline, work).await.unwrap_or(Err(ShadowError::Deadline(self.deadline)))
    }
}

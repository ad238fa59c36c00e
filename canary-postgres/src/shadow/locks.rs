//! What a statement really locked, scanned and rewrote.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use tokio_postgres::types::Oid;

use crate::live::{Connection, Failure};

/// A table lock's mode, from weak to strong (PostgreSQL manual, 13.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockMode {
    /// Taken by reads.
    AccessShare,
    /// Taken by `SELECT … FOR UPDATE`.
    RowShare,
    /// Taken by writes.
    RowExclusive,
    /// Lets reads and writes pass.
    ShareUpdateExclusive,
    /// Blocks writes.
    Share,
    /// Blocks writes.
    ShareRowExclusive,
    /// Blocks writes, and `SELECT … FOR UPDATE`.
    Exclusive,
    /// Blocks everything.
    AccessExclusive,
}

impl LockMode {
    /// Each with its name in `pg_locks` and the one in SQL.
    const NAMES: [(Self, &'static str, &'static str); 8] = [
        (Self::AccessShare, "AccessShareLock", "ACCESS SHARE"),
        (Self::RowShare, "RowShareLock", "ROW SHARE"),
        (Self::RowExclusive, "RowExclusiveLock", "ROW EXCLUSIVE"),
        (Self::ShareUpdateExclusive, "ShareUpdateExclusiveLock", "SHARE UPDATE EXCLUSIVE"),
        (Self::Share, "ShareLock", "SHARE"),
        (Self::ShareRowExclusive, "ShareRowExclusiveLock", "SHARE ROW EXCLUSIVE"),
        (Self::Exclusive, "ExclusiveLock", "EXCLUSIVE"),
        (Self::AccessExclusive, "AccessExclusiveLock", "ACCESS EXCLUSIVE"),
    ];

    /// From the name in `pg_locks`.
    pub(super) fn of(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, held, _)| *held == name).map(|(mode, ..)| *mode)
    }

    /// Whom it makes wait.
    #[must_use]
    pub const fn blocks(self) -> &'static str {
        match self {
            Self::AccessShare | Self::RowShare | Self::RowExclusive | Self::ShareUpdateExclusive => "nobody",
            Self::Share | Self::ShareRowExclusive | Self::Exclusive => "writers",
            Self::AccessExclusive => "readers and writers",
        }
    }
}

impl fmt::Display for LockMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Self::NAMES.iter().find(|(mode, ..)| mode == self);
        f.pad(found.map_or("", |(_, _, shown)| shown))
    }
}

/// What a statement's duration depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// The catalog only: the same for any number of rows.
    MetadataOnly,
    /// It reads every row of a table: a scan, or the build of an index.
    Scans,
    /// It writes a table anew.
    Rewrites,
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::MetadataOnly => "metadata only",
            Self::Scans => "scans",
            Self::Rewrites => "rewrites",
        })
    }
}

/// A lock on a table that was there before the migrations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// The table, with its schema.
    pub table: String,
    /// The strongest mode.
    pub mode: LockMode,
}

/// What one statement did to tables that were there before the migrations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The migration file.
    pub file: String,
    /// The statement's line, from 1.
    pub line: u64,
    /// The statement, cut to a readable length.
    pub statement: String,
    /// The locks that it took or strengthened; those of earlier statements of its transaction are held on.
    pub locks: Vec<Lock>,
    /// Whether every lock could be seen; of a statement that runs outside of transactions only not always.
    pub locks_seen: bool,
    /// The tables it read as a whole.
    pub scanned: Vec<String>,
    /// The tables it wrote anew.
    pub rewritten: Vec<String>,
}

impl Trace {
    /// What its duration depends on.
    #[must_use]
    pub const fn work(&self) -> Work {
        if !self.rewritten.is_empty() {
            Work::Rewrites
        } else if !self.scanned.is_empty() {
            Work::Scans
        } else {
            Work::MetadataOnly
        }
    }
}

/// Locks by the tables' names; those that only reads take are left out.
pub(super) fn named(locks: &BTreeMap<Oid, LockMode>, relations: &Relations) -> Vec<Lock> {
    let strong = locks.iter().filter(|(_, mode)| **mode > LockMode::AccessShare);
    strong.filter_map(|(oid, mode)| Some(Lock { table: relations.get(oid)?.clone(), mode: *mode })).collect()
}

/// The tables, views and sequences of a database, by their OID.
pub(super) type Relations = BTreeMap<Oid, String>;

/// Every relation of the database that is nobody's but its users'.
pub(super) async fn relations(connection: &Connection) -> Result<Relations, Failure> {
    let rows = connection
        .query(
            "list the relations",
            "SELECT c.oid, n.nspname || '.' || c.relname FROM pg_catalog.pg_class c
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
              WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'",
            &[],
        )
        .await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// What a transaction has done to some relations so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    locks: BTreeMap<Oid, LockMode>,
    files: BTreeMap<Oid, Oid>,
    scans: BTreeMap<Oid, i64>,
}

impl Seen {
    /// Looks, on the connection that does it: its own catalog changes and its own statistics are seen by it alone.
    pub(super) async fn on(connection: &Connection, relations: &Relations) -> Result<Self, Failure> {
        let mut seen = Self::default();
        if relations.is_empty() {
            return Ok(seen);
        }
        let oids: Vec<Oid> = relations.keys().copied().collect();
        let rows = connection
            .query(
                "look at locks, scans and files",
                "SELECT u.oid, c.relfilenode, pg_catalog.pg_stat_get_xact_numscans(u.oid),
                        (SELECT pg_catalog.array_agg(l.mode) FROM pg_catalog.pg_locks l
                          WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation'
                            AND l.relation = u.oid AND l.granted)
                   FROM pg_catalog.unnest($1::pg_catalog.oid[]) u(oid) LEFT JOIN pg_catalog.pg_class c ON c.oid = u.oid",
                &[&oids],
            )
            .await?;
        for row in &rows {
            let oid: Oid = row.get(0);
            if let Some(file) = row.get::<_, Option<Oid>>(1) {
                seen.files.insert(oid, file);
            }
            seen.scans.insert(oid, row.get::<_, Option<i64>>(2).unwrap_or(0));
            let modes: Option<Vec<String>> = row.get(3);
            if let Some(mode) = modes.iter().flatten().filter_map(|mode| LockMode::of(mode)).max() {
                seen.locks.insert(oid, mode);
            }
        }
        Ok(seen)
    }

    /// What was done since `before`: locks that only reads take are left out.
    pub(super) fn since(
        &self,
        before: &Self,
        relations: &Relations,
    ) -> (Vec<Lock>, Vec<String>, Vec<String>) {
        let name = |oid: &Oid| relations.get(oid).cloned().unwrap_or_default();
        let stronger =
            self.locks.iter().filter(|(oid, mode)| before.locks.get(*oid).is_none_or(|held| held < *mode));
        let locks = named(&stronger.map(|(oid, mode)| (*oid, *mode)).collect(), relations);
        let more =
            self.scans.iter().filter(|(oid, scans)| before.scans.get(*oid).is_some_and(|was| was < *scans));
        let other =
            self.files.iter().filter(|(oid, file)| before.files.get(*oid).is_some_and(|was| was != *file));
        let scanned = more.map(|(oid, _)| name(oid)).collect();
        (locks, scanned, other.map(|(oid, _)| name(oid)).collect())
    }
}

//! What a statement locks that cannot run in a transaction, where its locks would stay to be seen.
//!
//! Others hold the tables meanwhile, one after the other: the statement stops at every lock that it asks for beyond them, and what
//! it has and wants is read there. Whoever takes over holds less than what it waits for, so that it always goes on.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_postgres::types::Oid;

use super::error::ShadowError;
use super::locks::{LockMode, Relations};
use super::server::Server;
use crate::live::{Connection, Failure};

/// The most tables that are held; with more the statement runs unseen.
const HELD: usize = 500;

/// The most times that the statement is stopped.
const STOPS: usize = 64;

/// How often it is looked at.
const POLL: Duration = Duration::from_millis(2);

/// What a statement did outside of a transaction.
#[derive(Debug)]
pub(super) struct Outside {
    /// What the server answered.
    pub(super) answer: Result<(), Failure>,
    /// The strongest lock that it held or asked for.
    pub(super) locks: BTreeMap<Oid, LockMode>,
    /// Whether every lock would have been seen.
    pub(super) seen: bool,
    /// How often each table was read as a whole; none where the server does not tell (before version 15).
    pub(super) scans: Option<BTreeMap<Oid, i64>>,
}

/// The tables that can be held, quoted.
struct Held {
    tables: Vec<String>,
    /// Some relations cannot: materialized views, foreign tables.
    all: bool,
}

/// Runs a statement on `connection`, a session in the database `kind`.
pub(super) async fn run(
    connection: &Connection,
    (server, kind): (&Server, &str),
    relations: &Relations,
    sql: &str,
) -> Result<Outside, ShadowError> {
    let before = scans(connection, relations).await?;
    let held = held(connection, relations).await?;
    let mut outside = Outside { answer: Ok(()), locks: BTreeMap::new(), seen: false, scans: None };
    if held.tables.len() > HELD {
        outside.answer = send(connection, sql).await;
    } else {
        watched(connection, (server, kind), &held, sql, &mut outside).await?;
        outside.seen |= held.all;
    }
    outside.locks.retain(|oid, _| relations.contains_key(oid));
    if outside.answer.is_ok()
        && let (Some(before), Some(after)) = (before, scans(connection, relations).await?)
    {
        let more = after.into_iter().filter(|(oid, count)| before.get(oid).is_none_or(|was| was < count));
        outside.scans = Some(more.collect());
    }
    Ok(outside)
}

async fn send(connection: &Connection, sql: &str) -> Result<(), Failure> {
    connection.batch("run a migration's statement", sql).await
}

async fn watched(
    connection: &Connection,
    (server, kind): (&Server, &str),
    held: &Held,
    sql: &str,
    outside: &mut Outside,
) -> Result<(), ShadowError> {
    let rows = connection.query("ask for the process", "SELECT pg_catalog.pg_backend_pid()", &[]).await?;
    let process: i32 = rows.first().map_or(0, |row| row.get(0));
    let look = server.open(kind, None).await?;
    let (mut holds, mut next) = (server.open(kind, None).await?, server.open(kind, None).await?);
    // What conflicts with itself stops everything that a migration does to a table.
    hold(&holds, &held.tables, "SHARE UPDATE EXCLUSIVE").await?;
    let mut statement = std::pin::pin!(send(connection, sql));
    for _ in 0..STOPS {
        let stopped = tokio::select! {
            biased;
            answer = &mut statement => {
                outside.answer = answer;
                return Ok(release(&holds).await?);
            }
            stopped = stopped(&look, process) => stopped?,
        };
        outside.seen = true;
        for (oid, mode) in stopped {
            let strongest = outside.locks.entry(oid).or_insert(mode);
            *strongest = mode.max(*strongest);
        }
        hold(&next, &held.tables, "ROW EXCLUSIVE").await?;
        release(&holds).await?;
        std::mem::swap(&mut holds, &mut next);
    }
    release(&holds).await?;
    outside.seen = false;
    outside.answer = statement.await;
    Ok(())
}

/// Waits until the process waits for a lock; gives the tables' locks that it has and wants.
async fn stopped(look: &Connection, process: i32) -> Result<Vec<(Oid, LockMode)>, Failure> {
    loop {
        let text = "SELECT CASE WHEN locktype = 'relation' THEN relation END, mode, granted
                      FROM pg_catalog.pg_locks WHERE pid = $1";
        let rows = look.query("look at a statement's locks", text, &[&process]).await?;
        if rows.iter().any(|row| !row.get::<_, bool>(2)) {
            let lock =
                |row: &tokio_postgres::Row| Some((row.get::<_, Option<Oid>>(0)?, LockMode::of(row.get(1))?));
            return Ok(rows.iter().filter_map(lock).collect());
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Locks the tables in a transaction that stays open: all that can be had without waiting.
async fn hold(connection: &Connection, tables: &[String], mode: &str) -> Result<(), Failure> {
    connection.batch("begin a transaction", "BEGIN").await?;
    if tables.is_empty() {
        return Ok(());
    }
    let lock = |tables: &str| format!("LOCK TABLE {tables} IN {mode} MODE NOWAIT");
    let all = tables.iter().map(|table| format!("ONLY {table}")).collect::<Vec<_>>().join(", ");
    if refused(connection.batch("hold the tables", &lock(&all)).await)? {
        connection.batch("begin again", "ROLLBACK; BEGIN").await?;
        for table in tables {
            let text = format!("SAVEPOINT s; {}", lock(&format!("ONLY {table}")));
            if refused(connection.batch("hold a table", &text).await)? {
                connection.batch("pass a table over", "ROLLBACK TO s").await?;
            }
        }
    }
    Ok(())
}

/// Whether the server said no, as it does to who does not wait (55P03) and when a table is gone by now.
fn refused(answer: Result<(), Failure>) -> Result<bool, Failure> {
    match answer {
        Ok(()) => Ok(false),
        Err(failure) if failure.sqlstate().is_some() && !failure.ends_connection() => Ok(true),
        Err(failure) => Err(failure),
    }
}

async fn release(connection: &Connection) -> Result<(), Failure> {
    connection.batch("let the tables go", "ROLLBACK").await
}

async fn held(connection: &Connection, relations: &Relations) -> Result<Held, Failure> {
    let oids: Vec<Oid> = relations.keys().copied().collect();
    let text = "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), c.relkind IN ('r', 'p')
                  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                 WHERE c.oid = ANY ($1) AND c.relkind <> 'v' ORDER BY 1";
    let rows = connection.query("list the tables to hold", text, &[&oids]).await?;
    let tables = rows.iter().filter(|row| row.get(1)).map(|row| row.get(0));
    Ok(Held { tables: tables.collect(), all: rows.iter().all(|row| row.get(1)) })
}

/// How often each table was read as a whole so far, by the server's counts, which are brought up to date before.
async fn scans(
    connection: &Connection,
    relations: &Relations,
) -> Result<Option<BTreeMap<Oid, i64>>, Failure> {
    let flush = "SELECT pg_catalog.pg_stat_force_next_flush()";
    if refused(connection.batch("bring the counts up to date", flush).await)? {
        return Ok(None);
    }
    let oids: Vec<Oid> = relations.keys().copied().collect();
    let text = "SELECT u.oid, pg_catalog.pg_stat_get_numscans(u.oid) FROM pg_catalog.unnest($1::pg_catalog.oid[]) u(oid)";
    let rows = connection.query("read the counts", text, &[&oids]).await?;
    let counts = rows.iter().map(|row| (row.get(0), row.get::<_, Option<i64>>(1).unwrap_or(0)));
    Ok(Some(counts.collect()))
}

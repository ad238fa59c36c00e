//! `show servers conn`: connections to the servers, which sessions are not.

use super::table::{Row, Table};
use super::{CodecError, excerpt};

/// More threads than any build of HAProxy has.
const MAX_THREADS: usize = 4096;

/// One server's connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConnections {
    /// The server's name.
    pub server: String,
    /// Connections in use.
    pub in_use: u64,
    /// Idle connections kept for reuse; they outlive sessions and do not count as such.
    pub idle: u64,
}

/// Reads the reply to `show servers conn POOL`, since HAProxy 2.2.
///
/// The last column, `idle_per_thr[N]`, stands for N fields.
///
/// # Errors
/// [`CodecError`] when a column is missing or a field is not a number.
pub fn parse_servers_conn(body: &str, pool: &str) -> Result<Vec<ServerConnections>, CodecError> {
    let (header, rest) = body.split_once('\n').unwrap_or((body, ""));
    // One name for N fields: spelt out, so that rows are as wide as their header.
    let spread = match header.rsplit_once(" idle_per_thr[") {
        Some((before, count)) => {
            let count = count.trim_end().trim_end_matches(']');
            let threads = count.parse().ok().filter(|n| *n <= MAX_THREADS);
            let threads: usize = threads.ok_or_else(|| {
                let expected = "idle_per_thr[N]";
                CodecError::Expected { expected, found: excerpt(header) }
            })?;
            format!("{before}{}\n{rest}", " idle_per_thr".repeat(threads))
        }
        None => body.to_owned(),
    };
    let table = Table::blanks(&spread, "the header \"# bkname/svname …\"")?;
    table.rows().map(|row| connections(&row, pool)).collect()
}

fn connections(row: &Row<'_>, pool: &str) -> Result<ServerConnections, CodecError> {
    let name = row.text("bkname/svname")?;
    let server = name.strip_prefix(pool).and_then(|rest| rest.strip_prefix('/'));
    let server = server.ok_or_else(|| row.wrong("bkname/svname", name, "a server of the pool"))?;
    Ok(ServerConnections {
        server: server.to_owned(),
        in_use: row.number("used_cur")?,
        idle: row.number("idle_cur")?,
    })
}

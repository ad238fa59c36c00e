//! `show stat`: sessions and counters as CSV.

use super::CodecError;
use super::table::{Row, Table};

/// One server's counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerCounters {
    /// The server's name.
    pub server: String,
    /// Sessions in progress (`scur`).
    pub sessions: u64,
    /// Requests in its queue (`qcur`).
    pub queued: u64,
    /// Requests handed to it since the process started (`stot`).
    ///
    /// Not `lbtot`, which leaves out persistent clients and those taken from the queue, and not `req_tot`, which
    /// counts at the response, in HTTP mode only.
    pub served: u64,
    /// Whether it is a backup.
    pub backup: bool,
    /// The server whose state it follows (`pool/server`).
    pub tracked: Option<String>,
    /// Its address as HAProxy shows it to operators and admins (`10.0.0.1:80`, `unix`).
    pub address: Option<String>,
}

/// A pool's counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolCounters {
    /// The balancing algorithm.
    pub algorithm: Option<String>,
    /// The name of the persistence cookie, shown to operators and admins.
    pub cookie: Option<String>,
    /// All servers, in HAProxy's order.
    pub servers: Vec<ServerCounters>,
}

/// Reads the rows of `pool` out of a reply to `show stat`; `None` when it has no such pool. Frontends and listeners
/// of the same name are passed over.
///
/// # Errors
/// [`CodecError`] when the header is not one, a row is too short, or a field is not a number.
pub fn parse_stat(body: &str, pool: &str) -> Result<Option<PoolCounters>, CodecError> {
    let table = Table::csv(body, "the header \"# pxname,svname,…\"")?;
    let mut whole: Option<PoolCounters> = None;
    let mut servers = Vec::new();
    for row in table.rows() {
        if row.text("pxname")? != pool {
            continue;
        }
        match row.text("type")? {
            "2" => servers.push(server(&row)?),
            "1" if whole.is_some() => {
                let text = format!("there are two rows for the pool {pool:?}");
                return Err(CodecError::Disagree(text));
            }
            "1" => {
                whole = Some(PoolCounters {
                    algorithm: filled(&row, "algo"),
                    cookie: filled(&row, "cookie"),
                    servers: Vec::new(),
                });
            }
            "0" | "3" => {}
            other => return Err(row.wrong("type", other, "0, 1, 2 or 3")),
        }
    }
    match whole {
        Some(pool) => Ok(Some(PoolCounters { servers, ..pool })),
        None if servers.is_empty() => Ok(None),
        None => Err(CodecError::Missing("BACKEND")),
    }
}

fn server(row: &Row<'_>) -> Result<ServerCounters, CodecError> {
    Ok(ServerCounters {
        server: row.text("svname")?.to_owned(),
        sessions: row.number("scur")?,
        queued: row.number("qcur")?,
        served: row.number("stot")?,
        backup: row.number::<u64>("bck")? > 0,
        tracked: filled(row, "tracked"),
        address: filled(row, "addr"),
    })
}

fn filled(row: &Row<'_>, column: &str) -> Option<String> {
    row.optional(column).filter(|text| !text.is_empty()).map(str::to_owned)
}

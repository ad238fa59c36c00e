//! The pool's two tables, put together.

use std::collections::{BTreeMap, BTreeSet};

use canary_core::fleet::{NodeId, PoolName};
use canary_core::traits::{PoolState, Server, Weight};

use super::{CodecError, PoolCounters, ServerCounters, ServerRow, excerpt};

/// Joins `show servers state` and `show stat` by server name, in the order of the former.
///
/// `table` is the kind of keys of the pool's own stick table, where one binds clients.
///
/// A server is checked when its own health or agent check is active, or when it follows the state of another.
///
/// # Errors
/// [`CodecError`] when a server is in one table only or twice, has a name or a weight that cannot be handled here, or
/// belongs to another pool.
pub fn assemble(
    pool: &PoolName,
    epoch: String,
    rows: &[ServerRow],
    counters: &PoolCounters,
    table: Option<&str>,
) -> Result<PoolState, CodecError> {
    let mut counted = BTreeMap::new();
    for server in &counters.servers {
        if counted.insert(server.server.as_str(), server).is_some() {
            return Err(twice(&server.server, "show stat"));
        }
    }
    let mut seen = BTreeSet::new();
    let mut servers = Vec::with_capacity(rows.len());
    for row in rows {
        if row.pool != pool.as_str() {
            let text = format!("asked for the pool {:?}, got {:?}", pool.as_str(), excerpt(&row.pool));
            return Err(CodecError::Disagree(text));
        }
        if !seen.insert(row.server.as_str()) {
            return Err(twice(&row.server, "show servers state"));
        }
        let Some(counted) = counted.remove(row.server.as_str()) else {
            return Err(only_in(&row.server, "show servers state", "show stat"));
        };
        servers.push(server(row, counted)?);
    }
    if let Some(left) = counted.into_keys().next() {
        return Err(only_in(left, "show stat", "show servers state"));
    }
    let cookie = counters.cookie.as_ref().map(|name| format!("cookie {name:?}"));
    let sticky = cookie.or_else(|| table.map(|keys| format!("stick table (by {keys})")));
    Ok(PoolState { pool: pool.clone(), epoch, algorithm: counters.algorithm.clone(), sticky, servers })
}

fn server(row: &ServerRow, counted: &ServerCounters) -> Result<Server, CodecError> {
    let node = NodeId::new(&row.server)
        .map_err(|why| CodecError::Disagree(format!("a server cannot be addressed: {why}")))?;
    let weight = |value, column| {
        let wrong = |_| CodecError::Disagree(format!("{column} of {:?} is {value}, above 256", row.server));
        Weight::new(value).map_err(wrong)
    };
    Ok(Server {
        node,
        address: counted.address.clone().or_else(|| row.address.clone()),
        admin: row.admin.state(),
        operational: row.operational,
        checked: row.check.active() || row.agent.active() || counted.tracked.is_some(),
        weight: weight(row.weight, "srv_uweight")?,
        configured_weight: weight(row.configured_weight, "srv_iweight")?,
        backup: counted.backup,
        sessions: counted.sessions,
        queued: counted.queued,
        served: counted.served,
    })
}

fn only_in(server: &str, there: &str, not_there: &str) -> CodecError {
    let server = excerpt(server);
    CodecError::Disagree(format!("the server {server:?} is in \"{there}\" but not in \"{not_there}\""))
}

fn twice(server: &str, there: &str) -> CodecError {
    CodecError::Disagree(format!("the server {:?} is in \"{there}\" twice", excerpt(server)))
}

//! The pool's two tables, put together.

use canary_core::fleet::{NodeId, PoolName};
use canary_core::traits::{PoolState, Server, Weight};

use super::{CodecError, PoolCounters, ServerCounters, ServerRow, excerpt};

/// Joins `show servers state` and `show stat` by server name, in the order of the former.
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
) -> Result<PoolState, CodecError> {
    for counted in &counters.servers {
        if !rows.iter().any(|row| row.server == counted.server) {
            return Err(only_in(&counted.server, "show stat", "show servers state"));
        }
    }
    let mut servers: Vec<Server> = Vec::with_capacity(rows.len());
    for row in rows {
        if row.pool != pool.as_str() {
            let text = format!("asked for the pool {:?}, got {:?}", pool.as_str(), excerpt(&row.pool));
            return Err(CodecError::Disagree(text));
        }
        let mut counted = counters.servers.iter().filter(|counted| counted.server == row.server);
        let Some(counted) = counted.next() else {
            return Err(only_in(&row.server, "show servers state", "show stat"));
        };
        let server = server(row, counted)?;
        if servers.iter().any(|known| known.node == server.node) {
            return Err(CodecError::Disagree(format!("the server {:?} is there twice", row.server)));
        }
        servers.push(server);
    }
    if counters.servers.len() != servers.len() {
        let text = "\"show stat\" has a server twice".to_owned();
        return Err(CodecError::Disagree(text));
    }
    Ok(PoolState { pool: pool.clone(), epoch, algorithm: counters.algorithm.clone(), servers })
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

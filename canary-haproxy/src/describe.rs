//! What a pre-flight check wants to know, and to warn of.

use std::fmt;

use canary_core::traits::{AdminState, BackendError};

use crate::balancer::Observed;
use crate::codec::{ProcessInfo, SocketLevel, assemble, parse_level};
use crate::reply::{body, not_understood};
use crate::{Command, HaproxyLoadBalancer};

/// What HAProxy is, what its socket permits, and what of the pool's set-up can surprise a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The way to it (`unix socket /run/haproxy/admin.sock`).
    pub transport: String,
    /// The process.
    pub process: ProcessInfo,
    /// What the socket permits; less than [`SocketLevel::Admin`] does not suffice for a rollout.
    pub level: SocketLevel,
    /// The pool's balancing algorithm.
    pub algorithm: Option<String>,
    /// What can surprise, in sentences.
    pub warnings: Vec<String>,
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithm = self.algorithm.as_deref().unwrap_or("unknown");
        let Self { transport, process, level, .. } = self;
        write!(
            f,
            "HAProxy {}, process {}, {transport}, level {level}, balance {algorithm}",
            process.release, process.pid
        )
    }
}

impl HaproxyLoadBalancer {
    /// Reads everything a rollout needs to know beforehand and changes nothing.
    ///
    /// Of stick tables the pool's own alone is seen, and nothing of what is set on a frontend.
    ///
    /// # Errors
    /// As [`servers`](canary_core::traits::LoadBalancer::servers); `Unsupported` when HAProxy is older than 2.4.
    pub async fn describe(&self) -> Result<Description, BackendError> {
        let observed = self.observe().await?;
        assemble(
            self.pool(),
            observed.process.epoch(),
            &observed.rows,
            &observed.counters,
            observed.table.as_deref(),
        )
        .map_err(|error| not_understood(&Command::show_servers_state(self.pool()), "", error))?;
        let command = Command::show_cli_level();
        let raw = self.ask(&command).await?;
        let level =
            parse_level(body(&command, &raw)?).map_err(|error| not_understood(&command, &raw, error))?;
        Ok(Description {
            transport: self.transport().to_string(),
            level,
            algorithm: observed.counters.algorithm.clone(),
            warnings: warnings(&observed, level),
            process: observed.process,
        })
    }
}

fn warnings(observed: &Observed, level: SocketLevel) -> Vec<String> {
    let Observed { process, rows, counters, table } = observed;
    let mut warnings = Vec::new();
    if level < SocketLevel::Admin {
        warnings.push(format!(
            "the stats socket has level {level}: servers cannot be drained; it must be \"level admin\""
        ));
    }
    if process.stopping {
        warnings.push("this process is going away after a reload: changes made here are lost".to_owned());
    }
    if let Some(cookie) = &counters.cookie {
        warnings.push(format!(
            "the pool uses the cookie {cookie:?}: a draining server goes on taking requests of clients that have it"
        ));
    }
    if let Some(keys) = table {
        warnings.push(format!(
            "the pool binds clients to servers by a stick table (by {keys}): a draining server goes on taking their requests"
        ));
    }
    match counters.algorithm.as_deref() {
        Some("static-rr") => {
            warnings.push("balance static-rr: weights cannot be changed at run time".to_owned());
        }
        Some("first") => warnings.push("balance first: weights have no effect".to_owned()),
        Some(hash @ ("source" | "uri" | "url_param" | "hdr" | "rdp-cookie" | "hash")) => {
            warnings.push(format!(
                "balance {hash}: weights can be changed at run time only with \"hash-type consistent\", \
                 and which clients meet a server is not random"
            ));
        }
        _ => {}
    }
    for row in rows {
        let tracked = counters.servers.iter().any(|s| s.server == row.server && s.tracked.is_some());
        if row.agent.active() {
            warnings.push(format!(
                "{} has an agent check, which can change its state and weight by itself",
                row.server
            ));
        } else if !row.check.active() && !tracked {
            warnings.push(format!(
                "{} has no active health check: it counts as up as soon as it is ready",
                row.server
            ));
        }
        if row.weight != row.configured_weight {
            warnings.push(format!(
                "{} has weight {} in force, {} is configured; \"set server {}/{} weight {}\" sets it back",
                row.server, row.weight, row.configured_weight, row.pool, row.server, row.configured_weight
            ));
        }
        if tracked && row.admin.state() != AdminState::Ready && row.admin.bits() & 0x09 == 0 {
            warnings.push(format!("{} is out because the server it tracks is", row.server));
        }
    }
    warnings
}

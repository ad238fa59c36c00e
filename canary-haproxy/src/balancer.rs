//! The `LoadBalancer` of one HAProxy process and one pool.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use canary_core::fleet::{NodeId, PoolName};
use canary_core::traits::{
    AdminState, BackendError, CallOutcome, ErrorKind, HealthCheck, HealthReport, LbCapabilities,
    LoadBalancer, PoolState, Weight,
};

use crate::codec::{
    PoolCounters, ProcessInfo, ServerConnections, ServerRow, Version, assemble, parse_bindings, parse_info,
    parse_servers_conn, parse_servers_state, parse_stat,
};
use crate::config::HaproxyConfig;
use crate::error::{BACKEND, RETRY_AFTER, failed, quote};
use crate::reply::{body, not_understood};
use crate::{Command, Transport, edge};

/// How many pools an error lists at most.
const LISTED: usize = 20;

/// One pool of one HAProxy, through its Runtime API; HAProxy 2.4 or later.
///
/// Writes return when HAProxy has acknowledged them, within one deadline of the transport; reads take up to five
/// commands (six at the first of a process), and twice that when HAProxy restarts meanwhile.
#[derive(Debug)]
pub struct HaproxyLoadBalancer {
    transport: Box<dyn Transport>,
    config: HaproxyConfig,
    /// What a process said of the pool's stick table: that is in its configuration, and stays as long as it lives.
    bindings: Mutex<Option<(String, Option<String>)>>,
}

/// All that is known of a pool, from one process.
pub(crate) struct Observed {
    pub(crate) process: ProcessInfo,
    pub(crate) rows: Vec<ServerRow>,
    pub(crate) counters: PoolCounters,
    pub(crate) table: Option<String>,
}

impl HaproxyLoadBalancer {
    /// A balancer behind that transport; nothing is sent yet.
    #[must_use]
    pub fn new(transport: Box<dyn Transport>, config: HaproxyConfig) -> Self {
        Self { transport, config, bindings: Mutex::new(None) }
    }

    /// The pool.
    #[must_use]
    pub const fn pool(&self) -> &PoolName {
        &self.config.pool
    }

    pub(crate) const fn transport(&self) -> &dyn Transport {
        &*self.transport
    }

    /// Reads how many connections HAProxy holds to each server, in use and idle. Idle ones are not sessions.
    ///
    /// # Errors
    /// As [`LoadBalancer::servers`].
    pub async fn connections(&self) -> Result<Vec<ServerConnections>, BackendError> {
        let command = Command::show_servers_conn(self.pool());
        let raw = self.ask(&command).await?;
        let said = body(&command, &raw)?;
        parse_servers_conn(said, self.pool().as_str()).map_err(|error| not_understood(&command, &raw, error))
    }

    /// Sends one command.
    pub(crate) async fn ask(&self, command: &Command) -> Result<String, BackendError> {
        let mut replies = self.transport.send(std::slice::from_ref(command)).await?.into_iter();
        match (replies.next(), replies.next()) {
            (Some(reply), None) => Ok(reply),
            _ => Err(failed(ErrorKind::Protocol, command, "the transport brought not exactly one reply")),
        }
    }

    /// Sends a command that must be answered with nothing.
    async fn change(&self, command: Command) -> Result<(), BackendError> {
        let raw = self.ask(&command).await?;
        body(&command, &raw).map(|_| ())
    }

    /// Reads both tables between two looks at the process: `None` when another one answered in between. `first` is
    /// sent before, in the same go, and must be answered with nothing.
    async fn observe_once(&self, first: Option<&Command>) -> Result<Option<Observed>, BackendError> {
        let info = Command::show_info();
        let state = Command::show_servers_state(self.pool());
        let stat = Command::show_stat(self.pool());
        let reads = [info.clone(), state.clone(), stat.clone(), info.clone()];
        let commands: Vec<_> = first.into_iter().chain(&reads).cloned().collect();
        let mut replies = self.transport.send(&commands).await?;
        if let (Some(first), false) = (first, replies.is_empty()) {
            body(first, &replies.remove(0))?;
        }
        let [before, state_raw, stat_raw, after] = replies.as_slice() else {
            return Err(failed(ErrorKind::Protocol, &state, "the transport brought not one reply a command"));
        };
        let process = process(&info, before)?;
        let rows = self.rows(&state, state_raw).await?;
        let counters = parse_stat(body(&stat, stat_raw)?, self.pool().as_str())
            .map_err(|error| not_understood(&stat, stat_raw, error))?;
        if process.epoch() != self::process(&info, after)?.epoch() {
            return Ok(None);
        }
        let counters = match (counters, rows.first()) {
            (Some(counters), _) => counters,
            // A frontend of the same name is found first; the pool's number is unique.
            (None, Some(row)) => self.counters_by_id(row.pool_id).await?,
            (None, None) => PoolCounters { algorithm: None, cookie: None, servers: Vec::new() },
        };
        let table = self.bindings(&process).await;
        Ok(Some(Observed { process, rows, counters, table }))
    }

    /// The pool's own stick table, if it binds clients to servers. Told where it is seen, and no reason to fail: what cannot be
    /// asked is asked again at the next reading.
    async fn bindings(&self, process: &ProcessInfo) -> Option<String> {
        let epoch = process.epoch();
        if let Some((_, known)) = self.known_bindings().as_ref().filter(|known| known.0 == epoch) {
            return known.clone();
        }
        let command = Command::show_table_of_bindings(self.pool());
        let raw = self.ask(&command).await.ok()?;
        let table = parse_bindings(body(&command, &raw).ok()?, self.pool().as_str());
        *self.known_bindings() = Some((epoch, table.clone()));
        table
    }

    fn known_bindings(&self) -> MutexGuard<'_, Option<(String, Option<String>)>> {
        self.bindings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn counters_by_id(&self, id: u32) -> Result<PoolCounters, BackendError> {
        let command = Command::show_stat_by_id(id);
        let raw = self.ask(&command).await?;
        parse_stat(body(&command, &raw)?, self.pool().as_str())
            .map_err(|error| not_understood(&command, &raw, error))?
            .ok_or_else(|| {
                let text = format!("there is no pool of this number in {:?}", quote(&raw));
                failed(ErrorKind::Protocol, &command, text).transient(RETRY_AFTER)
            })
    }

    /// Reads the pool from one process.
    pub(crate) async fn observe(&self) -> Result<Observed, BackendError> {
        for _ in 0..2 {
            if let Some(observed) = self.observe_once(None).await? {
                return Ok(observed);
            }
        }
        let text = "another HAProxy process answered while the pool was read, twice in a row";
        Err(failed(ErrorKind::Protocol, &Command::show_info(), text).transient(RETRY_AFTER))
    }

    /// The pool as the engine sees it.
    fn state(&self, observed: &Observed) -> Result<PoolState, BackendError> {
        let Observed { process, rows, counters, table } = observed;
        assemble(self.pool(), process.epoch(), rows, counters, table.as_deref()).map_err(|error| {
            // The tables come one after the other: a server added or deleted in between is in one only.
            let command = Command::show_servers_state(self.pool());
            not_understood(&command, "", error).transient(RETRY_AFTER)
        })
    }

    async fn rows(&self, command: &Command, raw: &str) -> Result<Vec<ServerRow>, BackendError> {
        match body(command, raw) {
            Ok(said) => parse_servers_state(said).map_err(|error| not_understood(command, raw, error)),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(self.no_such_pool(command).await),
            Err(error) => Err(error),
        }
    }

    /// Names the pools there are, so that a typing error is seen at once.
    async fn no_such_pool(&self, command: &Command) -> BackendError {
        let list = Command::show_backends();
        let answer = self.ask(&list).await;
        let known = answer.ok().and_then(|raw| Some(body(&list, &raw).ok()?.to_owned())).unwrap_or_default();
        let mut names: Vec<&str> = known.lines().filter(|line| !line.starts_with('#')).collect();
        let more = names.len().saturating_sub(LISTED);
        names.truncate(LISTED);
        let mut text = match names.as_slice() {
            [] => "there is no such pool".to_owned(),
            _ => format!("there is no such pool; there are {}", quote(&names.join(", "))),
        };
        if more > 0 {
            text.push_str(&format!(" and {more} more"));
        }
        failed(ErrorKind::NotFound, command, text).with("pool", self.pool())
    }
}

/// Who answered; refused when it is too old for the rest to be understood.
pub(crate) fn process(command: &Command, raw: &str) -> Result<ProcessInfo, BackendError> {
    let said = body(command, raw)?;
    let process = parse_info(said).map_err(|error| not_understood(command, raw, error))?;
    if process.version < Version::OLDEST {
        let text =
            format!("HAProxy {} is too old, {} is the oldest supported", process.release, Version::OLDEST);
        return Err(failed(ErrorKind::Unsupported, command, text));
    }
    Ok(process)
}

impl fmt::Display for HaproxyLoadBalancer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "haproxy {} ({})", self.config.pool, self.transport)
    }
}

#[async_trait]
impl LoadBalancer for HaproxyLoadBalancer {
    fn capabilities(&self) -> LbCapabilities {
        LbCapabilities { weights: true, close_sessions: true, check_through: self.config.edge.is_some() }
    }

    async fn servers(&self) -> Result<PoolState, BackendError> {
        let observed = self.observe().await?;
        self.state(&observed)
    }

    async fn set_admin(&self, node: &NodeId, state: AdminState) -> Result<PoolState, BackendError> {
        let command = Command::set_state(self.pool(), node, state);
        // What failed after the change says nothing about the change.
        let unsure = |error: BackendError| {
            let of_the_change = error.operation() == command.to_string();
            if of_the_change { error } else { error.outcome_is(CallOutcome::Unknown) }
        };
        match self.observe_once(Some(&command)).await.map_err(unsure)? {
            Some(observed) => self.state(&observed).map_err(unsure),
            None => self.servers().await.map_err(unsure),
        }
    }

    async fn set_weight(&self, node: &NodeId, weight: Weight) -> Result<(), BackendError> {
        self.change(Command::set_weight(self.pool(), node, weight)).await
    }

    async fn close_sessions(&self, node: &NodeId) -> Result<(), BackendError> {
        self.change(Command::shutdown_sessions(self.pool(), node)).await
    }

    async fn check_through(&self, check: &HealthCheck) -> Result<HealthReport, BackendError> {
        let Some(edge) = &self.config.edge else {
            let text = "it is not known where clients come in";
            return Err(BackendError::new(
                ErrorKind::Unsupported,
                BACKEND,
                "check through the balancer",
                text,
            )
            .outcome_is(CallOutcome::NotApplied));
        };
        edge::check(edge, check).await
    }
}

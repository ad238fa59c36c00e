//! The pool's state and the choice of a server; no I/O but the idle connections it holds.

use std::net::SocketAddr;
use std::time::Duration;

use canary_core::fleet::NodeId;
use canary_core::traits::{AdminState, Operational, Server, Weight};
use hyper::client::conn::http1::SendRequest;
use tokio::sync::watch;
use tokio::time::Instant;

use super::body::RequestBody;
use super::config::{CheckConfig, LocalBalancerConfig, ServerConfig};
use super::health::Health;

/// Idle connections kept to one server.
const MAX_IDLE: usize = 256;

/// A connection to a server that can take a request.
pub(crate) type Sender = SendRequest<RequestBody>;

/// All servers, in the configuration's order.
#[derive(Debug)]
pub(crate) struct Pool {
    servers: Vec<Backend>,
    checked: bool,
}

#[derive(Debug)]
struct Backend {
    node: NodeId,
    address: SocketAddr,
    configured: Weight,
    weight: Weight,
    admin: AdminState,
    health: Health,
    sessions: u64,
    served: u64,
    /// Smooth weighted round robin's running value.
    current: i64,
    /// Moves on when all sessions are to be closed.
    close: watch::Sender<u64>,
    idle: Vec<(Sender, Instant)>,
}

/// A server that was chosen for a request.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) index: usize,
    pub(crate) address: SocketAddr,
    /// Changes when the session is to be closed.
    pub(crate) close: watch::Receiver<u64>,
}

impl Backend {
    fn new(config: &ServerConfig, checked: bool) -> Self {
        Self {
            node: config.node.clone(),
            address: config.address,
            configured: config.weight,
            weight: config.weight_now.unwrap_or(config.weight),
            admin: config.admin,
            health: Health::unknown(checked),
            sessions: 0,
            served: 0,
            current: 0,
            close: watch::Sender::new(0),
            idle: Vec::new(),
        }
    }

    const fn takes_requests(&self) -> bool {
        matches!(self.admin, AdminState::Ready) && self.health.up && self.weight.value() > 0
    }
}

impl Pool {
    pub(crate) fn new(config: &LocalBalancerConfig) -> Self {
        let checked = config.checks.is_some();
        let servers = config.servers.iter().map(|server| Backend::new(server, checked)).collect();
        Self { servers, checked }
    }

    /// Chooses the next server by smooth weighted round robin and counts the session, both in one step, so that a
    /// drained server with no sessions will get none. `tried` are left out.
    pub(crate) fn choose(&mut self, tried: &[usize]) -> Option<Chosen> {
        let mut total = 0;
        let mut best: Option<usize> = None;
        for index in 0..self.servers.len() {
            if tried.contains(&index) || !self.servers[index].takes_requests() {
                continue;
            }
            let weight = i64::from(self.servers[index].weight.value());
            total += weight;
            self.servers[index].current += weight;
            if best.is_none_or(|best| self.servers[index].current > self.servers[best].current) {
                best = Some(index);
            }
        }
        let index = best?;
        let server = &mut self.servers[index];
        server.current -= total;
        server.sessions += 1;
        Some(Chosen { index, address: server.address, close: server.close.subscribe() })
    }

    /// A session is over.
    pub(crate) fn leave(&mut self, index: usize) {
        let sessions = &mut self.servers[index].sessions;
        *sessions = sessions.saturating_sub(1);
    }

    /// A request was sent.
    pub(crate) fn count(&mut self, index: usize) {
        self.servers[index].served += 1;
    }

    /// An idle connection that can take a request now. Those that were closed or are too old are dropped.
    pub(crate) fn take_idle(&mut self, index: usize, keep: Duration) -> Option<Sender> {
        let idle = &mut self.servers[index].idle;
        idle.retain(|(sender, since)| !sender.is_closed() && since.elapsed() < keep);
        let ready = idle.iter().rposition(|(sender, _)| sender.is_ready())?;
        Some(idle.swap_remove(ready).0)
    }

    /// Keeps a connection for the next request, unless the server is on its way out.
    pub(crate) fn keep_idle(&mut self, index: usize, sender: Sender) {
        let server = &mut self.servers[index];
        if server.takes_requests() && server.idle.len() < MAX_IDLE && !sender.is_closed() {
            server.idle.push((sender, Instant::now()));
        }
    }

    pub(crate) fn index(&self, node: &NodeId) -> Option<usize> {
        self.servers.iter().position(|server| server.node == *node)
    }

    pub(crate) fn address(&self, index: usize) -> SocketAddr {
        self.servers[index].address
    }

    /// Sets the admin state. A server that comes out of maintenance, where it was not checked, is unknown.
    pub(crate) fn set_admin(&mut self, index: usize, admin: AdminState) {
        let checked = self.checked;
        let server = &mut self.servers[index];
        if server.admin == AdminState::Maint && admin != AdminState::Maint {
            server.health = Health::unknown(checked);
        }
        server.admin = admin;
        if admin != AdminState::Ready {
            // What a server that restarts closes must not be met by a request after it.
            server.idle.clear();
        }
        server.current = 0;
    }

    pub(crate) fn set_weight(&mut self, index: usize, weight: Weight) {
        self.servers[index].weight = weight;
    }

    /// Tells every session of a server to end.
    pub(crate) fn close_sessions(&mut self, index: usize) {
        self.servers[index].close.send_modify(|generation| *generation += 1);
    }

    /// Servers in maintenance are left alone.
    pub(crate) fn wants_checks(&self, index: usize) -> bool {
        self.servers[index].admin != AdminState::Maint
    }

    /// Takes a check's answer in.
    pub(crate) fn checked(&mut self, index: usize, good: bool, config: &CheckConfig) {
        let server = &mut self.servers[index];
        if server.admin != AdminState::Maint && server.health.observe(good, config.rise, config.fall) {
            server.idle.clear();
        }
    }

    /// All servers as the engine sees them.
    pub(crate) fn report(&self) -> Vec<Server> {
        self.servers.iter().map(|server| server.report(self.checked)).collect()
    }
}

impl Backend {
    fn report(&self, checked: bool) -> Server {
        let up = self.health.up && self.admin != AdminState::Maint;
        Server {
            node: self.node.clone(),
            address: Some(self.address.to_string()),
            admin: self.admin,
            operational: if up { Operational::Up } else { Operational::Down },
            checked,
            weight: self.weight,
            configured_weight: self.configured,
            backup: false,
            sessions: self.sessions,
            queued: 0,
            served: self.served,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use canary_core::fleet::PoolName;

    fn pool(weights: &[u16]) -> Pool {
        let servers = weights.iter().enumerate().map(|(i, weight)| ServerConfig {
            weight: Weight::new(*weight).unwrap(),
            ..ServerConfig::new(NodeId::new(format!("n{i}")).unwrap(), "127.0.0.1:1".parse().unwrap())
        });
        Pool::new(&LocalBalancerConfig::new(PoolName::new("p").unwrap(), servers.collect()))
    }

    fn chosen(pool: &mut Pool, requests: usize) -> Vec<usize> {
        (0..requests).filter_map(|_| pool.choose(&[]).map(|chosen| chosen.index)).collect()
    }

    #[test]
    fn weights_are_met_exactly_and_smoothly() {
        assert_eq!(chosen(&mut pool(&[5, 1, 1]), 7), [0, 0, 1, 0, 2, 0, 0]);
        let mut even = pool(&[100, 100, 100]);
        assert_eq!(chosen(&mut even, 6), [0, 1, 2, 0, 1, 2]);
        let picked = chosen(&mut pool(&[256, 1, 0]), 257 * 3);
        let count = |index| picked.iter().filter(|one| **one == index).count();
        assert_eq!((count(0), count(1), count(2)), (768, 3, 0));
    }

    #[test]
    fn nothing_is_sent_to_servers_that_are_out() {
        let mut pool = pool(&[1, 1, 1]);
        pool.set_admin(0, AdminState::Drain);
        pool.set_admin(1, AdminState::Maint);
        assert_eq!(chosen(&mut pool, 3), [2, 2, 2]);
        assert!(pool.choose(&[2]).is_none());
        let report = pool.report();
        assert_eq!((report[1].operational, report[2].sessions), (Operational::Down, 3));
        pool.set_admin(1, AdminState::Ready);
        pool.set_weight(2, Weight::new(0).unwrap());
        assert_eq!(chosen(&mut pool, 2), [1, 1]);
        pool.leave(1);
        assert_eq!(pool.report()[1].sessions, 1);
    }
}

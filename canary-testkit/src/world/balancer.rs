//! The world's balancer.

use async_trait::async_trait;
use canary_core::fleet::NodeId;
use canary_core::traits::{
    AdminState, BackendError, ErrorKind, HealthCheck, HealthReport, LbCapabilities, LoadBalancer, PoolState,
    Weight,
};

use super::{Happening, ServerState, State, World, unchanged};

impl State {
    fn pool(&mut self) -> PoolState {
        let serving = self.serving();
        let (now_ms, load) = (self.now_ms, &self.config.load);
        let there = self.servers.iter().filter(|s| !s.away);
        let servers = there.map(|s| s.view(s.sessions(now_ms, load, serving))).collect();
        let those = |like: fn(&ServerState) -> bool| {
            self.servers.iter().filter(|s| like(s)).map(|s| s.node.clone()).collect()
        };
        let (serving, could_serve) = (those(ServerState::serving), those(ServerState::could_serve));
        self.happened(Happening::PoolRead { serving, could_serve });
        PoolState {
            pool: self.config.pool.clone(),
            epoch: self.epoch.to_string(),
            algorithm: Some("roundrobin".to_owned()),
            sticky: None,
            servers,
        }
    }
}

impl State {
    /// A server that the pool has now.
    fn server_index(&self, node: &NodeId, operation: &str) -> Result<usize, BackendError> {
        let i = self.index(node, operation)?;
        if self.servers[i].away {
            let message = format!("the pool has no server {node} now");
            return Err(unchanged(ErrorKind::NotFound, operation, message).with("node", node));
        }
        Ok(i)
    }
}

#[async_trait]
impl LoadBalancer for World {
    fn capabilities(&self) -> LbCapabilities {
        LbCapabilities { weights: true, close_sessions: true, check_through: true }
    }

    async fn servers(&self) -> Result<PoolState, BackendError> {
        Ok(self.called().pool())
    }

    async fn set_admin(&self, node: &NodeId, admin: AdminState) -> Result<PoolState, BackendError> {
        let mut state = self.called();
        let i = state.server_index(node, "set the admin state")?;
        let from = state.servers[i].asked();
        if from != admin {
            let was_serving = state.servers[i].serving();
            let others_serving = state.serving() - usize::from(was_serving);
            let (now_ms, lag_ms) = (state.now_ms, state.config.admin_lag_ms);
            state.servers[i].ask(now_ms, admin, lag_ms);
            state.note_spread();
            let node = node.clone();
            state.happened(Happening::Admin { node, from, to: admin, others_serving, was_serving });
        }
        Ok(state.pool())
    }

    async fn set_weight(&self, node: &NodeId, weight: Weight) -> Result<(), BackendError> {
        let mut state = self.called();
        let i = state.server_index(node, "set the weight")?;
        let from = std::mem::replace(&mut state.servers[i].weight, weight);
        if from != weight {
            state.note_spread();
            state.happened(Happening::Weighed { node: node.clone(), from, to: weight });
        }
        Ok(())
    }

    async fn close_sessions(&self, node: &NodeId) -> Result<(), BackendError> {
        let mut state = self.called();
        let i = state.server_index(node, "close sessions")?;
        let (now_ms, serving) = (state.now_ms, state.serving());
        let lost = state.servers[i].sessions(now_ms, &state.config.load, serving);
        state.servers[i].long_requests.clear();
        state.servers[i].last_request_ms = None;
        state.happened(Happening::SessionsClosed { node: node.clone(), lost });
        Ok(())
    }

    async fn check_through(&self, _: &HealthCheck) -> Result<HealthReport, BackendError> {
        let via = "the world's balancer".to_owned();
        Ok(match self.called().request() {
            Some((node, true)) => {
                HealthReport { healthy: true, status: Some(200), detail: format!("200 of {node}"), via }
            }
            Some((node, false)) => {
                HealthReport { healthy: false, status: Some(502), detail: format!("502 of {node}"), via }
            }
            None => HealthReport { healthy: false, status: Some(503), detail: "no server".to_owned(), via },
        })
    }
}

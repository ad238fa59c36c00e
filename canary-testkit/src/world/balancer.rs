//! The world's balancer.

use async_trait::async_trait;
use canary_core::fleet::NodeId;
use canary_core::traits::{
    AdminState, BackendError, HealthCheck, HealthReport, LbCapabilities, LoadBalancer, PoolState, Weight,
};

use super::{Happening, State, World};

impl State {
    fn pool(&mut self) -> PoolState {
        let serving = self.serving();
        let (now_ms, load) = (self.now_ms, &self.config.load);
        let servers = self.servers.iter().map(|s| s.view(s.sessions(now_ms, load, serving))).collect();
        let names = self.servers.iter().filter(|s| s.serving()).map(|s| s.node.clone()).collect();
        self.happened(Happening::PoolRead { serving: names });
        PoolState {
            pool: self.config.pool.clone(),
            epoch: self.epoch.to_string(),
            algorithm: Some("roundrobin".to_owned()),
            servers,
        }
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
        let i = state.index(node, "set the admin state")?;
        let from = state.servers[i].admin;
        if from != admin {
            let was_serving = state.servers[i].serving();
            let others_serving = state.serving() - usize::from(was_serving);
            let now_ms = state.now_ms;
            state.servers[i].set_admin(now_ms, admin);
            state.note_spread();
            let node = node.clone();
            state.happened(Happening::Admin { node, from, to: admin, others_serving, was_serving });
        }
        Ok(state.pool())
    }

    async fn set_weight(&self, node: &NodeId, weight: Weight) -> Result<(), BackendError> {
        let mut state = self.called();
        let i = state.index(node, "set the weight")?;
        state.servers[i].weight = weight;
        state.note_spread();
        Ok(())
    }

    async fn close_sessions(&self, node: &NodeId) -> Result<(), BackendError> {
        let mut state = self.called();
        let i = state.index(node, "close sessions")?;
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

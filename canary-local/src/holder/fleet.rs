//! What a holder does for its clients: every change of the balancer is on disk before it is in force.

use canary_core::fleet::NodeId;
use canary_core::traits::{
    AdminState, BackendError, HealthCheck, HealthReport, LoadBalancer as _, PoolState, Weight,
};
use tokio::sync::Mutex;

use super::saved::{SavedServer, SavedStates};
use crate::control::HolderFacts;
use crate::error::unknown_node;
use crate::{LocalBalancer, LocalNodeRuntime};

/// Nodes, balancer, and what was asked of the balancer.
#[derive(Debug)]
pub(crate) struct Fleet {
    names: Vec<NodeId>,
    pub(crate) nodes: LocalNodeRuntime,
    balancer: LocalBalancer,
    /// Held over a change, so that file and balancer agree.
    saved: Mutex<SavedStates>,
}

impl Fleet {
    pub(crate) fn new(
        names: Vec<NodeId>,
        nodes: LocalNodeRuntime,
        balancer: LocalBalancer,
        saved: SavedStates,
    ) -> Self {
        Self { names, nodes, balancer, saved: Mutex::new(saved) }
    }

    pub(crate) const fn balancer(&self) -> &LocalBalancer {
        &self.balancer
    }

    pub(crate) fn about(&self) -> HolderFacts {
        HolderFacts {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            pool: self.balancer.pool().clone(),
            url: self.balancer.url(),
            nodes: self.names.clone(),
        }
    }

    pub(crate) async fn servers(&self) -> Result<PoolState, BackendError> {
        self.balancer.servers().await
    }

    pub(crate) async fn set_admin(
        &self,
        node: &NodeId,
        state: AdminState,
    ) -> Result<PoolState, BackendError> {
        const OPERATION: &str = "set the admin state";
        let mut saved = self.saved.lock().await;
        let next = SavedServer { admin: Some(state), ..saved.of(node) };
        self.keep(OPERATION, &mut saved, node, next)?;
        self.balancer.set_admin(node, state).await
    }

    pub(crate) async fn set_weight(&self, node: &NodeId, weight: Weight) -> Result<(), BackendError> {
        const OPERATION: &str = "set the weight";
        let mut saved = self.saved.lock().await;
        let next = SavedServer { weight: Some(weight), ..saved.of(node) };
        self.keep(OPERATION, &mut saved, node, next)?;
        self.balancer.set_weight(node, weight).await
    }

    pub(crate) async fn close_sessions(&self, node: &NodeId) -> Result<(), BackendError> {
        self.balancer.close_sessions(node).await
    }

    pub(crate) async fn check_through(&self, check: &HealthCheck) -> Result<HealthReport, BackendError> {
        self.balancer.check_through(check).await
    }

    /// Writes what is asked of a server, unless that is written already.
    fn keep(
        &self,
        operation: &str,
        saved: &mut SavedStates,
        node: &NodeId,
        next: SavedServer,
    ) -> Result<(), BackendError> {
        if !self.names.contains(node) {
            return Err(unknown_node(operation, node));
        }
        if saved.of(node) == next {
            return Ok(());
        }
        let changed = saved.with(node, next);
        // Some hundred bytes: not worth a thread of their own.
        changed.write(operation)?;
        *saved = changed;
        Ok(())
    }
}

//! Looking at the fleet without touching it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Backends;
use crate::fleet::{NodeId, NodeSnapshot, Snapshot};
use crate::journal::NodeReport;
use crate::plan::Plan;
use crate::traits::{BackendError, NodeRuntime, PoolState};

/// Reads a node's files and its service.
async fn node(runtime: Arc<dyn NodeRuntime>, node: NodeId) -> Result<NodeSnapshot, BackendError> {
    let installed = runtime.installed(&node).await?;
    let service = runtime.service(&node).await?;
    Ok(NodeSnapshot { installed, service })
}

/// Every node at the same time; an error for each that cannot be read.
pub(super) async fn nodes<'a>(
    backends: &Backends,
    names: impl Iterator<Item = &'a NodeId>,
) -> BTreeMap<NodeId, Result<NodeSnapshot, String>> {
    let tasks: Vec<_> = names
        .map(|name| (name.clone(), tokio::spawn(node(Arc::clone(&backends.nodes), name.clone()))))
        .collect();
    let mut seen = BTreeMap::new();
    for (name, task) in tasks {
        let result = match task.await {
            Ok(result) => result.map_err(|e| e.chain()),
            Err(e) => Err(e.to_string()),
        };
        seen.insert(name, result);
    }
    seen
}

impl Backends {
    /// Reads the balancer's pool and every named node. Changes nothing.
    ///
    /// # Errors
    /// Everything that could not be read, all at once.
    pub async fn observe<'a>(
        &self,
        names: impl Iterator<Item = &'a NodeId>,
    ) -> Result<Snapshot, Vec<String>> {
        let mut problems = Vec::new();
        let pool = self.lb.servers().await.map_err(|e| problems.push(e.chain())).ok();
        let mut read = BTreeMap::new();
        for (name, result) in nodes(self, names).await {
            match result {
                Ok(snapshot) => {
                    read.insert(name, snapshot);
                }
                Err(e) => problems.push(format!("{name}: {e}")),
            }
        }
        match pool {
            Some(pool) if problems.is_empty() => Ok(Snapshot { taken: self.clock.now(), pool, nodes: read }),
            _ => Err(problems),
        }
    }

    /// What is where, as far as it can be read: for a rollout's last record.
    pub async fn report(&self, plan: &Plan) -> Vec<NodeReport> {
        let pool = self.lb.servers().await.map_err(|e| e.chain());
        let seen = nodes(self, plan.nodes.iter().map(|planned| &planned.node)).await;
        seen.into_iter().map(|(name, result)| report(name, result, &pool)).collect()
    }
}

fn report(node: NodeId, seen: Result<NodeSnapshot, String>, pool: &Result<PoolState, String>) -> NodeReport {
    let mut problems = Vec::new();
    let server = match pool {
        Ok(pool) => pool.server(&node),
        Err(e) => {
            problems.push(e.clone());
            None
        }
    };
    let (admin, operational) = (server.map(|s| s.admin), server.map(|s| s.operational));
    let (installed, service) = match seen {
        Ok(seen) => (seen.installed.current.map(|facts| facts.sha256), Some(seen.service.active)),
        Err(e) => {
            problems.push(e);
            (None, None)
        }
    };
    NodeReport { node, installed, service, admin, operational, problems }
}

//! Looking at the fleet without touching it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Backends;
use crate::analysis::Number;
use crate::fleet::{NodeId, NodeSnapshot, Snapshot};
use crate::journal::NodeReport;
use crate::plan::Plan;
use crate::spec::{RolloutSpec, Sli};
use crate::traits::{
    BackendError, Clock, NodeRuntime, PoolState, Reading, Retry, SliKind, SliQuery, Subject,
};

/// How often a look is tried in all, when the backend says that later may help.
const LOOKS: u32 = 3;
/// The pause between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(300);

/// Calls a backend that only reads, and again while it says that later may help.
pub(super) async fn look<T, F>(
    clock: &dyn Clock,
    call: impl Fn() -> F + Send + Sync,
) -> Result<T, BackendError>
where
    F: Future<Output = Result<T, BackendError>> + Send,
    T: Send,
{
    let mut looks = 1;
    loop {
        match call().await {
            Err(error) if looks < LOOKS && matches!(error.retry(), Retry::Transient { .. }) => looks += 1,
            result => return result,
        }
        clock.sleep(BETWEEN_LOOKS).await;
    }
}

/// Reads a node's files and its service.
async fn node(
    runtime: Arc<dyn NodeRuntime>,
    clock: Arc<dyn Clock>,
    node: NodeId,
) -> Result<NodeSnapshot, BackendError> {
    let installed = look(clock.as_ref(), || runtime.installed(&node)).await?;
    let service = look(clock.as_ref(), || runtime.service(&node)).await?;
    Ok(NodeSnapshot { installed, service })
}

/// Every node at the same time, in the order given; an error for each that cannot be read.
pub(super) async fn nodes<'a>(
    backends: &Backends,
    names: impl Iterator<Item = &'a NodeId>,
) -> Vec<(NodeId, Result<NodeSnapshot, String>)> {
    let begin = |name: &NodeId| {
        let task = node(Arc::clone(&backends.nodes), Arc::clone(&backends.clock), name.clone());
        (name.clone(), tokio::spawn(task))
    };
    let tasks: Vec<_> = names.map(begin).collect();
    let mut seen = Vec::with_capacity(tasks.len());
    for (name, task) in tasks {
        let result = match task.await {
            Ok(result) => result.map_err(|e| e.chain()),
            Err(e) => Err(e.to_string()),
        };
        seen.push((name, result));
    }
    seen
}

/// How long the balancer's counters are looked at to know the pool's traffic.
const COUNTED_FOR: Duration = Duration::from_secs(2);
/// How many requests must come meanwhile; fewer tell too little.
const TELLING: u64 = 20;

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
        let pool = look(self.clock.as_ref(), || self.lb.servers()).await;
        let pool = pool.map_err(|e| problems.push(e.chain())).ok();
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
            Some(pool) if problems.is_empty() => Ok(Snapshot {
                taken: self.clock.now(),
                pool,
                nodes: read,
                capabilities: Some(self.lb.capabilities()),
                rate: None,
            }),
            _ => Err(problems),
        }
    }

    /// How many requests a second the pool gets: by the metrics store over the last rate window, else by the balancer's counters
    /// over two seconds; `None` where neither tells, or the counters grew too little to tell. Changes nothing.
    pub async fn rate(&self, spec: &RolloutSpec) -> Option<Number> {
        // A store that was begun a moment ago has no two samples yet, and says that there is nothing.
        match self.rate_by_metrics(spec).await {
            Some(rate) if rate.value() > 0.0 => Some(rate),
            other => self.rate_by_balancer().await.or(other),
        }
    }

    async fn rate_by_metrics(&self, spec: &RolloutSpec) -> Option<Number> {
        let (watch, source) = (spec.watch.as_ref()?, self.sli.as_ref()?);
        let (window, at) = (watch.rate_window.max(watch.interval), self.clock.now());
        let query = |sli: &Sli| SliQuery {
            name: sli.name.clone(),
            kind: sli.kind.clone(),
            subject: Subject::Pool,
            window,
            at,
        };
        let counts = |sli: &&Sli| !matches!(sli.kind, SliKind::Expression { .. });
        let queries: Vec<_> = watch.slis.iter().filter(counts).map(query).collect();
        let answers = source.sample(&queries).await;
        let events = answers.into_iter().filter_map(|answer| {
            let sample = answer.ok()?;
            if sample.reading == Reading::NoTraffic { Some(0) } else { sample.events }
        });
        Number::new(events.max()? as f64 / window.as_secs_f64())
    }

    async fn rate_by_balancer(&self) -> Option<Number> {
        let before = look(self.clock.as_ref(), || self.lb.servers()).await.ok()?;
        let begun = self.clock.monotonic();
        self.clock.sleep(COUNTED_FOR).await;
        let after = look(self.clock.as_ref(), || self.lb.servers()).await.ok()?;
        let passed = self.clock.monotonic().saturating_sub(begun).as_secs_f64();
        let served =
            |pool: &PoolState| pool.servers.iter().fold(0_u64, |sum, s| sum.saturating_add(s.served));
        let served = served(&after).checked_sub(served(&before)).filter(|_| before.epoch == after.epoch)?;
        (served >= TELLING && passed > 0.0).then(|| Number::new(served as f64 / passed)).flatten()
    }

    /// What is where, as far as it can be read: for a rollout's last record.
    pub async fn report(&self, plan: &Plan) -> Vec<NodeReport> {
        let pool = look(self.clock.as_ref(), || self.lb.servers()).await.map_err(|e| e.chain());
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

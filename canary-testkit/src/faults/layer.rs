//! One layer for every role.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use canary_core::fleet::{Artifact, FileFacts, NodeId, RemotePath};
use canary_core::traits::*;

use super::{Fault, Faults};

/// A backend behind faults; plays the same role as the backend.
pub struct Faulty<T: ?Sized> {
    pub(super) inner: Arc<T>,
    pub(super) faults: Arc<dyn Faults>,
    pub(super) clock: Arc<dyn Clock>,
    /// The last good answer of each read, for [`Fault::Stale`].
    answers: Mutex<BTreeMap<String, Box<dyn Any + Send>>>,
}

impl<T: ?Sized + Send + Sync> Faulty<T> {
    /// A layer in front of `inner`; delays are taken from `clock`.
    #[must_use]
    pub fn new(inner: Arc<T>, faults: &Arc<dyn Faults>, clock: &Arc<dyn Clock>) -> Self {
        Self {
            inner,
            faults: Arc::clone(faults),
            clock: Arc::clone(clock),
            answers: Mutex::new(BTreeMap::new()),
        }
    }

    fn remembered<R: Clone + 'static>(&self, key: &str) -> Option<R> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(key)?.downcast_ref::<R>().cloned()
    }

    fn remember<R: Clone + Send + 'static>(&self, key: String, answer: &R) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Box::new(answer.clone()));
    }

    /// One call: struck, or made. `subject` is the node it is about.
    pub(super) async fn call<R, F>(
        &self,
        operation: &'static str,
        subject: Option<&NodeId>,
        call: impl FnOnce() -> F + Send,
    ) -> Result<R, BackendError>
    where
        F: Future<Output = Result<R, BackendError>> + Send,
        R: Send,
    {
        self.under(self.faults.strike(operation), operation, subject, call).await
    }

    /// As [`Self::call`], for reads: the answer before can be given again.
    pub(super) async fn read<R, F>(
        &self,
        operation: &'static str,
        subject: Option<&NodeId>,
        call: impl FnOnce() -> F + Send,
    ) -> Result<R, BackendError>
    where
        F: Future<Output = Result<R, BackendError>> + Send,
        R: Clone + Send + 'static,
    {
        if !self.faults.ever_stale() {
            return self.call(operation, subject, call).await;
        }
        let key = subject.map_or_else(|| operation.to_owned(), |node| format!("{operation} {node}"));
        let fault = self.faults.strike(operation);
        if fault == Some(Fault::Stale)
            && let Some(old) = self.remembered::<R>(&key)
        {
            return Ok(old);
        }
        let answer = self.under(fault, operation, subject, call).await?;
        self.remember(key, &answer);
        Ok(answer)
    }

    async fn under<R, F>(
        &self,
        fault: Option<Fault>,
        operation: &'static str,
        subject: Option<&NodeId>,
        call: impl FnOnce() -> F + Send,
    ) -> Result<R, BackendError>
    where
        F: Future<Output = Result<R, BackendError>> + Send,
        R: Send,
    {
        let unapplied = |e: BackendError| e.outcome_is(CallOutcome::NotApplied);
        match fault {
            None | Some(Fault::Stale) => call().await,
            Some(Fault::Error { kind, transient }) => {
                Err(unapplied(error(operation, kind, "made to fail", transient)))
            }
            Some(Fault::Delay(delay)) => {
                self.clock.sleep(delay).await;
                call().await
            }
            Some(Fault::Timeout { after, applied }) => {
                if applied {
                    // The answer is lost, whatever it was.
                    let _ = call().await;
                }
                self.clock.sleep(after).await;
                Err(error(operation, ErrorKind::TimedOut, "made to time out", true))
            }
            Some(Fault::ReplyLost) => {
                call().await?;
                Err(error(operation, ErrorKind::Protocol, "the reply was made to be lost", true))
            }
            Some(Fault::Partial(missing)) => match subject {
                Some(node) if !missing.contains(node) => call().await,
                Some(node) => {
                    let error = error(operation, ErrorKind::NotFound, "made to be missing", false);
                    Err(unapplied(error.with("node", node)))
                }
                None => Err(error(operation, ErrorKind::Protocol, "the answer was made partial", true)),
            },
            Some(death @ (Fault::DieBefore | Fault::DieAfter)) => {
                if death == Fault::DieAfter {
                    // Nobody is there to hear of it.
                    let _ = call().await;
                }
                self.faults.died().await;
                Err(error(operation, ErrorKind::Other, "the engine is dead", false))
            }
        }
    }
}

fn error(operation: &'static str, kind: ErrorKind, message: &str, transient: bool) -> BackendError {
    let error = BackendError::new(kind, "fault", operation, message);
    if transient { error.transient(Duration::from_millis(100)) } else { error }
}

impl<T: fmt::Display + ?Sized> fmt::Display for Faulty<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} behind {}", self.inner, self.faults)
    }
}

impl<T: fmt::Debug + ?Sized> fmt::Debug for Faulty<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty")
            .field("inner", &self.inner)
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl LoadBalancer for Faulty<dyn LoadBalancer> {
    fn capabilities(&self) -> LbCapabilities {
        self.inner.capabilities()
    }

    async fn servers(&self) -> Result<PoolState, BackendError> {
        self.read("servers", None, || self.inner.servers()).await
    }

    async fn set_admin(&self, node: &NodeId, state: AdminState) -> Result<PoolState, BackendError> {
        self.call("set_admin", Some(node), || self.inner.set_admin(node, state)).await
    }

    async fn set_weight(&self, node: &NodeId, weight: Weight) -> Result<(), BackendError> {
        self.call("set_weight", Some(node), || self.inner.set_weight(node, weight)).await
    }

    async fn close_sessions(&self, node: &NodeId) -> Result<(), BackendError> {
        self.call("close_sessions", Some(node), || self.inner.close_sessions(node)).await
    }

    async fn check_through(&self, check: &HealthCheck) -> Result<HealthReport, BackendError> {
        self.read("check_through", None, || self.inner.check_through(check)).await
    }
}

#[async_trait]
impl NodeRuntime for Faulty<dyn NodeRuntime> {
    async fn installed(&self, node: &NodeId) -> Result<Installed, BackendError> {
        self.read("installed", Some(node), || self.inner.installed(node)).await
    }

    async fn inspect(&self, node: &NodeId, path: &RemotePath) -> Result<Option<FileFacts>, BackendError> {
        self.call("inspect", Some(node), || self.inner.inspect(node, path)).await
    }

    async fn install(&self, node: &NodeId, artifact: &Artifact) -> Result<InstallReport, BackendError> {
        self.call("install", Some(node), || self.inner.install(node, artifact)).await
    }

    async fn fetch(&self, node: &NodeId, path: &RemotePath, into: &Path) -> Result<FileFacts, BackendError> {
        self.call("fetch", Some(node), || self.inner.fetch(node, path, into)).await
    }

    async fn restart(&self, node: &NodeId) -> Result<ServiceState, BackendError> {
        self.call("restart", Some(node), || self.inner.restart(node)).await
    }

    async fn service(&self, node: &NodeId) -> Result<ServiceState, BackendError> {
        self.read("service", Some(node), || self.inner.service(node)).await
    }

    async fn check(&self, node: &NodeId, check: &HealthCheck) -> Result<HealthReport, BackendError> {
        self.read("check", Some(node), || self.inner.check(node, check)).await
    }

    async fn logs(&self, node: &NodeId, lines: u16) -> Result<Vec<String>, BackendError> {
        self.read("logs", Some(node), || self.inner.logs(node, lines)).await
    }
}

#[async_trait]
impl SliSource for Faulty<dyn SliSource> {
    fn by_node(&self) -> bool {
        self.inner.by_node()
    }

    async fn sample(&self, queries: &[SliQuery]) -> Vec<Result<Sample, BackendError>> {
        let answers = self.call("sample", None, async || Ok(self.inner.sample(queries).await)).await;
        answers.unwrap_or_else(|failed| of_each("sample", queries.len(), &failed))
    }

    async fn describe(&self, query: &SliQuery) -> Result<SliFacts, BackendError> {
        self.call("describe", None, || self.inner.describe(query)).await
    }

    fn counts(&self) -> bool {
        self.inner.counts()
    }

    async fn counters(&self, queries: &[CounterQuery]) -> Vec<Result<Counters, BackendError>> {
        let answers = self.call("counters", None, async || Ok(self.inner.counters(queries).await)).await;
        answers.unwrap_or_else(|failed| of_each("counters", queries.len(), &failed))
    }

    async fn history(
        &self,
        query: &CounterQuery,
        covers: Duration,
        step: Duration,
    ) -> Result<CounterHistory, BackendError> {
        self.call("history", None, || self.inner.history(query, covers, step)).await
    }
}

/// A fault strikes all queries; a stale answer is an error here, since each query names its instant.
fn of_each<R>(
    operation: &'static str,
    queries: usize,
    failed: &BackendError,
) -> Vec<Result<R, BackendError>> {
    let again = || {
        let error = BackendError::new(failed.kind(), "fault", operation, failed.message());
        error.outcome_is(CallOutcome::NotApplied).transient(Duration::from_millis(100))
    };
    (0..queries).map(|_| Err(again())).collect()
}

#[async_trait]
impl MigrationGate for Faulty<dyn MigrationGate> {
    async fn review(&self, release: &Release) -> Result<Review, BackendError> {
        self.call("review", None, || self.inner.review(release)).await
    }
}

#[async_trait]
impl ReleaseCheck for Faulty<dyn ReleaseCheck> {
    fn name(&self) -> &str {
        self.inner.name()
    }

    async fn check(&self, ask: &CheckAsk) -> Result<CheckReport, BackendError> {
        self.call("release_check", None, || self.inner.check(ask)).await
    }
}

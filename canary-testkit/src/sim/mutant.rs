//! Engines that omit something or do it wrong, made by lying to the real one about exactly that.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use canary_core::analysis::Number;
use canary_core::engine::Backends;
use canary_core::fleet::{Artifact, FileFacts, NodeId, RemotePath};
use canary_core::journal::{Entry, Record};
use canary_core::plan::{Plan, Step};
use canary_core::time::Timestamp;
use canary_core::traits::*;

/// What the engine does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// Drains whether or not enough others serve.
    SkipsTheCapacityGuard,
    /// Believes that a server has the state that was asked for.
    TrustsTheAcknowledgement,
    /// Does not wait for requests in progress.
    DoesNotWaitForIdle,
    /// Cuts requests in progress with every drain.
    ClosesSessionsAtOnce,
    /// Drains a second node with the first.
    DrainsTwoAtOnce,
    /// Takes a server for up as soon as it is ready.
    ForgetsTheRiseDelay,
    /// Puts nodes back whatever their health.
    EnablesOnFailedHealth,
    /// Believes that an installation took place.
    TrustsTheInstallation,
    /// Leaves the release in place when it goes back.
    DoesNotInstallTheWayBack,
    /// Does not restart the service.
    SkipsTheRestart,
    /// Restarts the service once more.
    RestartsTwice,
    /// Takes missing or bad numbers for good ones.
    TakesEverythingForGreen,
    /// Takes missing numbers for good ones.
    PromotesOnHold,
    /// Rolls the peers in another order than the plan's.
    RollsPeersInAnotherOrder,
    /// Does not put the last node back.
    ForgetsTheLastReady,
    /// Records a step's begin only with its end.
    JournalsAfterTheEffect,
    /// Does not record how it ended.
    ForgetsTheEnd,
    /// Waits for as long as the machine's mood says.
    IsNotDeterministic,
    /// Does not give a node its whole weight back.
    ForgetsTheWholeWeight,
    /// Puts the canary back at its whole weight, and believes that it has less.
    SkipsTheStages,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::SkipsTheCapacityGuard,
        Self::TrustsTheAcknowledgement,
        Self::DoesNotWaitForIdle,
        Self::ClosesSessionsAtOnce,
        Self::DrainsTwoAtOnce,
        Self::ForgetsTheRiseDelay,
        Self::EnablesOnFailedHealth,
        Self::TrustsTheInstallation,
        Self::DoesNotInstallTheWayBack,
        Self::SkipsTheRestart,
        Self::RestartsTwice,
        Self::TakesEverythingForGreen,
        Self::PromotesOnHold,
        Self::RollsPeersInAnotherOrder,
        Self::ForgetsTheLastReady,
        Self::JournalsAfterTheEffect,
        Self::ForgetsTheEnd,
        Self::IsNotDeterministic,
        Self::ForgetsTheWholeWeight,
        Self::SkipsTheStages,
    ];

    /// The plan that the engine is given.
    pub(super) fn misread(self, mut plan: Plan) -> Plan {
        if self == Self::RollsPeersInAnotherOrder {
            plan.nodes[1..].reverse();
            let place =
                |step: &Step| plan.nodes.iter().position(|planned| Some(&planned.node) == step.node.as_ref());
            plan.steps.sort_by_key(place);
        }
        plan
    }

    /// Backends that make the engine behave so.
    pub(super) fn plant(self, backends: &Backends, plan: &Plan) -> Backends {
        let mut planted = backends.clone();
        let mut lb = Lying::new(self, Arc::clone(&backends.lb));
        lb.last = plan.nodes.last().map(|planned| planned.node.clone());
        planted.lb = Arc::new(lb);
        planted.nodes = Arc::new(Lying::new(self, Arc::clone(&backends.nodes)));
        planted.sli = backends.sli.clone().map(|sli| Arc::new(Lying::new(self, sli)) as _);
        planted.journal = Arc::new(Lying::new(self, Arc::clone(&backends.journal)));
        planted.clock = Arc::new(Lying::new(self, Arc::clone(&backends.clock)));
        planted
    }
}

/// A backend that does not tell the truth about one thing.
#[derive(Debug)]
struct Lying<T: ?Sized> {
    mutant: Mutant,
    kept: Mutex<Option<Entry>>,
    asked: Mutex<Vec<(NodeId, AdminState)>>,
    /// The plan's last node.
    last: Option<NodeId>,
    weighed: Mutex<Vec<(NodeId, Weight)>>,
    inner: Arc<T>,
}

impl<T: ?Sized> Lying<T> {
    fn new(mutant: Mutant, inner: Arc<T>) -> Self {
        let (kept, asked, weighed) = (Mutex::new(None), Mutex::new(Vec::new()), Mutex::new(Vec::new()));
        Self { mutant, kept, asked, weighed, last: None, inner }
    }
}

impl<T: ?Sized> fmt::Display for Lying<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.mutant)
    }
}

impl Lying<dyn LoadBalancer> {
    fn told(&self, mut pool: PoolState) -> PoolState {
        match self.mutant {
            Mutant::SkipsTheCapacityGuard => {
                // Of the nodes in hand the truth is told: everything but the guard works on.
                let ready = pool.servers.iter_mut().filter(|s| s.admin == AdminState::Ready);
                ready.for_each(|s| s.operational = Operational::Up);
            }
            Mutant::ForgetsTheRiseDelay => {
                let ready = pool.servers.iter_mut().filter(|s| s.admin == AdminState::Ready);
                ready.for_each(|s| (s.operational, s.served) = (Operational::Up, s.served + 1));
            }
            Mutant::DoesNotWaitForIdle => {
                pool.servers.iter_mut().for_each(|s| (s.sessions, s.queued) = (0, 0));
            }
            Mutant::ForgetsTheLastReady => {
                let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
                let forgotten = asked.last().cloned();
                if let Some((node, state)) = forgotten {
                    let server = pool.servers.iter_mut().find(|server| server.node == node);
                    server.into_iter().for_each(|server| {
                        // Each look finds one more request served.
                        (server.admin, server.served) = (state, server.served + asked.len() as u64);
                    });
                    asked.push((node, state));
                }
            }
            Mutant::TrustsTheAcknowledgement => {
                let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
                for (node, state) in asked.iter() {
                    let server = pool.servers.iter_mut().find(|server| server.node == *node);
                    server.into_iter().for_each(|server| server.admin = *state);
                }
            }
            Mutant::ForgetsTheWholeWeight | Mutant::SkipsTheStages => {
                let weighed = self.weighed.lock().unwrap_or_else(PoisonError::into_inner);
                for (node, weight) in weighed.iter() {
                    let server = pool.servers.iter_mut().find(|server| server.node == *node);
                    server.into_iter().for_each(|server| server.weight = *weight);
                }
            }
            _ => {}
        }
        pool
    }
}

#[async_trait]
impl LoadBalancer for Lying<dyn LoadBalancer> {
    fn capabilities(&self) -> LbCapabilities {
        self.inner.capabilities()
    }

    async fn servers(&self) -> Result<PoolState, BackendError> {
        Ok(self.told(self.inner.servers().await?))
    }

    async fn set_admin(&self, node: &NodeId, state: AdminState) -> Result<PoolState, BackendError> {
        let drains = state == AdminState::Drain;
        match self.mutant {
            // A balancer that acknowledges and forgets: who reads back asks again, who does not goes on.
            Mutant::TrustsTheAcknowledgement => {
                self.asked.lock().unwrap_or_else(PoisonError::into_inner).push((node.clone(), state));
                return self.servers().await;
            }
            Mutant::ForgetsTheLastReady if self.last.as_ref() == Some(node) => {
                self.asked.lock().unwrap_or_else(PoisonError::into_inner).clear();
                if !drains {
                    self.asked.lock().unwrap_or_else(PoisonError::into_inner).push((node.clone(), state));
                    return self.servers().await;
                }
            }
            Mutant::ClosesSessionsAtOnce if drains => {
                self.inner.set_admin(node, state).await?;
                self.inner.close_sessions(node).await?;
                return self.servers().await;
            }
            Mutant::DrainsTwoAtOnce if drains => {
                let pool = self.inner.set_admin(node, state).await?;
                if let Some(other) = pool.servers.iter().find(|server| server.node != *node) {
                    self.inner.set_admin(&other.node, state).await?;
                }
                return self.servers().await;
            }
            _ => {}
        }
        Ok(self.told(self.inner.set_admin(node, state).await?))
    }

    async fn set_weight(&self, node: &NodeId, weight: Weight) -> Result<(), BackendError> {
        let pool = self.inner.servers().await?;
        let whole = pool.server(node).is_some_and(|server| server.configured_weight == weight);
        let omitted = match self.mutant {
            Mutant::ForgetsTheWholeWeight => whole,
            Mutant::SkipsTheStages => !whole,
            _ => false,
        };
        {
            let mut weighed = self.weighed.lock().unwrap_or_else(PoisonError::into_inner);
            weighed.retain(|(other, _)| other != node);
            weighed.extend(omitted.then(|| (node.clone(), weight)));
        }
        if omitted { Ok(()) } else { self.inner.set_weight(node, weight).await }
    }

    async fn close_sessions(&self, node: &NodeId) -> Result<(), BackendError> {
        self.inner.close_sessions(node).await
    }

    async fn check_through(&self, check: &HealthCheck) -> Result<HealthReport, BackendError> {
        self.inner.check_through(check).await
    }
}

#[async_trait]
impl NodeRuntime for Lying<dyn NodeRuntime> {
    async fn installed(&self, node: &NodeId) -> Result<Installed, BackendError> {
        self.inner.installed(node).await
    }

    async fn inspect(&self, node: &NodeId, path: &RemotePath) -> Result<Option<FileFacts>, BackendError> {
        self.inner.inspect(node, path).await
    }

    async fn install(&self, node: &NodeId, artifact: &Artifact) -> Result<InstallReport, BackendError> {
        let back = artifact.facts.sha256 == canary_core::fleet::Digest::of(super::OLD);
        let omitted = match self.mutant {
            Mutant::TrustsTheInstallation => true,
            Mutant::DoesNotInstallTheWayBack => back,
            _ => false,
        };
        if omitted {
            return Ok(InstallReport { changed: true, facts: artifact.facts });
        }
        self.inner.install(node, artifact).await
    }

    async fn fetch(&self, node: &NodeId, path: &RemotePath, into: &Path) -> Result<FileFacts, BackendError> {
        self.inner.fetch(node, path, into).await
    }

    async fn restart(&self, node: &NodeId) -> Result<ServiceState, BackendError> {
        if self.mutant == Mutant::SkipsTheRestart {
            return self.service(node).await;
        }
        if self.mutant == Mutant::RestartsTwice {
            self.inner.restart(node).await?;
        }
        self.inner.restart(node).await
    }

    async fn service(&self, node: &NodeId) -> Result<ServiceState, BackendError> {
        let mut state = self.inner.service(node).await?;
        match self.mutant {
            Mutant::SkipsTheRestart => state.running = RunningBinary::InPlace,
            Mutant::EnablesOnFailedHealth => {
                (state.active, state.restarts, state.running) =
                    (ActiveState::Active, 0, RunningBinary::InPlace);
            }
            _ => {}
        }
        Ok(state)
    }

    async fn check(&self, node: &NodeId, check: &HealthCheck) -> Result<HealthReport, BackendError> {
        let mut report = self.inner.check(node, check).await?;
        report.healthy |= self.mutant == Mutant::EnablesOnFailedHealth;
        Ok(report)
    }

    async fn logs(&self, node: &NodeId, lines: u16) -> Result<Vec<String>, BackendError> {
        self.inner.logs(node, lines).await
    }
}

#[async_trait]
impl SliSource for Lying<dyn SliSource> {
    fn by_node(&self) -> bool {
        self.inner.by_node()
    }

    async fn sample(&self, queries: &[SliQuery]) -> Vec<Result<Sample, BackendError>> {
        let answers = self.inner.sample(queries).await;
        let reading = || Number::new(0.0).map_or(Reading::NotANumber, |value| Reading::Value { value });
        let has_value =
            |sample: &Sample| matches!(sample.reading, Reading::Value { .. } | Reading::AtLeast { .. });
        let good = || {
            let (events, age) = (Some(1000), Some(Duration::ZERO));
            Ok(Sample { reading: reading(), events, age, warnings: Vec::new(), queries: Vec::new() })
        };
        let lies = |answer: &Result<Sample, BackendError>| match self.mutant {
            Mutant::TakesEverythingForGreen => true,
            Mutant::PromotesOnHold => !answer.as_ref().is_ok_and(has_value),
            _ => false,
        };
        answers.into_iter().map(|answer| if lies(&answer) { good() } else { answer }).collect()
    }

    async fn describe(&self, query: &SliQuery) -> Result<SliFacts, BackendError> {
        self.inner.describe(query).await
    }

    fn counts(&self) -> bool {
        self.inner.counts()
    }

    async fn counters(&self, queries: &[CounterQuery]) -> Vec<Result<Counters, BackendError>> {
        let mut answers = self.inner.counters(queries).await;
        if self.mutant == Mutant::TakesEverythingForGreen {
            for series in answers.iter_mut().flatten().flat_map(|counters| &mut counters.series) {
                // No request failed, none was slow.
                let all = series.values.last().copied().unwrap_or(0);
                series.values.fill(all);
            }
        }
        answers
    }

    async fn history(
        &self,
        query: &CounterQuery,
        covers: Duration,
        step: Duration,
    ) -> Result<CounterHistory, BackendError> {
        self.inner.history(query, covers, step).await
    }
}

#[async_trait]
impl Journal for Lying<dyn Journal> {
    async fn append(&self, entry: Entry) -> Result<Record, JournalError> {
        let forged = |records: Vec<Record>, entry| {
            let last = records.last().cloned();
            last.map(|last| Record { entry, ..last }).ok_or_else(|| JournalError::Form("empty".to_owned()))
        };
        match (self.mutant, &entry) {
            (Mutant::JournalsAfterTheEffect, Entry::StepStarted { .. }) => {
                *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(entry.clone());
                return forged(self.inner.records().await?, entry);
            }
            (Mutant::JournalsAfterTheEffect, _) => {
                let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(kept) = kept {
                    self.inner.append(kept).await?;
                }
            }
            (Mutant::ForgetsTheEnd, Entry::Finished { .. }) => {
                return forged(self.inner.records().await?, entry);
            }
            _ => {}
        }
        self.inner.append(entry).await
    }

    async fn records(&self) -> Result<Vec<Record>, JournalError> {
        self.inner.records().await
    }
}

#[async_trait]
impl Clock for Lying<dyn Clock> {
    fn now(&self) -> Timestamp {
        self.inner.now()
    }

    fn monotonic(&self) -> Duration {
        self.inner.monotonic()
    }

    async fn sleep(&self, duration: Duration) {
        static MOOD: AtomicU64 = AtomicU64::new(0);
        if self.mutant == Mutant::IsNotDeterministic {
            let mood = Duration::from_millis(MOOD.fetch_add(1, Ordering::Relaxed) % 7);
            return self.inner.sleep(duration + mood).await;
        }
        self.inner.sleep(duration).await;
    }
}

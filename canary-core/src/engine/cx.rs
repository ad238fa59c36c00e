//! What a step works with: backends with retries, waits with deadlines, facts to leave behind.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::outcome::FailureClass;
use super::recorder::Recorder;
use super::{Backends, Plan};
use crate::fleet::NodeId;
use crate::journal::{Entry, History};
use crate::plan::{Direction, Step};
use crate::traits::{AdminState, BackendError, PoolState, Progress, Retry, Server};

/// Why a step failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) class: FailureClass,
    pub(super) message: String,
}

impl Failure {
    pub(super) fn new(class: FailureClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into() }
    }
}

impl From<BackendError> for Failure {
    fn from(error: BackendError) -> Self {
        Self::new(FailureClass::Backend, error.chain())
    }
}

/// A step's result: whether it changed anything.
pub(super) type StepOutcome = Result<bool, Failure>;

/// What a step works with.
pub(super) struct StepCx<'a> {
    pub(super) backends: &'a Backends,
    pub(super) plan: &'a Plan,
    pub(super) step: &'a Step,
    pub(super) recorder: &'a Recorder,
    evidence: Mutex<Evidence>,
}

/// What a step leaves behind in its record.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    pub(super) facts: BTreeMap<String, String>,
    pub(super) logs: Vec<String>,
}

impl<'a> StepCx<'a> {
    pub(super) const fn new(
        backends: &'a Backends,
        plan: &'a Plan,
        step: &'a Step,
        recorder: &'a Recorder,
    ) -> Self {
        Self {
            backends,
            plan,
            step,
            recorder,
            evidence: Mutex::new(Evidence { facts: BTreeMap::new(), logs: Vec::new() }),
        }
    }

    /// The step's node.
    pub(super) fn node(&self) -> Result<&'a NodeId, Failure> {
        self.step.node.as_ref().ok_or_else(|| Failure::new(FailureClass::Backend, "the step names no node"))
    }

    /// The rollout so far.
    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        self.recorder.history()
    }

    /// Leaves a fact behind.
    pub(super) fn fact(&self, name: &str, value: impl Display) {
        let mut evidence = self.evidence.lock().unwrap_or_else(PoisonError::into_inner);
        evidence.facts.insert(name.to_owned(), value.to_string());
    }

    /// Everything left behind.
    pub(super) fn into_evidence(self) -> Evidence {
        self.evidence.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls a backend, and again while it says that later may help, within the spec's budget.
    pub(super) async fn call<T, F>(&self, call: impl Fn() -> F + Send + Sync) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, BackendError>> + Send,
        T: Send,
    {
        let policy = &self.plan.spec.retry;
        let clock = &self.backends.clock;
        let started = clock.monotonic();
        let mut attempt: u32 = 1;
        loop {
            let error = match call().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let Retry::Transient { after } = error.retry() else { return Err(error.into()) };
            let delay = policy.delay(attempt, after);
            let spent = clock.monotonic().saturating_sub(started);
            if spent + delay > policy.budget {
                let tried = humantime::format_duration(Duration::from_secs(spent.as_secs()));
                let message = format!("{} (tried {attempt} times in {tried})", error.chain());
                return Err(Failure::new(FailureClass::Backend, message));
            }
            self.record_retry(&error, attempt, delay).await?;
            clock.sleep(delay).await;
            attempt += 1;
        }
    }

    async fn record_retry(&self, error: &BackendError, attempt: u32, delay: Duration) -> Result<(), Failure> {
        let rollout = self.recorder.rollout.clone();
        let entry = Entry::Retried {
            rollout,
            step: self.step.clone(),
            error: error.chain(),
            attempt: attempt.into(),
            delay,
        };
        self.record(entry).await
    }

    /// Writes a record; on the way back a journal that cannot be written does not stop the step.
    pub(super) async fn record(&self, entry: Entry) -> Result<(), Failure> {
        match self.recorder.record(entry).await {
            Err(why) if self.step.direction == Direction::Forward => {
                Err(Failure::new(FailureClass::Journal, why))
            }
            _ => Ok(()),
        }
    }

    /// Reads the pool.
    pub(super) async fn pool(&self) -> Result<PoolState, Failure> {
        self.call(|| self.backends.lb.servers()).await
    }

    /// Reads the pool and the step's node in it.
    pub(super) async fn server(&self) -> Result<(PoolState, Server), Failure> {
        let pool = self.pool().await?;
        self.in_pool(pool).await
    }

    /// Asks for an admin state of the step's node, and gives the pool and the node as read back.
    pub(super) async fn set_admin(&self, state: AdminState) -> Result<(PoolState, Server), Failure> {
        let node = self.node()?;
        let pool = self.call(|| self.backends.lb.set_admin(node, state)).await?;
        self.in_pool(pool).await
    }

    /// The step's node in a pool. One reply that leaves it out may be a partial one: it is looked for again before it is
    /// believed to be gone.
    pub(super) async fn in_pool(&self, mut pool: PoolState) -> Result<(PoolState, Server), Failure> {
        let node = self.node()?;
        let mut looks = 0;
        loop {
            if let Some(server) = pool.server(node).cloned() {
                return Ok((pool, server));
            }
            if looks == LOOKS_FOR_MISSING {
                let message = format!("pool {} no longer has a server {node}", pool.pool);
                return Err(Failure::new(FailureClass::Backend, message));
            }
            looks += 1;
            self.backends.clock.sleep(LOOK_AGAIN_AFTER).await;
            pool = self.pool().await?;
        }
    }

    /// Begins to wait for a condition.
    pub(super) fn waiting(&self, waiting_for: impl Into<String>, limit: Duration) -> Waiting<'_, 'a> {
        Waiting {
            cx: self,
            waiting_for: waiting_for.into(),
            limit,
            started: self.backends.clock.monotonic(),
            pause: FIRST_PAUSE,
        }
    }

    /// Keeps the service's last log lines as evidence; that they cannot be read is evidence too.
    pub(super) async fn keep_logs(&self) {
        let Some(node) = &self.step.node else { return };
        let logs = match self.backends.nodes.logs(node, LOG_LINES).await {
            Ok(lines) => lines,
            Err(error) => vec![format!("(no logs: {})", error.chain())],
        };
        self.evidence.lock().unwrap_or_else(PoisonError::into_inner).logs = logs;
    }
}

/// How often a server that a reply leaves out is looked for again, and after how long.
const LOOKS_FOR_MISSING: u32 = 2;
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(200);
/// The pause after the first look; grows by half up to [`LAST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_secs(1);
/// How many log lines are kept as evidence.
const LOG_LINES: u16 = 20;

/// A wait for a condition: looked at at growing intervals, until a deadline.
pub(super) struct Waiting<'w, 'a> {
    cx: &'w StepCx<'a>,
    waiting_for: String,
    limit: Duration,
    started: Duration,
    pause: Duration,
}

impl Waiting<'_, '_> {
    /// How long it lasts already.
    pub(super) fn elapsed(&self) -> Duration {
        self.cx.backends.clock.monotonic().saturating_sub(self.started)
    }

    /// Pauses before the next look, or fails when the deadline has passed.
    pub(super) async fn pause(&mut self, seen: impl Into<String> + Send) -> Result<(), Failure> {
        let (seen, elapsed) = (seen.into(), self.elapsed());
        if elapsed >= self.limit {
            let message = format!(
                "waited {} for {}; seen last: {seen}",
                humantime::format_duration(self.limit),
                self.waiting_for
            );
            return Err(Failure::new(FailureClass::TimedOut, message));
        }
        self.cx.recorder.waiting(|| Progress {
            step: self.cx.step.to_string(),
            node: self.cx.step.node.clone(),
            waiting_for: self.waiting_for.clone(),
            seen,
            elapsed,
            limit: self.limit,
        });
        self.cx.backends.clock.sleep(self.pause.min(self.limit - elapsed)).await;
        self.pause = (self.pause * 3 / 2).min(LAST_PAUSE);
        Ok(())
    }
}

//! A round in this process: batches in order, a sliding window over tenants.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use canary_tenants::probe::{
    Breaker, ProbeBatch, ProbeProgress, ProbeResult, ProbeRound, ProbeRunner, ProbeTarget,
};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::line::Lines;
use crate::request::Cx;
use crate::resolve::{Resolve, SystemNames};
use crate::tenant;
use crate::trust::Trust;

/// Probes from this process.
#[derive(Debug)]
pub struct InProcess {
    names: Arc<dyn Resolve>,
    trust: Trust,
}

impl Default for InProcess {
    fn default() -> Self {
        Self::new(Arc::new(SystemNames))
    }
}

impl InProcess {
    /// A runner that resolves names this way.
    #[must_use]
    pub fn new(names: Arc<dyn Resolve>) -> Self {
        Self { names, trust: Trust::default() }
    }
}

impl fmt::Display for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this process")
    }
}

#[async_trait]
impl ProbeRunner for InProcess {
    async fn run(&self, round: &ProbeRound, progress: &dyn ProbeProgress) -> Vec<ProbeResult> {
        let groups = Groups { breaker: Mutex::new(Breaker::default()), open: watch::Sender::default() };
        let cx = Cx { names: self.names.as_ref(), trust: &self.trust, lines: Lines::default() };
        let mut found = window(&cx, round, progress, &groups).await;
        let batches = round.batches.iter().flat_map(|batch| batch.targets.iter().map(move |_| batch));
        let breaker = groups.breaker();
        let late = format!("the round's deadline of {} s has passed", round.deadline.as_secs());
        let mut results = round.complete(std::mem::take(&mut found), &late);
        for (batch, result) in batches.zip(&mut results) {
            breaker.settle(batch, result);
        }
        results
    }
}

/// The groups of a round, and those that were found to be silent.
struct Groups {
    breaker: Mutex<Breaker>,
    open: watch::Sender<BTreeSet<String>>,
}

impl Groups {
    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps as many tenants asked as may be; one that is slow holds nobody else.
async fn window(
    cx: &Cx<'_>,
    round: &ProbeRound,
    progress: &dyn ProbeProgress,
    groups: &Groups,
) -> Vec<ProbeResult> {
    let start = Instant::now();
    let deadline = start + round.deadline;
    let mut waiting = in_order(round).into_iter();
    let mut running = FuturesUnordered::new();
    let mut begun = None;
    let mut results = Vec::with_capacity(round.len());
    loop {
        while running.len() < round.in_flight.max(1) as usize {
            let Some((batch, target)) = waiting.next() else { break };
            if begun.replace(batch.index) != Some(batch.index) {
                groups.breaker().start(batch);
                progress.started(batch);
            }
            running.push(one(cx, batch, target, start, groups));
        }
        let Ok(Some((batch, result))) = timeout_at(deadline, running.next()).await else { break };
        if groups.breaker().heard(batch, &result) {
            groups.open.send_modify(|open| {
                open.insert(batch.group.clone());
            });
        }
        progress.done(&result);
        results.push(result);
    }
    results
}

/// Every tenant with its batch, in the order of dispatch.
fn in_order(round: &ProbeRound) -> Vec<(&ProbeBatch, &ProbeTarget)> {
    round.batches.iter().flat_map(|batch| batch.targets.iter().map(move |target| (batch, target))).collect()
}

/// One tenant, until its group is found to be silent.
async fn one<'r>(
    cx: &Cx<'_>,
    batch: &'r ProbeBatch,
    target: &ProbeTarget,
    start: Instant,
    groups: &Groups,
) -> (&'r ProbeBatch, ProbeResult) {
    let heard = |try_: &canary_tenants::probe::Try| {
        if !try_.end.silent() {
            groups.breaker().spoke(&batch.group);
        }
    };
    let mut open = groups.open.subscribe();
    let result = tokio::select! {
        biased;
        // proof: the sender lives as long as the round, so that waiting ends with the group alone.
        _ = open.wait_for(|open| open.contains(&batch.group)) => {
            let why = groups.breaker().open(&batch.group).unwrap_or_default();
            ProbeResult::unknown(&batch.objective, &target.tenant, why)
        }
        result = tenant::ask(cx, batch, target, start, heard) => result,
    };
    (batch, result)
}

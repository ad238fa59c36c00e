//! Faults known beforehand: by operation and turn, or by the number of the call.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::Notify;

use super::{Fault, Faults};

/// Tells when the engine died, and lets its last calls end once it is gone.
#[derive(Debug, Default)]
pub struct Deaths {
    happened: Notify,
    buried: Notify,
    gone: AtomicBool,
}

impl Deaths {
    /// Returns when the engine died. Whoever runs it then drops it.
    pub async fn happened(&self) {
        self.happened.notified().await;
    }

    /// Lets calls of tasks that outlived the engine end: nobody hears their results.
    pub fn bury(&self) {
        self.gone.store(true, Ordering::SeqCst);
        self.buried.notify_waiters();
    }

    /// Kills the engine, and returns only when it is buried.
    pub(crate) async fn die(&self) {
        let buried = self.buried.notified();
        self.happened.notify_one();
        if !self.gone.load(Ordering::SeqCst) {
            buried.await;
        }
    }
}

/// A list of faults made beforehand; counts every call.
#[derive(Debug, Default)]
pub struct Script {
    by_call: BTreeMap<u64, Fault>,
    by_turn: Mutex<BTreeMap<(&'static str, u64), Fault>>,
    turns: Mutex<BTreeMap<&'static str, u64>>,
    calls: AtomicU64,
    stale: bool,
    dead: AtomicBool,
    /// Where a death is announced.
    pub deaths: Deaths,
}

impl Script {
    /// No faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Strikes the call with that number, counted over all operations from 0.
    #[must_use]
    pub fn at_call(mut self, number: u64, fault: Fault) -> Self {
        self.stale |= fault == Fault::Stale;
        self.by_call.insert(number, fault);
        self
    }

    /// Strikes the calls of `operation` in `turns`, counted from 0.
    #[must_use]
    pub fn at_turns(
        mut self,
        operation: &'static str,
        turns: impl IntoIterator<Item = u64>,
        fault: &Fault,
    ) -> Self {
        self.stale |= *fault == Fault::Stale;
        let by_turn = self.by_turn.get_mut().unwrap_or_else(PoisonError::into_inner);
        by_turn.extend(turns.into_iter().map(|turn| ((operation, turn), fault.clone())));
        self
    }

    /// How many calls were made so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("scripted faults")
    }
}

#[async_trait]
impl Faults for Script {
    fn strike(&self, operation: &'static str) -> Option<Fault> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        if self.dead.load(Ordering::SeqCst) {
            // A task that outlived the engine.
            return Some(Fault::DieBefore);
        }
        let mut by_turn = self.by_turn.lock().unwrap_or_else(PoisonError::into_inner);
        let turned = if by_turn.is_empty() {
            None
        } else {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = turns.entry(operation).or_default();
            *turn += 1;
            by_turn.remove(&(operation, *turn - 1))
        };
        let fault = turned.or_else(|| self.by_call.get(&number).cloned());
        if matches!(fault, Some(Fault::DieBefore | Fault::DieAfter)) {
            self.dead.store(true, Ordering::SeqCst);
        }
        fault
    }

    fn ever_stale(&self) -> bool {
        self.stale
    }

    async fn died(&self) {
        self.deaths.die().await;
    }
}

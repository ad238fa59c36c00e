//! The faults of one life of the engine, and the operator at the keys.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use canary_core::control::Control;
use canary_core::journal::Request;

use canary_core::time::Timestamp;
use canary_core::traits::Clock;

use super::Scenario;
use crate::faults::{Deaths, Fault, Faults};
use crate::world::{Happening, World};

/// What all lives of a run share.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) calls: AtomicU64,
    /// Waits, which are points to die at too.
    pub(super) sleeps: AtomicU64,
    /// Operations that a fault struck.
    pub(super) struck: Mutex<Vec<(u64, &'static str)>>,
}

/// One life.
#[derive(Debug)]
pub(super) struct Life {
    scenario: Arc<Scenario>,
    world: World,
    counted: Arc<Counted>,
    /// Whether it follows a life that lost its journal, and nothing is recorded yet: who resumes then does so once the fleet can
    /// be read, since only a look can tell what was done unrecorded.
    looks_first: AtomicBool,
    dead: AtomicBool,
    pub(super) deaths: Deaths,
    pub(super) control: Control,
}

impl Life {
    pub(super) fn new(
        scenario: &Arc<Scenario>,
        world: &World,
        counted: &Arc<Counted>,
        journal_failed: bool,
    ) -> Arc<Self> {
        Arc::new(Self {
            scenario: Arc::clone(scenario),
            world: world.clone(),
            counted: Arc::clone(counted),
            looks_first: AtomicBool::new(journal_failed),
            dead: AtomicBool::new(false),
            deaths: Deaths::default(),
            control: Control::default(),
        })
    }
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a life of the engine")
    }
}

#[async_trait]
impl Faults for Life {
    fn strike(&self, operation: &'static str) -> Option<Fault> {
        if self.dead.load(Ordering::Relaxed) {
            // A task that outlived the engine.
            return Some(Fault::DieBefore);
        }
        let number = self.counted.calls.fetch_add(1, Ordering::Relaxed);
        if self.scenario.balancer_restarts.contains(&number) {
            self.world.restart_balancer();
        }
        if let Some(wish) = self.scenario.keys.get(&number) {
            self.control.ask(Request::new(*wish, "operator"));
        }
        let looks_first = self.looks_first.load(Ordering::Relaxed) && operation != "append";
        self.looks_first.store(looks_first, Ordering::Relaxed);
        let fault = self.scenario.faults.get(&number).cloned()?;
        if looks_first && !matches!(fault, Fault::DieBefore | Fault::DieAfter) {
            return None;
        }
        self.counted.struck.lock().unwrap_or_else(PoisonError::into_inner).push((number, operation));
        match fault {
            Fault::DieBefore | Fault::DieAfter => self.dead.store(true, Ordering::Relaxed),
            Fault::Delay(_) => {}
            _ if operation == "servers" => self.world.happened(Happening::PoolUnread),
            _ if operation == "append" => self.world.happened(Happening::JournalFailed),
            _ => {}
        }
        Some(fault)
    }

    fn ever_stale(&self) -> bool {
        false
    }

    async fn died(&self) {
        self.deaths.die().await;
    }
}

/// The clock of one life: an engine may die asleep.
#[derive(Debug)]
pub(super) struct MortalClock {
    life: Arc<Life>,
    inner: Arc<dyn Clock>,
}

impl MortalClock {
    pub(super) fn new(life: &Arc<Life>, inner: &Arc<dyn Clock>) -> Self {
        Self { life: Arc::clone(life), inner: Arc::clone(inner) }
    }
}

impl fmt::Display for MortalClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl Clock for MortalClock {
    fn now(&self) -> Timestamp {
        self.inner.now()
    }

    fn monotonic(&self) -> Duration {
        self.inner.monotonic()
    }

    async fn sleep(&self, duration: Duration) {
        let number = self.life.counted.sleeps.fetch_add(1, Ordering::Relaxed);
        if self.life.scenario.deaths_asleep.contains(&number) {
            self.life.dead.store(true, Ordering::Relaxed);
        }
        if self.life.dead.load(Ordering::Relaxed) {
            self.life.deaths.die().await;
        }
        self.inner.sleep(duration).await;
    }
}

//! Layers that make any backend fail, each in front of the same trait.
//!
//! A [`Faulty`] asks its [`Faults`] before each call which [`Fault`] strikes; [`Script`] is a list of them made
//! beforehand. What reaches the backend behind is always a real call or none.

mod journal;
mod layer;
mod script;

#[cfg(test)]
mod tests;

use std::fmt::{Debug, Display};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use canary_core::engine::Backends;
use canary_core::fleet::NodeId;
use canary_core::traits::{Clock, ErrorKind};

pub use layer::Faulty;
pub use script::{Deaths, Script};

/// What strikes one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The call fails at once, with no effect.
    Error {
        /// What is reported.
        kind: ErrorKind,
        /// Whether the error says that later may help.
        transient: bool,
    },
    /// The call takes that long before it begins.
    Delay(Duration),
    /// No answer comes within that time; the effect happens all the same when `applied`.
    Timeout {
        /// How long the caller waits.
        after: Duration,
        /// Whether the request arrived.
        applied: bool,
    },
    /// The effect happens, the answer is lost: `Unknown`, and trying again may help.
    ReplyLost,
    /// A read gives what the one before gave. Calls with an effect go through.
    Stale,
    /// These nodes are missing: unknown to the runtime, an unreadable pool (never a shorter one) at the balancer.
    Partial(Vec<NodeId>),
    /// The engine dies before the effect: the call never returns.
    DieBefore,
    /// The engine dies after the effect: the call never returns either.
    DieAfter,
}

/// Decides which fault strikes a call.
#[async_trait]
pub trait Faults: Display + Debug + Send + Sync + 'static {
    /// Asked once before every call, named by its trait's method (`set_admin`, `append`); a release check's is `release_check`.
    fn strike(&self, operation: &'static str) -> Option<Fault>;

    /// Whether [`Fault::Stale`] can ever strike: only then answers are kept.
    fn ever_stale(&self) -> bool;

    /// Called when a [`Fault::DieBefore`] or [`Fault::DieAfter`] struck: returns, once nobody can wait any more.
    async fn died(&self);
}

/// Puts a layer in front of every backend of a rollout but the clock.
#[must_use]
pub fn wrap(backends: &Backends, faults: &Arc<dyn Faults>) -> Backends {
    let clock = &backends.clock;
    Backends {
        lb: Arc::new(Faulty::new(Arc::clone(&backends.lb), faults, clock)),
        nodes: Arc::new(Faulty::new(Arc::clone(&backends.nodes), faults, clock)),
        sli: backends.sli.as_ref().map(|sli| Arc::new(Faulty::new(Arc::clone(sli), faults, clock)) as _),
        checks: backends
            .checks
            .iter()
            .map(|check| Arc::new(Faulty::new(Arc::clone(check), faults, clock)) as _)
            .collect(),
        journal: Arc::new(Faulty::new(Arc::clone(&backends.journal), faults, clock)),
        sinks: backends.sinks.clone(),
        clock: Arc::clone(clock) as Arc<dyn Clock>,
    }
}

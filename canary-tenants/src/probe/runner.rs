//! What runs a round.

use std::fmt;

use async_trait::async_trait;

use super::round::ProbeRound;
use super::wire::{ProbeBatch, ProbeResult};

/// Runs the batches of a round, wherever that is.
#[async_trait]
pub trait ProbeRunner: fmt::Display + fmt::Debug + Send + Sync {
    /// Asks every tenant of the round within its deadline, and gives one result each, in the round's order.
    ///
    /// It never fails: what stands in the way makes results unknown, and says so in each. Running it twice asks twice and leaves
    /// nothing behind.
    async fn run(&self, round: &ProbeRound, progress: &dyn ProbeProgress) -> Vec<ProbeResult>;
}

/// Hears how a round goes.
pub trait ProbeProgress: Send + Sync {
    /// A batch was begun.
    fn started(&self, batch: &ProbeBatch) {
        let _ = batch;
    }

    /// A tenant's result is there.
    fn done(&self, result: &ProbeResult) {
        let _ = result;
    }
}

/// Nobody listens.
impl ProbeProgress for () {}

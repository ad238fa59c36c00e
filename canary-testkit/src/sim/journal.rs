//! A quick journal for millions of runs: records without hashes, each noted in the world's trace.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use canary_core::fleet::Digest;
use canary_core::journal::{Entry, Record, RolloutView, rollouts};
use canary_core::traits::{Clock, Journal, JournalError};

use crate::world::{Happening, World};

/// Keeps records as they are. The form and the chain are other tests' subject, and cost more than the rest of a run.
#[derive(Debug)]
pub(super) struct SimJournal {
    world: World,
    hash: Digest,
    records: Mutex<Vec<Record>>,
}

impl SimJournal {
    pub(super) fn new(world: World, hash: Digest) -> Arc<Self> {
        Arc::new(Self { world, hash, records: Mutex::new(Vec::with_capacity(64)) })
    }

    /// The rollout as the records tell it, once there are any.
    pub(super) fn rollout(&self) -> Option<RolloutView> {
        rollouts(&self.records.lock().unwrap_or_else(PoisonError::into_inner)).pop()
    }

    /// How many records there are.
    pub(super) fn len(&self) -> usize {
        self.records.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// All records; none are left.
    pub(super) fn take(&self) -> Vec<Record> {
        std::mem::take(&mut *self.records.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Display for SimJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("journal of the simulator")
    }
}

#[async_trait]
impl Journal for SimJournal {
    async fn append(&self, entry: Entry) -> Result<Record, JournalError> {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let seq = records.len() as u64;
        let time = self.world.clock().now();
        let record = Record { log: String::new(), seq, prev: String::new(), time, entry, hash: self.hash };
        records.push(record.clone());
        self.world.happened(Happening::Recorded { seq });
        Ok(record)
    }

    async fn records(&self) -> Result<Vec<Record>, JournalError> {
        Ok(self.records.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

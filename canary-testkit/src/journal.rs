//! A journal that also refuses records which make no sense where they come.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use canary_core::journal::{Chain, Entry, Record, RolloutId, parse_line};
use canary_core::plan::Step;
use canary_core::traits::{Clock, Journal, JournalError};

/// A journal in memory, in the file's form, stricter than the file.
///
/// It refuses what no engine may write: a step that ends without having begun, a record of a rollout that was never
/// started or has ended, a record older than the one before. After any refusal it refuses everything.
#[derive(Debug)]
pub struct StrictJournal {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    chain: Chain,
    records: Vec<Record>,
    rollouts: BTreeMap<RolloutId, Rollout>,
    failed: Option<String>,
}

#[derive(Debug, Default)]
struct Rollout {
    begun: BTreeSet<Step>,
    ended: bool,
}

impl StrictJournal {
    /// An empty journal.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let state = State {
            chain: Chain::new([7; 16]),
            records: Vec::new(),
            rollouts: BTreeMap::new(),
            failed: None,
        };
        Self { clock, state: Mutex::new(state) }
    }
}

impl State {
    /// Refuses what makes no sense here.
    fn admit(&mut self, entry: &Entry) -> Result<(), String> {
        let Some(id) = entry.rollout() else { return Ok(()) };
        match entry {
            Entry::GateReviewed { .. }
            | Entry::Checked { .. }
            | Entry::Refused { .. }
            | Entry::Decided(_)
            | Entry::Heartbeat { .. } => return Ok(()),
            Entry::Started { .. } => {
                return match self.rollouts.insert(id.clone(), Rollout::default()) {
                    None => Ok(()),
                    Some(_) => Err(format!("rollout {id} is started a second time")),
                };
            }
            _ => {}
        }
        let rollout = self.rollouts.get_mut(id).ok_or_else(|| format!("rollout {id} was never started"))?;
        match entry {
            Entry::Resumed { .. } => {
                rollout.ended = false;
                return Ok(());
            }
            _ if rollout.ended => return Err(format!("rollout {id} has ended")),
            Entry::StepStarted { step, .. } => {
                rollout.begun.insert(step.clone());
            }
            Entry::StepFinished { step, .. } if !rollout.begun.remove(step) => {
                return Err(format!("step {step} ends without having begun"));
            }
            Entry::Observed { step, .. } | Entry::Retried { step, .. } | Entry::Calibrated { step, .. }
                if !rollout.begun.contains(step) =>
            {
                return Err(format!("step {step} has not begun"));
            }
            Entry::Finished { .. } => rollout.ended = true,
            _ => {}
        }
        Ok(())
    }

    fn append(&mut self, clock: &dyn Clock, entry: Entry) -> Result<Record, JournalError> {
        if let Some(why) = &self.failed {
            return Err(JournalError::Form(format!("an earlier record was refused: {why}")));
        }
        let time = clock.now();
        let refused = |why: String| JournalError::Form(why);
        if self.records.last().is_some_and(|last| last.time > time) {
            return Err(refused("time went back".to_owned()));
        }
        self.admit(&entry).map_err(refused)?;
        let (record, line) = self.chain.record(time, entry)?;
        let read = parse_line(&line[..line.len() - 1]).map_err(refused)?;
        if read != record {
            return Err(refused("a record does not read back as it was written".to_owned()));
        }
        self.chain = Chain::after(&record);
        self.records.push(record.clone());
        Ok(record)
    }
}

impl fmt::Display for StrictJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("strict journal in memory")
    }
}

#[async_trait]
impl Journal for StrictJournal {
    async fn append(&self, entry: Entry) -> Result<Record, JournalError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let appended = state.append(self.clock.as_ref(), entry);
        if let Err(error) = &appended {
            state.failed.get_or_insert_with(|| error.to_string());
        }
        appended
    }

    async fn records(&self) -> Result<Vec<Record>, JournalError> {
        Ok(self.state.lock().unwrap_or_else(PoisonError::into_inner).records.clone())
    }
}

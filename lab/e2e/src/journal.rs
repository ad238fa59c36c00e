use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use canary_core::engine::Outcome;
use canary_core::journal::{Entry, Record, StepResult, read};
use canary_core::plan::{Action, Direction, Step};

/// The journal of a trial, read as it lies in the state directory.
#[derive(Debug)]
pub struct Journal {
    /// Its records; the chain was checked.
    pub records: Vec<Record>,
}

impl Journal {
    /// Reads the one journal below `state`.
    ///
    /// # Errors
    /// There is none or more than one, or its chain does not hold.
    pub fn read(state: &Path) -> anyhow::Result<Self> {
        let mut found = Vec::new();
        find(state, &mut found)?;
        ensure!(found.len() == 1, "expected one journal below {}, found {found:?}", state.display());
        let journal = read(&found[0]).with_context(|| format!("reading {}", found[0].display()))?;
        Ok(Self { records: journal.records })
    }

    /// All entries in order.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.records.iter().map(|record| &record.entry)
    }

    /// How the last rollout ended.
    ///
    /// # Errors
    /// None has ended.
    pub fn outcome(&self) -> anyhow::Result<&Outcome> {
        let mut ended = self.entries().rev().filter_map(|entry| match entry {
            Entry::Finished { outcome, .. } => Some(outcome),
            _ => None,
        });
        ended.next().context("no rollout has ended")
    }

    /// Every finished run of a step, with its result, facts and logs.
    pub fn finished<'a>(
        &'a self,
        node: &'a str,
        action: Action,
        direction: Direction,
    ) -> impl Iterator<Item = Finished<'a>> {
        let is_it = move |step: &Step| {
            step.node.as_ref().map_or("", |name| name.as_str()) == node
                && step.action == action
                && step.direction == direction
        };
        self.entries().filter_map(move |entry| match entry {
            Entry::StepFinished { step, result, facts, logs, .. } if is_it(step) => {
                Some(Finished { result, facts, logs })
            }
            _ => None,
        })
    }

    /// Whether any step of this kind was begun on any node.
    #[must_use]
    pub fn began(&self, action: Action) -> bool {
        self.entries().any(|entry| matches!(entry, Entry::StepStarted { step, .. } if step.action == action))
    }

    /// From each step's first start to its last end, in the order they began.
    #[must_use]
    pub fn times(&self) -> Vec<StepTime> {
        let mut times: Vec<StepTime> = Vec::new();
        for record in &self.records {
            let at = record.time.as_millis();
            match &record.entry {
                Entry::StepStarted { step, .. } if !times.iter().any(|time| time.step == *step) => {
                    times.push(StepTime { step: step.clone(), from: at, to: at });
                }
                Entry::StepFinished { step, .. } => {
                    if let Some(time) = times.iter_mut().find(|time| time.step == *step) {
                        time.to = at;
                    }
                }
                _ => {}
            }
        }
        times
    }
}

/// A step that ended.
#[derive(Debug)]
pub struct Finished<'a> {
    /// How.
    pub result: &'a StepResult,
    /// What it left behind.
    pub facts: &'a std::collections::BTreeMap<String, String>,
    /// The service's log lines.
    pub logs: &'a [String],
}

/// When a step began and ended, in milliseconds since 1970.
#[derive(Debug, Clone)]
pub struct StepTime {
    /// The step.
    pub step: Step,
    /// Its first start.
    pub from: u64,
    /// Its last end.
    pub to: u64,
}

impl StepTime {
    /// How long it took.
    #[must_use]
    pub const fn took(&self) -> Duration {
        Duration::from_millis(self.to.saturating_sub(self.from))
    }
}

fn find(directory: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "jsonl") {
            found.push(path);
        }
    }
    Ok(())
}

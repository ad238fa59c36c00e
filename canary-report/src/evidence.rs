//! The probes that a person asks for: what was sent, what came back, when.

use std::collections::BTreeSet;

use canary_core::analysis::{Observation, Verdict};

use crate::probes::held_for;

/// Probes of one kind that are kept at most.
const MOST: usize = 5;

/// Picks probes: the red ones, the first of each reason to hold, and the last green one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Evidence<'a> {
    red: Vec<(usize, &'a Observation)>,
    held: Vec<(usize, &'a Observation)>,
    reasons: BTreeSet<String>,
    green: Option<(usize, &'a Observation)>,
    probes: usize,
}

impl<'a> Evidence<'a> {
    pub(crate) fn observe(&mut self, observation: &'a Observation) {
        self.probes += 1;
        let numbered = (self.probes, observation);
        match observation.verdict {
            Verdict::Green => self.green = Some(numbered),
            Verdict::Red if self.red.len() < MOST => self.red.push(numbered),
            Verdict::Hold if self.held.len() < MOST && self.reasons.insert(held_for(observation)) => {
                self.held.push(numbered);
            }
            Verdict::Red | Verdict::Hold => {}
        }
    }

    /// How many probes there were.
    pub(crate) const fn probes(&self) -> usize {
        self.probes
    }

    /// The picked probes with their numbers, in order.
    pub(crate) fn picked(&self) -> Vec<(usize, &'a Observation)> {
        let mut picked: Vec<_> = self.red.iter().chain(&self.held).chain(&self.green).copied().collect();
        picked.sort_by_key(|(number, _)| *number);
        picked
    }
}

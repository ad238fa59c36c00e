//! Where nothing answers, the rest is not waited for.

use std::collections::BTreeMap;

use super::wire::{ProbeBatch, ProbeResult, Verdict};

/// Watches the groups of a round: when the first whole batch of one heard nothing in time, the group is down, and what is
/// not known of it yet is unknown at once.
#[derive(Debug, Default)]
pub struct Breaker {
    groups: BTreeMap<String, Group>,
}

#[derive(Debug)]
enum Group {
    /// How many of its first batch are still silent, and how many that batch has.
    Watched { batch: u32, silent: usize, size: usize },
    /// Something was heard.
    Closed,
    /// Nothing was.
    Open { first: usize },
}

impl Breaker {
    /// Takes a batch that is about to start; the first of a group is the one it is judged by.
    pub fn start(&mut self, batch: &ProbeBatch) {
        let first = Group::Watched { batch: batch.index, silent: 0, size: batch.targets.len() };
        self.groups.entry(batch.group.clone()).or_insert(first);
    }

    /// Takes a result of a batch; true where it is the one that opens the breaker.
    pub fn heard(&mut self, batch: &ProbeBatch, result: &ProbeResult) -> bool {
        let Some(group) = self.groups.get_mut(&batch.group) else { return false };
        let Group::Watched { batch: first, silent, size } = group else { return false };
        let nothing = !result.tries.is_empty() && result.tries.iter().all(|try_| try_.end.silent());
        if !nothing {
            *group = Group::Closed;
            return false;
        }
        if *first != batch.index {
            return false;
        }
        *silent += 1;
        if *silent < *size {
            return false;
        }
        *group = Group::Open { first: *size };
        true
    }

    /// Takes it that something of a group was heard, before the tenant it was heard from is done.
    pub fn spoke(&mut self, group: &str) {
        if let Some(watched @ Group::Watched { .. }) = self.groups.get_mut(group) {
            *watched = Group::Closed;
        }
    }

    /// Why the rest of a group is not asked, where it is so.
    #[must_use]
    pub fn open(&self, group: &str) -> Option<String> {
        match self.groups.get(group) {
            Some(Group::Open { first }) => {
                Some(format!("{group} is silent: none of the first {first} tenant(s) heard anything in time"))
            }
            _ => None,
        }
    }

    /// Makes what was silent in an open group unknown: the group is down, not each of its tenants.
    pub fn settle(&self, batch: &ProbeBatch, result: &mut ProbeResult) {
        let silent = result.tries.iter().all(|try_| try_.end.silent());
        if let (true, Some(why)) = (silent, self.open(&batch.group)) {
            result.verdict = Verdict::Unknown { why };
        }
    }
}

//! Every effect comes while a step that has it is begun in the journal.
//!
//! An engine that was told that a record could not be written takes the node in hand back without further ones; only the
//! listeners hear of it. A node whose drain is under way is put back when others fail. A drain that a balancer's restart undid is asked for again by the steps that need it: those that work on the drained node.
//! So is a weight, by those that put the node back and watch it.

use std::collections::BTreeSet;

use canary_core::fleet::{Digest, NodeId};
use canary_core::journal::Entry;
use canary_core::plan::{Action, Direction, Step};
use canary_core::traits::AdminState;

use crate::sim::Run;
use crate::world::Happening;

pub(super) fn check(run: &Run) -> Result<(), String> {
    let (mut restarted, mut unwritten) = (false, false);
    let mut begun: BTreeSet<&Step> = BTreeSet::new();
    for happened in &run.trace {
        let (node, action, digest): (&NodeId, Action, Option<Digest>) = match &happened.what {
            Happening::Recorded { seq } => {
                let record = usize::try_from(*seq).ok().and_then(|seq| run.records.get(seq));
                match record.map(|record| &record.entry) {
                    Some(Entry::StepStarted { step, .. }) => drop(begun.insert(step)),
                    Some(Entry::StepFinished { step, .. }) => drop(begun.remove(step)),
                    _ => {}
                }
                continue;
            }
            Happening::EngineBegan | Happening::JournalFailed => {
                unwritten = happened.what == Happening::JournalFailed;
                continue;
            }
            Happening::BalancerRestarted => {
                restarted = true;
                continue;
            }
            Happening::Admin { node, to: AdminState::Ready, .. } => (node, Action::Enable, None),
            Happening::Admin { node, .. } | Happening::SessionsClosed { node, .. } => {
                (node, Action::Drain, None)
            }
            Happening::Weighed { node, .. } => (node, Action::Weigh, None),
            Happening::Installed { node, digest, .. } => (node, Action::Install, Some(*digest)),
            Happening::Restarted { node, .. } => (node, Action::Restart, None),
            _ => continue,
        };
        let undone = restarted && matches!(&happened.what, Happening::Admin { to: AdminState::Drain, .. });
        let put_back = matches!(&happened.what, Happening::Admin { to: AdminState::Ready, .. });
        let unweighed = restarted && matches!(&happened.what, Happening::Weighed { .. });
        let works_on = |step: &Step| {
            step.action == action
                || put_back && (step.action, step.direction) == (Action::Drain, Direction::Forward)
                || unweighed && matches!(step.action, Action::Enable | Action::Watch | Action::Pause)
                || undone && matches!(step.action, Action::Install | Action::Restart | Action::CheckHealth)
        };
        let fits = |direction: Direction| digest.is_none() || run.plan.digest(direction) == digest;
        let intended = begun
            .iter()
            .any(|step| step.node.as_ref() == Some(node) && works_on(step) && fits(step.direction));
        if !intended && !unwritten {
            return Err(format!("at {} ms {:?}, and no such step was begun", happened.at_ms, happened.what));
        }
    }
    Ok(())
}

//! Whenever the engine takes a server out that takes requests, enough others take requests: at that moment, or when
//! the pool was last read, at most one slow call before.
//!
//! And the release comes to a node that could serve only while enough others do, as the pool was read last: others that fail
//! after the guard let the node go have it put back.
//!
//! Allowed is to take out a node that serves nobody: one that took no requests when the pool was last read; and one that a balancer's restart put back while it was worked on, and that
//! was not healthy when it was asked last. The balancer takes it for up until its own checks have found out.

use std::collections::{BTreeMap, BTreeSet};

use canary_core::fleet::NodeId;
use canary_core::journal::Entry;
use canary_core::plan::Action;
use canary_core::traits::AdminState;

use crate::sim::Run;
use crate::world::Happening;

/// The longest a single call takes without failing.
const ONE_CALL_MS: u64 = 2000;

pub(super) fn check(run: &Run) -> Result<(), String> {
    taken_out(run)?;
    installed(run)
}

/// How the pool was read last.
#[derive(Clone, Copy)]
struct Read<'r> {
    serving: &'r [NodeId],
    could_serve: &'r [NodeId],
}

/// Nodes get the release while enough others serve. Who tries again, or goes on after a death, has begun with it before.
fn installed(run: &Run) -> Result<(), String> {
    let needed = usize::try_from(run.scenario.spec.min_available).unwrap_or(usize::MAX);
    let mut read: Option<Read<'_>> = None;
    let (mut drained, mut ailing, mut begun) = (None, false, BTreeSet::new());
    for happened in &run.trace {
        match &happened.what {
            Happening::PoolRead { serving, could_serve } => read = Some(Read { serving, could_serve }),
            Happening::Admin { node, to, was_serving, .. } => {
                (drained, ailing) = ((*to == AdminState::Drain && *was_serving).then_some(node), false);
            }
            Happening::Answered { node, healthy } if drained == Some(node) => ailing = !healthy,
            Happening::EngineBegan | Happening::JournalFailed | Happening::BalancerRestarted => {
                drained = None;
            }
            Happening::Recorded { seq } => {
                let record = usize::try_from(*seq).ok().and_then(|seq| run.records.get(seq));
                match record.map(|record| &record.entry) {
                    Some(Entry::Retried { step, .. }) if step.action == Action::Install => drained = None,
                    // Begun a second time: it may have been half done since the first.
                    Some(Entry::StepStarted { step, .. })
                        if step.action == Action::Install && !begun.insert(step) =>
                    {
                        drained = None;
                    }
                    _ => {}
                }
            }
            Happening::Installed { node, digest, .. } if drained == Some(node) && !ailing => {
                let missed = |read: &Read<'_>| {
                    read.could_serve.contains(node)
                        && read.serving.iter().filter(|other| *other != node).count() < needed
                };
                if *digest == run.new_digest() && read.as_ref().is_some_and(missed) {
                    return Err(format!(
                        "at {} ms {node} was worked on while too few others served, {needed} must",
                        happened.at_ms
                    ));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn taken_out(run: &Run) -> Result<(), String> {
    let needed = usize::try_from(run.scenario.spec.min_available).unwrap_or(usize::MAX);
    let mut last_read = None;
    let (mut restarted, mut healthy) = (false, BTreeMap::new());
    for happened in &run.trace {
        match &happened.what {
            Happening::PoolRead { serving, .. } => last_read = Some((happened.at_ms, serving)),
            Happening::BalancerRestarted => restarted = true,
            Happening::Answered { node, healthy: answer } => drop(healthy.insert(node, *answer)),
            Happening::Restarted { node, .. } => drop(healthy.insert(node, false)),
            Happening::Admin { node, .. } if restarted && healthy.get(node) == Some(&false) => {}
            Happening::Admin { node, to, others_serving, was_serving: true, .. }
                if *to != AdminState::Ready =>
            {
                let read = last_read.filter(|(at, _)| happened.at_ms - at <= ONE_CALL_MS);
                let seen =
                    read.map_or(0, |(_, serving)| serving.iter().filter(|other| *other != node).count());
                let missed = read.is_none_or(|(_, serving)| serving.contains(node));
                if missed && (*others_serving).max(seen) < needed {
                    return Err(format!(
                        "at {} ms {node} was set {to} with {others_serving} other(s) serving, {needed} must stay; \
                         the pool read last: {last_read:?}",
                        happened.at_ms
                    ));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

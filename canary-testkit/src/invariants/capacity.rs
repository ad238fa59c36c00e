//! Whenever the engine takes a server out that takes requests, enough others take requests: at that moment, or when
//! the pool was last read, at most one slow call before.
//!
//! Allowed is to take out a node that serves nobody: one that took no requests when the pool was last read; and one that a balancer's restart put back while it was worked on, and that
//! was not healthy when it was asked last. The balancer takes it for up until its own checks have found out.

use std::collections::BTreeMap;

use canary_core::traits::AdminState;

use crate::sim::Run;
use crate::world::Happening;

/// The longest a single call takes without failing.
const ONE_CALL_MS: u64 = 2000;

pub(super) fn check(run: &Run) -> Result<(), String> {
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

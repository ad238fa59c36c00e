//! Whenever the engine takes a server out that takes requests, enough others take requests: at that moment, or when
//! the pool was last read, at most one slow call before.

use canary_core::traits::AdminState;

use crate::sim::Run;
use crate::world::Happening;

/// The longest a single call takes without failing.
const ONE_CALL_MS: u64 = 2000;

pub(super) fn check(run: &Run) -> Result<(), String> {
    let needed = usize::try_from(run.scenario.spec.min_available).unwrap_or(usize::MAX);
    let mut last_read = None;
    for happened in &run.trace {
        match &happened.what {
            Happening::PoolRead { serving } => last_read = Some((happened.at_ms, serving)),
            Happening::Admin { node, to, others_serving, was_serving: true, .. }
                if *to != AdminState::Ready =>
            {
                let read = last_read.filter(|(at, _)| happened.at_ms - at <= ONE_CALL_MS);
                let seen =
                    read.map_or(0, |(_, serving)| serving.iter().filter(|other| *other != node).count());
                if (*others_serving).max(seen) < needed {
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

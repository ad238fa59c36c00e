//! No request is cut but where the spec says so, and no node is changed while it takes requests.
//!
//! Allowed is the time right after a balancer's restart, which puts a drained node back behind the engine's back: a look at
//! the balancer is trusted for a second, and the call that changes the node may be under way. On the way back it is also as long
//! as the balancer is asked in vain: that does not keep a bad release running.

use canary_core::journal::Entry;
use canary_core::plan::{Action, Direction};
use canary_core::spec::OnDrainTimeout;

use crate::sim::Run;
use crate::world::Happening;

/// How long a look at the balancer is trusted, and the longest that a single call takes without failing.
const UNNOTICED_MS: u64 = 1000 + 2000;

pub(super) fn check(run: &Run) -> Result<(), String> {
    let drained_back = run.records.iter().any(|record| {
        matches!(&record.entry, Entry::StepStarted { step, .. }
            if step.action == Action::Drain && step.direction == Direction::Back)
    });
    let may_close = drained_back
        || run.trace.iter().any(|happened| happened.what == Happening::JournalFailed)
        || run.scenario.spec.drain.on_timeout == OnDrainTimeout::CloseSessions;
    // Whether the last look since the restart was in vain.
    let (mut restarted_ms, mut unread) = (None, false);
    for happened in &run.trace {
        match happened.what {
            Happening::BalancerRestarted => (restarted_ms, unread) = (Some(happened.at_ms), false),
            Happening::PoolUnread => unread = restarted_ms.is_some() && drained_back,
            Happening::PoolRead { .. } => unread = false,
            _ => {}
        }
        if unread || restarted_ms.is_some_and(|at| happened.at_ms - at <= UNNOTICED_MS) {
            continue;
        }
        let why = match &happened.what {
            Happening::Installed { node, serving: true, .. } => {
                format!("{node} was replaced while it took requests")
            }
            Happening::Restarted { node, serving: true, .. } => {
                format!("{node} was restarted while it took requests")
            }
            Happening::Restarted { node, lost, .. } if *lost > 0 => {
                format!("{node} was restarted with {lost} in progress")
            }
            Happening::SessionsClosed { node, lost } if *lost > 0 && !may_close => {
                format!("{lost} session(s) of {node} were closed against the spec")
            }
            _ => continue,
        };
        return Err(format!("at {} ms {why}", happened.at_ms));
    }
    Ok(())
}

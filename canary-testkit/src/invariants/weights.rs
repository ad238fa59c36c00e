//! The canary is put back at the weight that the plan wants, is called green at a stage only while it has that stage's weight,
//! and every node has its configured weight once everything is over.
//!
//! A balancer that restarts comes back with configured weights. That it did is known with the next look at it, not before.

use canary_core::analysis::Verdict;
use canary_core::engine::{AfterHold, Outcome};
use canary_core::fleet::{Digest, NodeId};
use canary_core::journal::Entry;
use canary_core::traits::{AdminState, Weight};

use crate::sim::Run;
use crate::world::{Happening, ServerState};

pub(super) fn check(run: &Run) -> Result<(), String> {
    at_the_end(run)?;
    let Some(weights) = &run.plan.weights else { return Ok(()) };
    let canary = &run.plan.spec.canary;
    let mut now = Canary { weight: weights.configured, running: run.old_digest(), restarted_unseen: false };
    for happened in &run.trace {
        let wanted = match &happened.what {
            Happening::Admin { node, to: AdminState::Ready, .. } if node == canary => {
                let stage = weights.stage(1).filter(|_| now.running == run.new_digest());
                Some(stage.map_or(weights.configured, |stage| stage.weight))
            }
            Happening::Recorded { seq } => {
                green_at(run, *seq).and_then(|stage| Some(weights.stage(stage)?.weight))
            }
            other => {
                now.notice(other, canary, weights.configured);
                None
            }
        };
        if let Some(wanted) = wanted.filter(|wanted| *wanted != now.weight && !now.restarted_unseen) {
            return Err(format!(
                "at {} ms {:?}, while {canary} had weight {}, not {}",
                happened.at_ms,
                happened.what,
                now.weight.value(),
                wanted.value()
            ));
        }
    }
    Ok(())
}

/// The canary as it truly is at some moment.
struct Canary {
    weight: Weight,
    running: Digest,
    /// Whether the balancer restarted since anybody looked at it.
    restarted_unseen: bool,
}

impl Canary {
    fn notice(&mut self, what: &Happening, canary: &NodeId, configured: Weight) {
        match what {
            Happening::Weighed { node, to, .. } if node == canary => self.weight = *to,
            Happening::Restarted { node, digest, .. } if node == canary => {
                self.running = digest.unwrap_or(self.running);
            }
            Happening::BalancerRestarted => (self.weight, self.restarted_unseen) = (configured, true),
            Happening::PoolRead { .. } => self.restarted_unseen = false,
            _ => {}
        }
    }
}

/// The stage whose watch a record calls green.
fn green_at(run: &Run, seq: u64) -> Option<u32> {
    match &run.records.get(usize::try_from(seq).ok()?)?.entry {
        Entry::Observed { step, observation, .. } if observation.verdict == Verdict::Green => {
            Some(step.stage)
        }
        _ => None,
    }
}

fn at_the_end(run: &Run) -> Result<(), String> {
    let over = matches!(
        run.outcome,
        Some(
            Outcome::Completed { .. }
                | Outcome::RolledBack { .. }
                | Outcome::Inconclusive { then: AfterHold::RolledBack, .. }
        )
    );
    let light = run.servers.iter().find(|server| server.weight != ServerState::configured_weight());
    match light.filter(|_| over) {
        Some(server) => Err(format!(
            "{:?}, and {} is left with weight {}",
            run.outcome,
            server.node,
            server.weight.value()
        )),
        None => Ok(()),
    }
}

//! A node that is out of rotation at the end is one that the outcome speaks of.

use canary_core::engine::Outcome;
use canary_core::traits::AdminState;

use crate::sim::Run;

pub(super) fn check(run: &Run) -> Result<(), String> {
    let out: Vec<_> = run.planned().filter(|(_, server)| server.admin != AdminState::Ready).collect();
    match &run.outcome {
        Some(Outcome::Stuck { .. } | Outcome::Halted { .. }) if out.len() <= 1 => Ok(()),
        None if run.journal_failed => Ok(()),
        _ if out.is_empty() => Ok(()),
        outcome => {
            let names: Vec<_> = out.iter().map(|(node, _)| node.name.as_str()).collect();
            Err(format!("{outcome:?}, and {} is out of rotation", names.join(", ")))
        }
    }
}

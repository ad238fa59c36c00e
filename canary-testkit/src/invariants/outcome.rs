//! What the engine says at the end is so.

use canary_core::engine::{AfterHold, Outcome};
use canary_core::traits::AdminState;

use crate::sim::Run;
use crate::world::Happening;

pub(super) fn check(run: &Run) -> Result<(), String> {
    let Some(outcome) = &run.outcome else {
        // It died without a journal to go on from.
        return if run.journal_failed { Ok(()) } else { untouched(run, "nothing was recorded") };
    };
    let (new, old) = (run.new_digest(), run.old_digest());
    let canary = || run.planned().next().ok_or("there is no canary");
    match outcome {
        Outcome::Completed { .. } => {
            for (node, server) in run.planned() {
                let runs = node.installed == Some(new) && node.running == Some(new);
                if !runs || server.admin != AdminState::Ready || server.weight.value() == 0 {
                    return Err(format!("{outcome}, but {} is {node:?}, {server:?}", node.name));
                }
            }
            Ok(())
        }
        Outcome::Refused { .. } => untouched(run, "it was refused"),
        Outcome::Interrupted { .. } if run.journal_failed => Ok(()),
        Outcome::Interrupted { .. } => Err("the operator went on, and it still is interrupted".to_owned()),
        Outcome::Inconclusive { then: AfterHold::Kept, .. } => {
            let (node, server) = canary()?;
            let so = node.running == Some(new) && server.admin == AdminState::Ready;
            so.then_some(()).ok_or_else(|| format!("{outcome}, but the canary is {node:?}, {server:?}"))
        }
        Outcome::Inconclusive { then: AfterHold::RolledBack, .. } => {
            let (node, server) = canary()?;
            let so = node.running == Some(old) && server.admin == AdminState::Ready;
            so.then_some(()).ok_or_else(|| format!("{outcome}, but the canary is {node:?}, {server:?}"))
        }
        Outcome::RolledBack { .. } | Outcome::Halted { .. } | Outcome::Stuck { .. } => Ok(()),
    }
}

fn untouched(run: &Run, why: &str) -> Result<(), String> {
    let effect = run.trace.iter().find(|happened| {
        matches!(
            happened.what,
            Happening::Admin { .. } | Happening::Installed { .. } | Happening::Restarted { .. }
        )
    });
    match effect {
        Some(effect) => Err(format!("{why}, but {effect:?}")),
        None => Ok(()),
    }
}

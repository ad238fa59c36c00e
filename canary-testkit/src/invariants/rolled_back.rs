//! `RolledBack` means: the old binary is installed and runs on every node, and every node is back in rotation.

use canary_core::engine::Outcome;
use canary_core::traits::AdminState;

use crate::sim::Run;

pub(super) fn check(run: &Run) -> Result<(), String> {
    let Some(Outcome::RolledBack { .. }) = &run.outcome else { return Ok(()) };
    let old = Some(run.old_digest());
    for (node, server) in run.planned() {
        if node.installed != old || node.running != old || server.admin != AdminState::Ready {
            return Err(format!("{:?}, but {} is {node:?}, {server:?}", run.outcome, node.name));
        }
    }
    Ok(())
}

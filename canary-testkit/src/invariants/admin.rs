//! A node that is out of rotation at the end is the one that the outcome speaks of, or the last record's report tells of it.

use canary_core::engine::Outcome;
use canary_core::journal::Entry;
use canary_core::traits::AdminState;

use crate::sim::Run;

pub(super) fn check(run: &Run) -> Result<(), String> {
    let out: Vec<_> = run.planned().filter(|(_, server)| server.admin != AdminState::Ready).collect();
    match &run.outcome {
        Some(Outcome::Stuck { .. } | Outcome::Halted { .. }) if out.len() <= 1 || told(run) => Ok(()),
        None if run.journal_failed => Ok(()),
        _ if out.is_empty() => Ok(()),
        outcome => {
            let names: Vec<_> = out.iter().map(|(node, _)| node.name.as_str()).collect();
            Err(format!("{outcome:?}, and {} is out of rotation", names.join(", ")))
        }
    }
}

/// Whether the last record tells of every node that it is out of rotation, or that it could not be read.
fn told(run: &Run) -> bool {
    let Some(Entry::Finished { nodes, .. }) = run.records.last().map(|record| &record.entry) else {
        return false;
    };
    // What was asked for last may take effect after the last look.
    let late = run.scenario.admin_lag_ms > 0;
    run.planned().all(|(node, server)| {
        let report = nodes.iter().find(|report| report.node == node.name);
        report.is_some_and(|report| late || report.admin.is_none_or(|admin| admin == server.admin))
    })
}

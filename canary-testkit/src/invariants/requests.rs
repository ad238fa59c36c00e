//! No request is cut but where the spec says so, and no node is changed while it takes requests.

use canary_core::journal::Entry;
use canary_core::plan::{Action, Direction};
use canary_core::spec::OnDrainTimeout;

use crate::sim::Run;
use crate::world::Happening;

pub(super) fn check(run: &Run) -> Result<(), String> {
    let drained_back = run.records.iter().any(|record| {
        matches!(&record.entry, Entry::StepStarted { step, .. }
            if step.action == Action::Drain && step.direction == Direction::Back)
    });
    let may_close = drained_back
        || run.journal_failed
        || run.scenario.spec.drain.on_timeout == OnDrainTimeout::CloseSessions;
    for happened in &run.trace {
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

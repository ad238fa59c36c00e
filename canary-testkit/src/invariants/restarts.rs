//! A service is restarted once for one intent, and once more for each try that the journal tells of.
//!
//! An engine that was told that records cannot be written, and a death, leave no record of a try.

use std::collections::BTreeMap;

use canary_core::journal::Entry;
use canary_core::plan::Action;

use crate::sim::Run;
use crate::world::Happening;

pub(super) fn check(run: &Run) -> Result<(), String> {
    let mut unwritten = false;
    let mut allowed = BTreeMap::new();
    for happened in &run.trace {
        match &happened.what {
            Happening::Recorded { seq } => {
                let record = usize::try_from(*seq).ok().and_then(|seq| run.records.get(seq));
                let (Some(Entry::StepStarted { step, .. }) | Some(Entry::Retried { step, .. })) =
                    record.map(|record| &record.entry)
                else {
                    continue;
                };
                if step.action == Action::Restart {
                    allowed.insert(step.node.as_ref(), 1);
                }
            }
            Happening::EngineBegan => unwritten = false,
            Happening::JournalFailed => unwritten = true,
            Happening::Restarted { node, .. } if !unwritten => {
                let left = allowed.entry(Some(node)).or_insert(0);
                if *left == 0 {
                    return Err(format!("at {} ms {node} was restarted once more, unsaid", happened.at_ms));
                }
                *left -= 1;
            }
            _ => {}
        }
    }
    Ok(())
}

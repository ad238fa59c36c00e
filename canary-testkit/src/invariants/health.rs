//! A node is put back only when its last answer since it was last changed or taken out was healthy.

use std::collections::BTreeMap;

use canary_core::traits::AdminState;

use crate::sim::Run;
use crate::world::Happening;

pub(super) fn check(run: &Run) -> Result<(), String> {
    let mut answered = BTreeMap::new();
    for happened in &run.trace {
        match &happened.what {
            Happening::Answered { node, healthy } => drop(answered.insert(node, Some(*healthy))),
            Happening::Installed { node, .. } | Happening::Restarted { node, .. } => {
                answered.insert(node, None);
            }
            Happening::Admin { node, to: AdminState::Ready, .. } => match answered.get(node) {
                Some(Some(true)) => {}
                Some(Some(false)) => {
                    return Err(format!(
                        "at {} ms {node} was enabled, its last answer was bad",
                        happened.at_ms
                    ));
                }
                _ => return Err(format!("at {} ms {node} was enabled unasked", happened.at_ms)),
            },
            Happening::Admin { node, .. } => drop(answered.insert(node, None)),
            _ => {}
        }
    }
    Ok(())
}

//! The journal alone tells the end, and what its last finished steps, or the last look at a resumption, say of each node
//! is so.

use std::collections::BTreeMap;

use canary_core::journal::{Entry, StepResult, rollouts};
use canary_core::plan::Action;
use canary_core::traits::AdminState;

use crate::sim::Run;
use crate::world::Happening;

pub(super) fn check(run: &Run) -> Result<(), String> {
    if run.journal_failed {
        return Ok(());
    }
    let view = rollouts(&run.records).pop();
    let told = view.as_ref().and_then(|view| view.history.finished());
    if told != run.outcome.as_ref() {
        return Err(format!("the engine ended {:?}, the journal {told:?}", run.outcome));
    }
    // The last step done of each kind, by node.
    let (mut installed, mut rotation) = (BTreeMap::new(), BTreeMap::new());
    for record in &run.records {
        if let Entry::Resumed { nodes, .. } = &record.entry {
            for found in nodes {
                found.installed.and_then(|digest| installed.insert(&found.node, Some(digest)));
                // A look may come before what was asked for takes effect.
                let known = run.scenario.admin_lag_ms == 0;
                found.admin.and_then(|admin| rotation.insert(&found.node, known.then_some(admin)));
            }
        }
        let (step, done) = match &record.entry {
            Entry::StepStarted { step, .. } => (step, false),
            Entry::StepFinished { step, result: StepResult::Done { .. }, .. } => (step, true),
            _ => continue,
        };
        let Some(node) = &step.node else { continue };
        match step.action {
            Action::Install => {
                installed.insert(node, run.plan.digest(step.direction).filter(|_| done));
            }
            Action::Drain => drop(rotation.insert(node, done.then_some(AdminState::Drain))),
            Action::Enable => drop(rotation.insert(node, done.then_some(AdminState::Ready))),
            _ => {}
        }
    }
    let restarted = run.trace.iter().any(|happened| happened.what == Happening::BalancerRestarted);
    for (node, server) in run.planned() {
        if let Some(Some(told)) = installed.get(&node.name) {
            let is = node.installed;
            if Some(*told) != is {
                return Err(format!("the journal says that {} has {told:?}, it has {is:?}", node.name));
            }
        }
        if !installed.contains_key(&node.name) && node.installed != Some(run.old_digest()) {
            return Err(format!(
                "the journal knows no installation on {}, it has {:?}",
                node.name, node.installed
            ));
        }
        if let Some(Some(told)) = rotation.get(&node.name)
            && *told != server.admin
            && !restarted
        {
            return Err(format!("the journal says that {} is {told}, it is {}", node.name, server.admin));
        }
    }
    Ok(())
}

//! A release whose errors are above the bound does not get past its watch, unless a person ended it.

use canary_core::engine::Outcome;
use canary_core::journal::{Entry, Wish};

use crate::sim::{ERROR_BOUND, Run};

pub(super) fn check(run: &Run) -> Result<(), String> {
    let scenario = &run.scenario;
    let red = scenario.release.healthy
        && !scenario.release.crashes
        && scenario.release.error_ratio > ERROR_BOUND * 10.0;
    let promoted = run.records.iter().any(|record| {
        matches!(&record.entry, Entry::Asked { request, refused: None, .. } if request.wish == Wish::Promote)
    });
    if !red || scenario.spec.watch.is_none() || promoted {
        return Ok(());
    }
    let new = Some(run.new_digest());
    let peers: Vec<_> = run
        .planned()
        .skip(1)
        .filter(|(node, _)| node.running == new)
        .map(|(node, _)| node.name.as_str())
        .collect();
    if !peers.is_empty() || matches!(run.outcome, Some(Outcome::Completed { .. })) {
        return Err(format!(
            "{:?}: a release that fails its requests runs on {}",
            run.outcome,
            peers.join(", ")
        ));
    }
    Ok(())
}

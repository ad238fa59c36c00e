//! Nobody gets past the watch but with data: as much time as its window has been covered by answers that held numbers, unless
//! a person ended it.

use std::time::Duration;

use canary_core::journal::{Entry, StepResult};
use canary_core::plan::{Action, Step};

use crate::sim::Run;
use crate::world::Happening;

/// What a slow call between the question and its answer may move.
const SLOW_CALL_MS: u64 = 2000;

/// The watch's first step, if it ended well and by itself.
fn passed(run: &Run) -> Option<&Step> {
    run.records.iter().find_map(|record| match &record.entry {
        Entry::StepFinished { step, result: StepResult::Done { .. }, facts, .. }
            if step.action == Action::Watch && !facts.contains_key("promoted_by") =>
        {
            Some(step)
        }
        _ => None,
    })
}

pub(super) fn check(run: &Run) -> Result<(), String> {
    let (Some(policy), Some(watch)) = (&run.scenario.spec.watch, passed(run)) else { return Ok(()) };
    let whole = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let look_back = whole(policy.rate_window.max(policy.interval));
    let (mut last, mut covered) = (None, 0);
    for happened in &run.trace {
        match &happened.what {
            Happening::Recorded { seq } => {
                let record = usize::try_from(*seq).ok().and_then(|seq| run.records.get(seq));
                if let Some(Entry::StepStarted { step, .. }) = record.map(|record| &record.entry)
                    && step == watch
                {
                    last.get_or_insert(happened.at_ms);
                }
            }
            // Answers without data move nothing: an engine may have died before it wrote one down.
            Happening::Sampled { data: true } => {
                let passed = happened.at_ms - last.unwrap_or(happened.at_ms);
                covered += passed.min(look_back) + SLOW_CALL_MS;
                last = last.map(|_| happened.at_ms);
            }
            _ => {}
        }
    }
    if covered < whole(policy.window) {
        return Err(format!("{watch} ended well, and only {covered} ms of it were seen"));
    }
    Ok(())
}

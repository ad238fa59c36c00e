//! Nobody gets past the watch but with data: as much time as its window has been covered by answers that held numbers, unless
//! a person ended it.

use std::time::Duration;

use canary_core::journal::{Entry, StepResult};
use canary_core::plan::{Action, Step};

use crate::sim::Run;
use crate::world::Happening;

/// What a slow call between the question and its answer may move.
const SLOW_CALL_MS: u64 = 2000;

/// The watches that ended well and by themselves.
fn passed(run: &Run) -> impl Iterator<Item = &Step> {
    run.records.iter().filter_map(|record| match &record.entry {
        Entry::StepFinished { step, result: StepResult::Done { .. }, facts, .. }
            if step.action == Action::Watch && !facts.contains_key("promoted_by") =>
        {
            Some(step)
        }
        _ => None,
    })
}

pub(super) fn check(run: &Run) -> Result<(), String> {
    passed(run).try_for_each(|watch| seen(run, watch))
}

fn seen(run: &Run, watch: &Step) -> Result<(), String> {
    let Some(policy) = run.plan.watch(watch.stage) else { return Ok(()) };
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
            Happening::Sampled { data: true } if last.is_some() => {
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

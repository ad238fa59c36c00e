//! Pause: wait for a person, and watch on meanwhile; what is bad does not wait for anybody.

use std::time::Duration;

use super::checks::checks;
use super::probe::slis;
use super::share::Share;
use super::watch::watched;
use crate::analysis::{HoldReason, Observation, Seen, Verdict, WatchState};
use crate::engine::cx::{Failure, StepCx, StepOutcome};
use crate::engine::outcome::FailureClass;
use crate::journal::Entry;
use crate::traits::Progress;

/// How often the listeners hear of the wait.
const TICK: Duration = Duration::from_secs(1);

/// Ends only in failure: promoting it ends it from outside.
pub(super) async fn run(cx: &StepCx<'_>) -> StepOutcome {
    let clock = &cx.backends.clock;
    let (begun, limit) = (clock.monotonic(), cx.plan.spec.pause.limit);
    // Before anything was changed there is nothing to watch.
    let watched = if cx.step.node.is_some() { watched(cx)? } else { None };
    let mut seen = paused_by(cx);
    let mut next_probe = begun;
    let mut share = Share::default();
    loop {
        let now = clock.monotonic();
        let elapsed = now.saturating_sub(begun);
        if elapsed >= limit {
            let message = format!("nobody promoted it within {}", humantime::format_duration(limit));
            return Err(Failure::new(FailureClass::Inconclusive, message));
        }
        if let Some((policy, source)) = &watched
            && now >= next_probe
        {
            let holds = share.look(cx).await.map(HoldReason::share).into_iter().collect();
            let at = cx.backends.clock.now();
            let state = cx.history().paused_watch().cloned().unwrap_or_else(|| WatchState::new(at));
            // The node was in rotation before the pause; its whole window may be looked at.
            let window = policy.rate_window.max(policy.interval);
            let (slis, checks) =
                tokio::join!(slis(cx, policy, *source, at, window, &state), checks(cx, policy, at));
            let probe = Seen { at, window, slis, compared: None, holds, checks };
            let observation = Observation::judged(policy, state.patience, probe);
            let (verdict, reason) = (observation.verdict, observation.reason());
            let rollout = cx.recorder.rollout.clone();
            cx.record(Entry::Observed { rollout, step: cx.step.clone(), observation }).await?;
            if verdict == Verdict::Red {
                return Err(Failure::new(FailureClass::Red, reason));
            }
            let verdict = if verdict == Verdict::Hold { "hold" } else { "green" };
            seen = format!("{}; {verdict}: {reason}", paused_by(cx));
            next_probe = now + policy.interval;
        }
        cx.recorder.waiting(|| Progress {
            step: cx.step.to_string(),
            node: cx.step.node.clone(),
            waiting_for: "`promote` or `abort`".to_owned(),
            seen: seen.clone(),
            elapsed,
            limit,
        });
        clock.sleep(TICK.min(limit.saturating_sub(elapsed))).await;
    }
}

fn paused_by(cx: &StepCx<'_>) -> String {
    match cx.history().paused() {
        Some(request) => format!("paused by {}", request.actor),
        None => "paused as planned".to_owned(),
    }
}

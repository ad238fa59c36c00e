//! Watch: probe after probe until the pure fold says green, red or inconclusive.

use std::borrow::Cow;
use std::time::Duration;

use super::checks::checks;
use super::compare::Comparing;
use super::probe::slis;
use super::share::Share;
use crate::analysis::{HoldReason, Observation, Seen, WatchNext, WatchState};
use crate::engine::cx::{Failure, StepCx, StepOutcome};
use crate::engine::outcome::FailureClass;
use crate::journal::Entry;
use crate::spec::WatchPolicy;
use crate::time::Timestamp;
use crate::traits::{Progress, SliSource};

pub(super) async fn run(cx: &StepCx<'_>) -> StepOutcome {
    let Some((policy, source)) = watched(cx)? else { return Ok(false) };
    let policy = policy.as_ref();
    let mut share = Share::default();
    // A balancer that restarted while nobody looked sends the canary more than it shall have, until the first probe.
    share.look(cx).await;
    let mut comparing = Comparing::of(cx, policy, source, &state(cx));
    loop {
        let state = state(cx);
        match state.next(policy) {
            WatchNext::Probe(at) => {
                wait_until(cx, policy, &state, at).await;
                let held = share.look(cx).await.map(HoldReason::share);
                let observation = observe(cx, policy, source, &state, comparing.as_mut(), held).await?;
                let rollout = cx.recorder.rollout.clone();
                cx.record(Entry::Observed { rollout, step: cx.step.clone(), observation }).await?;
            }
            end => return finish(cx, &state, end),
        }
    }
}

/// What is watched, and where the numbers come from.
pub(super) type Watched<'a> = (Cow<'a, WatchPolicy>, &'a dyn SliSource);

/// What is watched and where the numbers come from; `None` when nothing is.
pub(super) fn watched<'a>(cx: &StepCx<'a>) -> Result<Option<Watched<'a>>, Failure> {
    let Some(policy) = cx.plan.watch(cx.step.stage) else { return Ok(None) };
    match &cx.backends.sli {
        Some(source) => Ok(Some((policy, source.as_ref()))),
        None => {
            let message = "the plan watches SLIs, but no metrics source is configured";
            Err(Failure::new(FailureClass::Backend, message))
        }
    }
}

fn state(cx: &StepCx<'_>) -> WatchState {
    cx.history().watch().cloned().unwrap_or_else(|| WatchState::new(cx.backends.clock.now()))
}

fn finish(cx: &StepCx<'_>, state: &WatchState, end: WatchNext) -> StepOutcome {
    cx.fact("probes", state.probes);
    cx.fact("watched_ms", state.covered.as_millis());
    cx.fact("held_ms", state.held.as_millis());
    if let Some(poll) = state.polls.last() {
        cx.fact("compared", &poll.judgement.evidence);
    }
    match end {
        WatchNext::Red(why) => Err(Failure::new(FailureClass::Red, why)),
        WatchNext::Inconclusive(why) => Err(Failure::new(FailureClass::Inconclusive, why)),
        WatchNext::Green | WatchNext::Probe(_) => Ok(false),
    }
}

/// Into how many pieces a wait for the next probe is cut at most; none is shorter than a second.
const PIECES: u32 = 30;

/// Sleeps in short pieces and tells the listeners how far the window is.
///
/// Not longer than one interval by the clock that cannot jump: a system clock that was set back must not blind the watch.
async fn wait_until(cx: &StepCx<'_>, policy: &WatchPolicy, state: &WatchState, at: Timestamp) {
    let clock = &cx.backends.clock;
    let begun = clock.monotonic();
    let piece = (policy.interval / PIECES).max(Duration::from_secs(1));
    loop {
        let waited = clock.monotonic().saturating_sub(begun);
        let left = at.since(clock.now()).min(policy.interval.saturating_sub(waited));
        if left.is_zero() {
            return;
        }
        cx.recorder.waiting(|| Progress {
            step: cx.step.to_string(),
            node: cx.step.node.clone(),
            waiting_for: format!("the window; next probe in {} s", left.as_secs().max(1)),
            seen: state
                .latest
                .as_ref()
                .map_or_else(|| "no probe yet".to_owned(), |(_, reason)| reason.clone()),
            elapsed: state.covered,
            limit: policy.window,
        });
        clock.sleep(left.min(piece)).await;
    }
}

/// Asks every SLI about one instant, compares, and lets the judges speak.
async fn observe(
    cx: &StepCx<'_>,
    policy: &WatchPolicy,
    source: &dyn SliSource,
    state: &WatchState,
    comparing: Option<&mut Comparing<'_>>,
    held: Option<HoldReason>,
) -> Result<Observation, Failure> {
    let at = cx.backends.clock.now();
    let window = state.look_back(policy, at);
    let (slis, checks) = tokio::join!(slis(cx, policy, source, at, window, state), checks(cx, policy, at));
    let (compared, mut holds) = match comparing {
        Some(comparing) => comparing.poll(cx, at, state).await?,
        None => (None, Vec::new()),
    };
    holds.extend(held);
    let seen = Seen { at, window, slis, compared, holds, checks };
    Ok(Observation::judged(policy, state.patience, seen))
}

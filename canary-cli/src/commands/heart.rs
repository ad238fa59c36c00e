//! Signs of life in the record of decisions: that rounds began, go on, and ended, so that a silence is told from one that somebody made.

use std::convert::Infallible;
use std::time::Duration;

use canary_core::journal::{Beat, RolloutId};
use tokio::task::JoinHandle;

use super::Context;
use crate::decisions::DecisionLog;
use crate::error::chain;

/// How long nothing is recorded before that is said.
const SILENCE: Duration = Duration::from_secs(3600);
/// How often it is looked whether nothing was.
const LOOK: Duration = Duration::from_secs(60);

/// What beats while a rollout is under way; it stops when this is dropped.
pub(super) struct Heart(JoinHandle<()>);

impl Drop for Heart {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Says that rounds begin, where the watch decides by tenants, and from then on once an hour when nothing else is recorded.
pub(super) async fn begin(cx: &Context<'_>, rollout: &RolloutId) -> Option<Heart> {
    cx.settings.tenants.policy.as_ref()?;
    let log = DecisionLog::of(&cx.settings);
    beat(cx, &log, rollout, Beat::Began).await;
    let rollout = rollout.clone();
    Some(Heart(tokio::spawn(async move { match beats(&log, &rollout).await {} })))
}

/// Once an hour when nothing else is recorded, says that rounds go on.
async fn beats(log: &DecisionLog, rollout: &RolloutId) -> Infallible {
    loop {
        log.clock().sleep(LOOK).await;
        if silent(log)
            && let Err(error) = log.beat(rollout, Beat::Alive).await
        {
            tracing::warn!(error = chain(&error), "a sign of life cannot be recorded");
        }
    }
}

/// Says that there are no more.
pub(super) async fn end(cx: &Context<'_>, rollout: &RolloutId, heart: Option<Heart>) {
    let Some(heart) = heart else { return };
    drop(heart);
    beat(cx, &DecisionLog::of(&cx.settings), rollout, Beat::Ended).await;
}

/// Whether the last record is an hour old. A log that cannot be read is told of by the next round.
fn silent(log: &DecisionLog) -> bool {
    let now = log.clock().now();
    let last = log.read().ok().and_then(|journal| journal.records.last().map(|record| record.time));
    last.is_some_and(|last| now.since(last) >= SILENCE)
}

/// A sign of life that cannot be recorded is told and stops nothing: no decision rests on it.
async fn beat(cx: &Context<'_>, log: &DecisionLog, rollout: &RolloutId, beat: Beat) {
    if let Err(error) = log.beat(rollout, beat).await {
        cx.screen.note(&format!("the record of decisions takes no sign of life: {}", chain(&error)));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use canary_core::journal::{Decision, Entry};
    use canary_core::time::Timestamp;
    use canary_core::traits::Journal as _;
    use canary_testkit::{VirtualClock, decided};

    use super::*;

    /// Lets the heart beat until so many minutes have passed in all.
    async fn beat_until(log: &DecisionLog, clock: &VirtualClock, rollout: &RolloutId, minutes: u64) {
        let passed = async {
            while clock.passed_ms() < minutes * 60_000 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = passed => {}
            never = beats(log, rollout) => match never {},
        }
    }

    /// The log of a rollout that has begun, on a clock of its own.
    async fn begun() -> (tempfile::TempDir, Arc<VirtualClock>, DecisionLog, RolloutId) {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(VirtualClock::new());
        let log = DecisionLog::in_directory(directory.path(), Arc::clone(&clock) as _);
        let rollout = RolloutId::new(Timestamp::from_millis(0), 7);
        log.beat(&rollout, Beat::Began).await.unwrap();
        (directory, clock, log, rollout)
    }

    #[tokio::test]
    async fn an_hour_of_silence_is_told_and_a_decision_is_none() {
        let (_directory, clock, log, rollout) = begun().await;
        beat_until(&log, &clock, &rollout, 90).await;
        let entry = Entry::Decided(Box::new(decided(Decision::Approve)));
        log.open().await.unwrap().append(entry).await.unwrap();
        beat_until(&log, &clock, &rollout, 250).await;
        let minute = |time: Timestamp| time.since(VirtualClock::start()).as_secs() / 60;
        let told: Vec<_> = log
            .read()
            .unwrap()
            .records
            .iter()
            .filter_map(|record| match &record.entry {
                Entry::Heartbeat { beat, .. } => Some((beat.as_str(), minute(record.time))),
                Entry::Decided(_) => Some(("decided", minute(record.time))),
                _ => None,
            })
            .collect();
        assert_eq!(told, [("began", 0), ("alive", 60), ("decided", 90), ("alive", 150), ("alive", 210)]);
    }

    #[tokio::test]
    async fn a_log_that_takes_no_sign_of_life_stops_nothing() {
        let (_directory, clock, log, rollout) = begun().await;
        std::fs::remove_file(log.path().with_extension("head")).unwrap();
        let before = std::fs::read(log.path()).unwrap();
        beat_until(&log, &clock, &rollout, 130).await;
        assert_eq!(std::fs::read(log.path()).unwrap(), before);
    }
}

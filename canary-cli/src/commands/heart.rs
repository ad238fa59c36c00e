//! Signs of life in the record of decisions: that rounds began, go on, and ended, so that a silence is told from one that somebody made.

use std::time::{Duration, SystemTime};

use canary_core::journal::{Beat, RolloutId};
use canary_core::time::Timestamp;
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
    let beats = async move {
        loop {
            tokio::time::sleep(LOOK).await;
            if silent(&log)
                && let Err(error) = log.beat(&rollout, Beat::Alive).await
            {
                tracing::warn!(error = chain(&error), "a sign of life cannot be recorded");
            }
        }
    };
    Some(Heart(tokio::spawn(beats)))
}

/// Says that there are no more.
pub(super) async fn end(cx: &Context<'_>, rollout: &RolloutId, heart: Option<Heart>) {
    let Some(heart) = heart else { return };
    drop(heart);
    beat(cx, &DecisionLog::of(&cx.settings), rollout, Beat::Ended).await;
}

/// Whether the last record is an hour old. A log that cannot be read is told of by the next round.
fn silent(log: &DecisionLog) -> bool {
    let now = Timestamp::from(SystemTime::now());
    let last = log.read().ok().and_then(|journal| journal.records.last().map(|record| record.time));
    last.is_some_and(|last| now.since(last) >= SILENCE)
}

/// A sign of life that cannot be recorded is told and stops nothing: no decision rests on it.
async fn beat(cx: &Context<'_>, log: &DecisionLog, rollout: &RolloutId, beat: Beat) {
    if let Err(error) = log.beat(rollout, beat).await {
        cx.screen.note(&format!("the record of decisions takes no sign of life: {}", chain(&error)));
    }
}

//! A rollout under way: the engine at work, and everything that people may ask of it meanwhile.

use canary_core::control::{Control, Inbox};
use canary_core::engine::Report;
use canary_core::journal::RolloutId;
use canary_core::traits::{JournalError, SystemClock};

use super::journal::explain;
use super::{Context, heart, signals, store};
use crate::error::CommandError;

impl Context<'_> {
    /// Where other terminals leave their requests.
    pub(super) fn inbox(&self) -> Inbox {
        Inbox::new(self.service_directory().join("requests"))
    }
}

/// Runs the engine to its end, and hands it what signals and other terminals ask for. Its journal is open the whole time.
pub(super) async fn conduct(
    cx: &Context<'_>,
    rollout: &RolloutId,
    control: &Control,
    engine: impl Future<Output = Result<Report, JournalError>>,
) -> Result<Report, CommandError> {
    let (actor, screen) = (cx.settings.actor.clone(), cx.screen.clone());
    let _signals = signals::listen(control.clone(), actor, screen, cx.telling.clone())?;
    let heart = heart::begin(cx, rollout).await;
    let (inbox, clock) = (cx.inbox(), SystemClock::new());
    let ended = tokio::select! {
        ended = engine => ended,
        never = inbox.attend(rollout, control, &clock) => match never {},
    };
    inbox.clear(control);
    heart::end(cx, rollout, heart).await;
    let report = ended.map_err(|error| explain(&error))?;
    store::prune(cx);
    Ok(report)
}

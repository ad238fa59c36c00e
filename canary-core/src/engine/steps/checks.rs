//! Checks of one's own at a probe.

use crate::engine::cx::StepCx;
use crate::engine::preflight::ask_checks;
use crate::spec::WatchPolicy;
use crate::time::Timestamp;
use crate::traits::{CheckAsk, CheckReport, CheckStage};

/// Asks every check about the release on the canary, all at the same time.
pub(super) async fn checks(cx: &StepCx<'_>, policy: &WatchPolicy, at: Timestamp) -> Vec<CheckReport> {
    let spec = &cx.plan.spec;
    let ask = CheckAsk {
        service: spec.service.clone(),
        canary: spec.canary.clone(),
        stage: CheckStage::Watch,
        at,
        limit: policy.interval,
    };
    ask_checks(&cx.backends.checks, ask).await
}

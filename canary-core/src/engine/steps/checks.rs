//! Checks of one's own at a probe.

use crate::engine::cx::StepCx;
use crate::engine::preflight::ask_checks;
use crate::spec::WatchPolicy;
use crate::time::Timestamp;
use crate::traits::{CheckAsk, CheckReport, CheckStage, CheckedRelease};

/// Asks every check about the release on the canary, all at the same time.
pub(super) async fn checks(cx: &StepCx<'_>, policy: &WatchPolicy, at: Timestamp) -> Vec<CheckReport> {
    let spec = &cx.plan.spec;
    let ask = CheckAsk {
        service: spec.service.clone(),
        canary: spec.canary.clone(),
        stage: CheckStage::Watch,
        release: Some(released(cx)),
        at,
        limit: policy.interval,
    };
    ask_checks(&cx.backends.checks, ask).await
}

fn released(cx: &StepCx<'_>) -> CheckedRelease {
    let plan = cx.plan;
    let stage = plan.weights.as_ref().and_then(|weights| weights.stage(cx.step.stage));
    CheckedRelease {
        rollout: cx.recorder.rollout.clone(),
        artifact: plan.artifact.facts.sha256,
        revision: plan.spec.from.revision.clone(),
        // A ratio is at most 1.
        share_ppm: stage.map(|stage| (stage.share.value() * 1e6).round() as u64),
    }
}

//! Install: the artifact lies at the install path, read back by digest.

use super::out::OutOfRotation;
use crate::engine::cx::{Failure, StepCx, StepOutcome};
use crate::engine::outcome::FailureClass;

pub(super) async fn run(cx: &StepCx<'_>) -> StepOutcome {
    let node = cx.node()?;
    let Some(artifact) = cx.plan.stored(cx.step.direction) else {
        return Err(Failure::new(FailureClass::Artifact, "the plan has no way back"));
    };
    let out = OutOfRotation::new(cx);
    let report = out.call(|| cx.backends.nodes.install(node, &artifact)).await?;
    if report.facts != artifact.facts {
        let message = format!(
            "{node} has digest {} ({} bytes) in place after the installation, expected {} ({} bytes)",
            report.facts.sha256, report.facts.size, artifact.facts.sha256, artifact.facts.size
        );
        return Err(Failure::new(FailureClass::Backend, message));
    }
    // The next step restarts the service.
    out.ensure().await?;
    cx.fact("digest", report.facts.sha256);
    cx.fact("bytes", report.facts.size);
    Ok(report.changed)
}

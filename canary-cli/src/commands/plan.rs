//! `plan`: what `run` would do, and what stands against it.

use serde_json::json;

use super::Context;
use crate::error::{CommandError, ErrorKind};
use crate::render::{comparison_lines, gate_lines, refused_lines, step_lines};
use crate::render::{line, plan_lines};
use crate::wiring::{self, Fleet};

pub(super) async fn plan(cx: &Context<'_>) -> Result<u8, CommandError> {
    let artifact = cx.artifact()?;
    let gate = wiring::gate(&cx.settings, cx.environment, cx.released().running.as_ref())?;
    cx.warn();
    let fleet = Fleet::of(&cx.settings).await?;
    let backends = fleet.backends(None, Vec::new());
    let order = cx.order(fleet.clock.as_ref())?;
    let seen = cx.examine(&fleet, &backends, &gate, artifact, &order).await?;
    cx.record(&seen.review).await?;
    let code = if seen.reasons.is_empty() { 0 } else { ErrorKind::Refused.exit_code() };
    if cx.screen.json() {
        cx.screen.line(line(
            "plan",
            json!({
                "plan": seen.plan,
                "comparison": seen.foresight,
                "review": seen.review,
                "reasons": seen.reasons,
                "exit_code": code,
            }),
        ));
        return Ok(code);
    }
    let paint = cx.screen.paint;
    cx.screen.lines(gate_lines(&seen.review, paint));
    if let Some(plan) = &seen.plan {
        cx.screen.lines(plan_lines(plan, paint));
        cx.screen.lines(comparison_lines(&seen.checks, paint));
        cx.screen.lines(step_lines(plan));
    }
    if !seen.reasons.is_empty() {
        cx.screen.lines(refused_lines(&seen.reasons, paint));
    }
    Ok(code)
}

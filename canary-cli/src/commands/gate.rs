//! `gate`: the migrations alone, for continuous integration.

use canary_core::fleet::Digest;
use canary_core::traits::{GateVerdict, MigrationGate as _, Release, Review};
use serde_json::json;

use super::Context;
use crate::error::{CommandError, ErrorKind};
use crate::render::gate_lines;
use crate::render::line;
use crate::wiring;

pub(super) async fn gate(cx: &Context<'_>) -> Result<u8, CommandError> {
    cx.warn();
    let gate = wiring::gate(&cx.settings, cx.environment, cx.released().running.as_ref())?;
    let artifact = match cx.settings.artifact {
        Some(_) => cx.artifact()?.facts.sha256,
        None => Digest::of(&[]),
    };
    let from = cx.settings.spec.from.clone();
    let baseline = cx.released().running;
    let release = Release { from, baseline, ..Release::new(cx.settings.spec.service.clone(), artifact) };
    let review = gate.review(&release).await.map_err(|error| {
        CommandError::new(ErrorKind::Undecided, error.chain(), "look at the directory and the git work tree")
    })?;
    let code = exit_code(&review);
    if cx.screen.json() {
        cx.screen.line(line("gate", json!({ "review": review, "exit_code": code })));
    } else {
        cx.screen.lines(gate_lines(&review, cx.screen.paint));
        cx.screen.lines(review.evidence.iter().map(|seen| cx.screen.paint.quiet(&format!("  {seen}"))));
    }
    Ok(code)
}

const fn exit_code(review: &Review) -> u8 {
    match review.verdict {
        GateVerdict::Pass | GateVerdict::NothingNew { .. } | GateVerdict::Bypassed { .. } => 0,
        GateVerdict::Refused => ErrorKind::Refused.exit_code(),
        GateVerdict::Undecided { .. } => ErrorKind::Undecided.exit_code(),
    }
}

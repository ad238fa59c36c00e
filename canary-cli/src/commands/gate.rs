//! `gate`: the migrations alone, for continuous integration.

use std::sync::Arc;

use canary_core::fleet::Digest;
use canary_core::journal::Entry;
use canary_core::traits::{Clock, GateVerdict, Journal as _, Release, Review, SystemClock};
use serde_json::json;

use super::journal::explain;
use super::{Context, grants};
use crate::error::{CommandError, ErrorKind};
use crate::render::{annotations, from_the_root, line, sarif};
use crate::render::{gate_lines, shadow_lines};
use crate::wiring;

/// The forms that only this command writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As every command.
    Screen,
    /// A SARIF log.
    Sarif,
    /// Workflow commands.
    Github,
}

impl Form {
    /// By the word given to `--output`.
    pub(super) fn of(output: Option<&str>) -> Self {
        match output {
            Some("sarif") => Self::Sarif,
            Some("github") => Self::Github,
            _ => Self::Screen,
        }
    }
}

pub(super) async fn gate(cx: &Context<'_>, form: Form) -> Result<u8, CommandError> {
    cx.warn();
    let gate = wiring::gate(&cx.settings, cx.environment, cx.released().running.as_ref())?;
    let artifact = match cx.settings.artifact {
        Some(_) => cx.artifact()?.facts.sha256,
        None => Digest::of(&[]),
    };
    let from = cx.settings.spec.from.clone();
    let baseline = cx.released().running;
    let release = Release { from, baseline, ..Release::new(cx.settings.spec.service.clone(), artifact) };
    let seen = gate.examine(&release).await.map_err(|error| {
        CommandError::new(ErrorKind::Undecided, error.chain(), "look at the directory and the git work tree")
    })?;
    let review = seen.review;
    cx.record(&review).await?;
    let code = exit_code(&review);
    match form {
        Form::Sarif => cx.screen.line(sarif(&from_the_root(&review, &cx.environment.directory))),
        Form::Github => {
            cx.screen.lines(annotations(&from_the_root(&review, &cx.environment.directory)));
        }
        Form::Screen if cx.screen.json() => {
            cx.screen
                .line(line("gate", json!({ "review": review, "shadow": seen.shadows, "exit_code": code })));
        }
        Form::Screen => {
            cx.screen.lines(gate_lines(&review, cx.screen.paint));
            cx.screen.lines(seen.shadows.iter().flat_map(|report| shadow_lines(report, cx.screen.paint)));
            // What the shadow run saw stands above already.
            let read = review.evidence.iter().filter(|seen| !seen.starts_with("shadow: "));
            cx.screen.lines(read.map(|seen| cx.screen.paint.quiet(&format!("  {seen}"))));
        }
    }
    Ok(code)
}

impl Context<'_> {
    /// Puts a bypass on record before anybody is told that the release may go on; anything else is not recorded here.
    pub(super) async fn record(&self, review: &Review) -> Result<(), CommandError> {
        if !grants::bypassed(review) {
            return Ok(());
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let order = self.order(clock.as_ref())?;
        let open = self.open_journal(&clock).await?;
        let entry =
            Entry::GateReviewed { rollout: order.rollout, actor: order.actor, review: review.clone() };
        open.journal.append(entry).await.map(|_| ()).map_err(|error| explain(&error))
    }
}

const fn exit_code(review: &Review) -> u8 {
    match review.verdict {
        GateVerdict::Pass | GateVerdict::NothingNew { .. } | GateVerdict::Bypassed { .. } => 0,
        GateVerdict::Refused => ErrorKind::Refused.exit_code(),
        GateVerdict::Undecided { .. } => ErrorKind::Undecided.exit_code(),
    }
}

//! `tenants import` and `tenants export`: OpenSLO v1.
//!
//! Documents go to standard output as they are, notes after them as YAML comments, so that both survive a pipe.

use std::path::{Path, PathBuf};

use canary_tenants::policy::openslo::{self, Converted};
use serde_json::json;

use super::{policy, refused, text};
use crate::commands::Context;
use crate::error::CommandError;
use crate::render::line;

pub(super) fn import(cx: &Context<'_>, paths: &[PathBuf]) -> Result<u8, CommandError> {
    let mut whole = String::new();
    let mut lines = 0;
    let mut starts = Vec::new();
    for path in paths {
        starts.push((lines, path));
        let mut one = text(cx, path)?;
        if !one.ends_with('\n') {
            one.push('\n');
        }
        // A file of its own is a document of its own.
        whole.push_str("---\n");
        whole.push_str(&one);
        lines = whole.lines().count();
    }
    let made = openslo::import(&whole, "").map_err(|error| refused(&placed(error, &starts)))?;
    show(cx, &made);
    Ok(0)
}

/// The error with the places of the files it was put together from.
fn placed(
    mut error: canary_tenants::policy::PolicyError,
    starts: &[(usize, &PathBuf)],
) -> canary_tenants::policy::PolicyError {
    for problem in &mut error.problems {
        let line = problem.at.line as usize;
        let found = starts.iter().rev().find(|(before, _)| line > *before);
        if let Some((before, path)) = found {
            error.file = path.display().to_string();
            // The line that was put before the file is not its.
            problem.at.line =
                u32::try_from(line.saturating_sub(before + 1).max(1)).unwrap_or(problem.at.line);
        }
    }
    error
}

pub(super) fn export(cx: &Context<'_>, path: &Path) -> Result<u8, CommandError> {
    show(cx, &openslo::export(&policy(cx, path)?));
    Ok(0)
}

fn show(cx: &Context<'_>, made: &Converted) {
    if cx.screen.json() {
        let notes: Vec<_> =
            made.notes.iter().map(|note| json!({ "about": note.about, "what": note.what })).collect();
        cx.screen.line(line("converted", json!({ "text": made.text, "notes": notes })));
        return;
    }
    cx.screen.lines(made.text.lines());
    // One line each: a name may hold what ends a comment.
    cx.screen.lines(
        made.notes.iter().map(|note| format!("# note: {}", note.to_string().replace(['\n', '\r'], " "))),
    );
}

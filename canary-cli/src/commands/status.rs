//! `status`: the last rollout, and what is where now.

mod tail;
mod watch;

use std::fs::{File, TryLockError};
use std::path::Path;

use canary_core::engine::Backends;
use canary_core::journal::{NodeReport, RolloutView, rollouts};
use canary_core::plan::Action;
use canary_core::traits::PoolState;
use serde_json::json;

use super::Context;
use super::log::{ended, summary};
use crate::error::CommandError;
use crate::render::node_lines;
use crate::render::{line, words};
use crate::wiring::Fleet;

pub(super) use watch::watch;

pub(super) async fn status(cx: &Context<'_>) -> Result<u8, CommandError> {
    cx.warn();
    let view = rollouts(&cx.read_journal()?.records).pop();
    let busy = in_use(&cx.journal_path());
    if !cx.screen.json() {
        // What is known at once comes first: the backends take their time, or are away.
        cx.screen.lines(view_lines(cx, view.as_ref(), busy));
        cx.screen.note("looking at the nodes");
    }
    let mut settings = cx.settings.clone();
    settings.spec.watch = None;
    let fleet = Fleet::of(&settings).await?;
    let nodes = look(cx, &fleet.backends(None, Vec::new())).await;
    cx.screen.close();
    if cx.screen.json() {
        cx.screen.line(line(
            "status",
            json!({ "in_progress": busy, "last": view.as_ref().map(summary), "nodes": nodes }),
        ));
        return Ok(0);
    }
    if nodes.iter().all(|node| !node.problems.is_empty()) {
        // Said once, with what to do about it.
        let own = fleet.look().await;
        if !own.reachable {
            cx.screen.lines(own.checks.iter().map(|check| cx.screen.paint.careful(&check.detail)));
            return Ok(0);
        }
    }
    cx.screen.lines(node_lines(&nodes, view.as_ref().map(|view| &view.plan)));
    Ok(0)
}

fn view_lines(cx: &Context<'_>, view: Option<&RolloutView>, busy: bool) -> Vec<String> {
    let Some(view) = view else {
        let service = &cx.settings.spec.service;
        return vec![if busy {
            format!("no rollout of {service} was started from here, one is being prepared")
        } else {
            format!("no rollout of {service} has been started from here")
        }];
    };
    let mut lines = vec![format!(
        "rollout {} of {}, started by {} at {}",
        view.id,
        view.plan.artifact.facts.sha256.short(),
        view.actor,
        view.started
    )];
    lines.extend(view.reason.as_ref().map(|reason| format!("  because: {reason}")));
    let paint = cx.screen.paint;
    if view.history.finished().is_some() {
        lines.push(format!("  {}", ended(view)));
        // Its checks come before its first record.
        lines.extend(busy.then(|| format!("  {}", paint.strong("another one is being prepared"))));
    } else if busy {
        lines.push(format!("  {}", paint.strong("in progress")));
        lines.extend(watched(view));
        lines.extend(paused(view));
    } else {
        lines.push(paint.careful(
            "  not finished, and nobody is at work on it: `canary-cli resume` goes on, `canary-cli abort` goes back",
        ));
    }
    lines
}

/// How far the watch is.
fn watched(view: &RolloutView) -> Option<String> {
    let (state, policy) = (view.history.watch()?, view.plan.spec.watch.as_ref()?);
    let latest = state.latest.as_ref().map_or_else(String::new, |(_, reason)| format!("; {reason}"));
    Some(format!(
        "  watched {} of {}, held {}{latest}",
        words::time(state.covered),
        words::exact(policy.window),
        words::time(state.held)
    ))
}

/// Who it waits for.
fn paused(view: &RolloutView) -> Option<String> {
    let step = view.history.under_way()?;
    let ways = "`canary-cli promote` goes on, `canary-cli abort` goes back";
    match (view.history.paused(), step.action) {
        (Some(request), Action::Pause) => Some(format!("  paused by {}: {ways}", request.actor)),
        (None, Action::Pause) => Some(format!("  paused as planned: {ways}")),
        (Some(request), _) => {
            Some(format!("  to be paused before the next node, as {} asked", request.actor))
        }
        (None, _) => None,
    }
}

/// Whether a process has the journal open for writing.
pub(super) fn in_use(path: &Path) -> bool {
    // The lock is given back when the file is closed, at once.
    File::open(path).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// What is where, as far as it can be read.
pub(super) async fn look(cx: &Context<'_>, backends: &Backends) -> Vec<NodeReport> {
    let pool = backends.lb.servers().await.map_err(|error| error.chain());
    let mut nodes = Vec::new();
    for node in cx.settings.spec.nodes() {
        let installed = backends.nodes.installed(node).await;
        let service = backends.nodes.service(node).await;
        let mut problems = Vec::new();
        let mut note = |error: canary_core::traits::BackendError| problems.push(error.chain());
        let installed =
            installed.map_err(&mut note).ok().and_then(|seen| seen.current).map(|facts| facts.sha256);
        let service = service.map_err(&mut note).ok().map(|state| state.active);
        let server = pool.as_ref().ok().and_then(|pool: &PoolState| pool.server(node));
        problems.extend(pool.as_ref().err().cloned());
        nodes.push(NodeReport {
            node: node.clone(),
            installed,
            service,
            admin: server.map(|server| server.admin),
            operational: server.map(|server| server.operational),
            problems,
        });
    }
    nodes
}

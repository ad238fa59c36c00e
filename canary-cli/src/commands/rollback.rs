//! `rollback`: the previous binary back on every node that has another.

use std::path::PathBuf;
use std::sync::Arc;

use canary_core::control::Control;
use canary_core::engine::{Backends, Order, roll_back};
use canary_core::fleet::{Artifact, Provenance, Snapshot};
use canary_core::journal::{Record, Released, RolloutView, rollouts};
use canary_core::plan::{self, Origin, Plan, Purpose, WayBack};
use canary_core::traits::EventSink;
use serde_json::json;

use super::{Context, conduct::conduct, looking};
use crate::error::{CommandError, ErrorKind, Problem, chain};
use crate::render::step_lines;
use crate::render::{ScreenSink, line, plan_lines};
use crate::wiring::Fleet;

pub(super) async fn rollback(mut cx: Context<'_>, dry_run: bool) -> Result<u8, CommandError> {
    cx.warn();
    // Rolling back needs no metrics store, and must not fail for the lack of one.
    cx.settings.spec.watch = None;
    let fleet = Fleet::of(&cx.settings).await?;
    if dry_run {
        let backends = fleet.backends(None, Vec::new());
        let order = cx.order(fleet.clock.as_ref())?;
        let plan = prepare(&cx, &backends, &cx.read_journal()?.records, &order).await?;
        if cx.screen.json() {
            cx.screen.line(line("plan", json!({ "plan": plan })));
        } else {
            cx.screen.lines(plan_lines(&plan, cx.screen.paint));
            cx.screen.lines(step_lines(&plan));
            hint_further_back(&cx, &plan);
        }
        return Ok(0);
    }
    let open = cx.open_journal(&fleet.clock).await?;
    if let Some(view) = open.unfinished() {
        // An unfinished rollout is taken back, an unfinished rollback is finished.
        let back = view.plan.purpose == Purpose::RollOut;
        return super::resume::go_on(&cx, open.journal, view, back).await;
    }
    let sink: Arc<dyn EventSink> = Arc::new(ScreenSink::new(cx.screen.clone()));
    let backends = fleet.backends(Some(open.journal), cx.telling.with(sink));
    cx.screen.note("looking for the previous binary; nothing is changed yet");
    let order = cx.order(fleet.clock.as_ref())?;
    let plan = prepare(&cx, &backends, &open.records, &order).await?;
    let (control, planned, rollout) = (Control::default(), plan.clone(), order.rollout.clone());
    let engine = roll_back(&backends, plan, order, &control);
    let _looking = looking::look_on(cx.screen, &backends.lb);
    let report = conduct(&cx, &rollout, &control, engine).await?;
    hint_further_back(&cx, &planned);
    Ok(cx.ended(&report))
}

/// Finds the binary to go back to, brings it to the store, asks whether the schema still lets it come back, and plans.
async fn prepare(
    cx: &Context<'_>,
    backends: &Backends,
    records: &[Record],
    order: &Order,
) -> Result<Plan, CommandError> {
    let refused = |problems: Vec<String>, hint: &str| CommandError {
        kind: ErrorKind::Refused,
        problems: problems.into_iter().map(|message| Problem::new(message, hint)).collect(),
    };
    let look = "`canary-cli doctor` looks at everything a rollout needs";
    let mut spec = cx.settings.spec.clone();
    let snapshot = backends.observe(spec.nodes()).await.map_err(|problems| refused(problems, look))?;
    let artifact = find(cx, backends, records, &snapshot).await?;
    let released = Released::of(&rollouts(records));
    // What comes back is not what the settings may describe.
    spec.from = Provenance { revision: released.revisions.get(&artifact.facts.sha256).cloned(), phase: None };
    cx.may_come_back(backends, &spec, &artifact, &snapshot, &released, order).await?;
    plan::roll_back(spec, artifact, cx.store(), &snapshot).map_err(|error| refused(error.problems, look))
}

/// Says how to go further back when the last rollout was taken back already: a second `rollback` must not do so by
/// itself.
fn hint_further_back(cx: &Context<'_>, plan: &Plan) {
    if plan.is_empty() && !cx.screen.json() {
        let store = cx.store();
        cx.screen.line(format!(
            "to go further back, name a binary with ROLLBACK_BINARY; earlier ones are in {}",
            store.display()
        ));
    }
}

/// The binary that was named; else the last rollout's way back, if the store still has it; else what the search finds.
async fn find(
    cx: &Context<'_>,
    backends: &Backends,
    records: &[Record],
    snapshot: &Snapshot,
) -> Result<Artifact, CommandError> {
    let rolled_out = |view: &RolloutView| view.plan.purpose == Purpose::RollOut && !view.plan.is_empty();
    let last = rollouts(records).into_iter().rev().find(rolled_out);
    if cx.settings.rollback_binary.is_none()
        && let Some(stored) = last.as_ref().and_then(|view| view.plan.stored(plan::Direction::Back))
        && stored.verify().is_ok()
    {
        return Ok(stored);
    }
    let on_canary = snapshot.nodes.get(&cx.settings.spec.canary).and_then(|seen| seen.installed.current);
    let release =
        last.map(|view| view.plan.artifact.facts.sha256).or_else(|| on_canary.map(|facts| facts.sha256));
    let search = cx.way_back_search(release);
    let refused = |message: String| {
        let hint = "name the binary to go back to with ROLLBACK_BINARY or --rollback-binary";
        CommandError::new(ErrorKind::Refused, message, hint)
    };
    match backends.find_way_back(&search, snapshot).await {
        Ok(Some(found)) => bring(cx, backends, found).await.map_err(refused),
        Ok(None) => {
            Err(refused("there is no last known good binary: neither here nor on the nodes".to_owned()))
        }
        Err(error) => Err(refused(format!("last known good binary: {}", chain(&error)))),
    }
}

/// Brings a binary that lies in an instance to the store.
async fn bring(cx: &Context<'_>, backends: &Backends, found: WayBack) -> Result<Artifact, String> {
    let (node, path) = match found.origin {
        Origin::Host { path } => return Artifact::read(path).map_err(|error| chain(&error)),
        Origin::Instance { node, path } => (node, path),
    };
    let into: PathBuf = cx.store().join(found.facts.sha256.to_string());
    let stored = Artifact { path: into.clone(), facts: found.facts };
    if stored.verify().is_ok() {
        return Ok(stored);
    }
    std::fs::create_dir_all(cx.store())
        .map_err(|error| format!("cannot create {}: {error}", cx.store().display()))?;
    let facts = backends.nodes.fetch(&node, &path, &into).await.map_err(|error| error.chain())?;
    if facts != found.facts {
        return Err(format!("{path} in {node} changed while it was copied"));
    }
    Ok(stored)
}

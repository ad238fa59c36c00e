//! A deploy tool around the engine: its own rendering of events, and one function from an artifact to an outcome.
//!
//! It knows no balancer, no runtime and no metrics store: `Backends` brings them, whichever they are.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use canary_core::control::Control;
use canary_core::engine::{Backends, Order, Outcome, WayBackSearch, roll_out};
use canary_core::fleet::{Artifact, Digest};
use canary_core::journal::{Entry, RolloutId, StepResult};
use canary_core::plan;
use canary_core::spec::RolloutSpec;
use canary_core::traits::{Event, EventSink, GateVerdict, Review};

/// This tool's own way to show what happens: one line a step, one a probe.
#[derive(Debug)]
pub struct Console;

impl std::fmt::Display for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("console")
    }
}

#[expect(clippy::print_stdout, reason = "a sink that prints is what is shown")]
impl EventSink for Console {
    fn emit(&self, event: &Event<'_>) {
        let Event::Recorded(record) = event else { return };
        match &record.entry {
            Entry::StepFinished { step, result: StepResult::Done { .. }, .. } => println!("  ok    {step}"),
            Entry::StepFinished { step, result: StepResult::Failed { message, .. }, .. } => {
                println!("  FAIL  {step}: {message}");
            }
            Entry::Observed { observation, .. } => {
                println!("  probe {:?}: {}", observation.verdict, observation.reason());
            }
            Entry::Finished { outcome, .. } => println!("=> {outcome}"),
            _ => {}
        }
    }
}

/// Ships one artifact: looks at the fleet, finds the way back, plans, and carries the plan out.
///
/// # Errors
/// When the fleet cannot be looked at, the plan cannot work, or the journal cannot be written: nothing was changed.
pub async fn ship(
    backends: &Backends,
    spec: RolloutSpec,
    artifact: Artifact,
    store: PathBuf,
) -> anyhow::Result<Outcome> {
    let backends = &Backends { sinks: vec![Arc::new(Console)], ..backends.clone() };
    let rollout = RolloutId::new(backends.clock.now(), std::process::id());
    let order = Order { rollout, actor: "the deploy tool".to_owned(), reason: None };
    let snapshot = backends.observe(spec.nodes()).await.map_err(|all| anyhow!(all.join("; ")))?;
    let search = WayBackSearch {
        named: None,
        on_host: None,
        release: Some(artifact.facts.sha256),
        nodes: spec.nodes().cloned().collect(),
    };
    let way_back = backends.find_way_back(&search, &snapshot).await?;
    let plan = plan::roll_out(spec, artifact, way_back, store, &snapshot)?;
    // No permit, no rollout. The service has no database, and the review says so; `embed_haproxy` asks a real gate.
    let verdict = GateVerdict::NothingNew { why: "no database".to_owned() };
    let digest = Digest::of(b"");
    let review = Review { verdict, findings: Vec::new(), evidence: Vec::new(), digest, baseline: None };
    let permit = review.permit().context("the gate says no")?;
    Ok(roll_out(backends, plan, permit, order, &Control::default()).await?.outcome)
}

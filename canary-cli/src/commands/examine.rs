//! Everything that is looked at before a release, all at once, without changing anything.

use canary_core::analysis::Foresight;
use canary_core::engine::{Backends, Check, CheckStatus, Order, Preflight};
use canary_core::fleet::{Artifact, NodeId, Snapshot};
use canary_core::journal::Released;
use canary_core::plan::{self, Plan};
use canary_core::spec::RolloutSpec;
use canary_core::traits::{GateVerdict, MigrationGate, Release, Review, RunsWhere, Severity};

use super::Context;
use super::journal::explain;
use crate::error::{CommandError, chain};
use crate::wiring::Fleet;

/// What was seen, and what stands against the release.
#[derive(Debug)]
pub(super) struct Examination {
    /// The pre-flight's checks.
    pub(super) checks: Vec<Check>,
    /// What the comparison with the baseline will be able to see.
    pub(super) foresight: Vec<Foresight>,
    /// The gate's answer.
    pub(super) review: Review,
    /// The plan, when one could be made.
    pub(super) plan: Option<Plan>,
    /// Everything that stands against it; empty when nothing does.
    pub(super) reasons: Vec<String>,
}

impl Context<'_> {
    /// Asks the pre-flight and the gate, then the fleet, and makes the plan.
    pub(super) async fn examine(
        &self,
        fleet: &Fleet,
        backends: &Backends,
        gate: &dyn MigrationGate,
        artifact: Artifact,
        order: &Order,
    ) -> Result<Examination, CommandError> {
        let mut spec = self.settings.spec.clone();
        spec.from.revision = gate.revision(spec.from.revision.as_ref()).await;
        let released = self.released();
        let mut release = Release {
            from: spec.from.clone(),
            baseline: released.running.clone(),
            ..Release::new(spec.service.clone(), artifact.facts.sha256)
        };
        let own = fleet.look().await;
        if !own.reachable {
            let review = backends.review(gate, &release, order).await.map_err(|error| explain(&error))?;
            let mut reasons = failed(&own.checks, None);
            reasons.extend(against(&review));
            return Ok(Examination {
                checks: own.checks,
                foresight: Vec::new(),
                review,
                plan: None,
                reasons,
            });
        }
        let Preflight { checks, foresight, reports } = backends.preflight(&spec).await;
        // Not at the same time as the pre-flight: both run commands in the same instances.
        let snapshot = backends.observe(spec.nodes()).await;
        release.running = running(&spec, snapshot.as_ref().ok(), &released);
        let review = backends.review(gate, &release, order).await.map_err(|error| explain(&error))?;
        backends.record_checks(order, &reports).await.map_err(|error| explain(&error))?;
        let mut reasons: Vec<_> = failed(&checks, fleet.source_problem.as_deref());
        // A balancer that cannot be asked at all has failed a check of the pre-flight already.
        if reasons.is_empty() {
            reasons.extend(failed(&own.checks, None));
        }
        reasons.extend(against(&review));
        let plan = match snapshot {
            Ok(mut snapshot) => {
                if spec.weights.is_some() {
                    snapshot.rate = backends.rate(&spec).await;
                }
                let search = self.way_back_search(Some(artifact.facts.sha256));
                let way_back = match backends.find_way_back(&search, &snapshot).await {
                    Ok(found) => found,
                    Err(error) => {
                        reasons.push(format!("last known good binary: {}", chain(&error)));
                        return Ok(Examination { checks, foresight, review, plan: None, reasons });
                    }
                };
                let plan = plan::roll_out(spec, artifact, way_back, self.store(), &snapshot);
                plan.map_err(|error| reasons.extend(error.problems)).ok()
            }
            // What could not be read has failed a check, too.
            Err(problems) if reasons.is_empty() => {
                reasons.extend(problems);
                None
            }
            Err(_) => None,
        };
        Ok(Examination { checks, foresight, review, plan, reasons })
    }
}

/// What every node runs, as far as it was seen.
pub(super) fn running(spec: &RolloutSpec, seen: Option<&Snapshot>, released: &Released) -> Vec<RunsWhere> {
    let of = |node: &NodeId| {
        let artifact = seen?.nodes.get(node)?.installed.current.as_ref().map(|facts| facts.sha256);
        Some((artifact, artifact.and_then(|digest| released.revisions.get(&digest).cloned())))
    };
    let runs = |node: &NodeId| {
        let (artifact, revision) = of(node).unwrap_or_default();
        RunsWhere { node: node.clone(), artifact, revision }
    };
    spec.nodes().map(runs).collect()
}

/// The checks that stop a rollout.
fn failed(checks: &[Check], source_problem: Option<&str>) -> Vec<String> {
    checks
        .iter()
        .filter(|check| check.status == CheckStatus::Failed)
        .map(|check| match source_problem {
            Some(why) if check.name == "metrics" => format!("{}: {why}", check.name),
            _ => format!("{}: {}", check.name, check.detail),
        })
        .collect()
}

/// What a review has against the release.
fn against(review: &Review) -> Option<String> {
    match &review.verdict {
        GateVerdict::Pass | GateVerdict::NothingNew { .. } | GateVerdict::Bypassed { .. } => None,
        GateVerdict::Undecided { why } => Some(format!("migrations: undecided: {why}")),
        GateVerdict::Refused => {
            let refused = review.findings.iter().filter(|finding| finding.severity == Severity::Refuse);
            let mut places: Vec<_> = refused.map(|f| format!("{} at {}", f.rule, f.place())).collect();
            places.dedup();
            Some(format!(
                "migrations: refused for {}: split the change as is told with each, or let it pass by name with --allow",
                places.join(", ")
            ))
        }
    }
}

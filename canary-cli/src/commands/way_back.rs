//! Before a rollback: does the schema still let the old binary come back?

use canary_core::engine::{Backends, Order};
use canary_core::fleet::{Artifact, Snapshot};
use canary_core::journal::{Released, RunningRelease};
use canary_core::spec::RolloutSpec;
use canary_core::traits::{GateVerdict, Release, ReleaseDirection, Severity};

use super::Context;
use super::examine::running;
use super::journal::explain;
use crate::error::{CommandError, ErrorKind};
use crate::render::gate_lines;
use crate::settings::ShadowPlace;
use crate::wiring;

impl Context<'_> {
    /// Asks the gate about the migrations that came since the binary that is to come back.
    ///
    /// Only an answer stops a rollback: what nobody can tell (no revision on record, no repository, no database) is said, and the
    /// rollback goes on. It is not asked while a node still runs that binary: then the schema lets it.
    pub(super) async fn may_come_back(
        &self,
        backends: &Backends,
        spec: &RolloutSpec,
        artifact: &Artifact,
        snapshot: &Snapshot,
        released: &Released,
        order: &Order,
    ) -> Result<(), CommandError> {
        let digest = artifact.facts.sha256;
        let running = running(spec, Some(snapshot), released);
        if running.iter().any(|node| node.artifact == Some(digest)) {
            return Ok(());
        }
        let unknown = |why: &str| {
            self.screen.note(&format!(
                "whether the schema still lets the previous binary come back is not known: {why}"
            ));
        };
        let Some(revision) = spec.from.revision.clone() else {
            unknown("no rollout of it that the journal knows was recorded with its revision");
            return Ok(());
        };
        let since = RunningRelease { rollout: order.rollout.clone(), artifact: digest, revision };
        let gate = match wiring::gate_back(&self.settings, self.environment, &since) {
            Ok(gate) => gate,
            Err(error) => {
                unknown(
                    &error
                        .problems
                        .iter()
                        .map(|problem| problem.message.as_str())
                        .collect::<Vec<_>>()
                        .join("; "),
                );
                return Ok(());
            }
        };
        let release = Release {
            from: spec.from.clone(),
            running,
            baseline: Some(since),
            direction: ReleaseDirection::Back,
            ..Release::new(spec.service.clone(), digest)
        };
        let review = backends.review(&gate, &release, order).await.map_err(|error| explain(&error))?;
        for judged in review.evidence.iter().filter(|line| line.starts_with(canary_postgres::JUDGED)) {
            self.screen.note(judged);
        }
        match &review.verdict {
            GateVerdict::Refused => {
                let refused = review.findings.iter().filter(|finding| finding.severity == Severity::Refuse);
                let reasons: Vec<_> = refused
                    .map(|finding| format!("{} {}: {}", finding.place(), finding.rule, finding.reason))
                    .collect();
                Err(CommandError::new(
                    ErrorKind::Refused,
                    format!("rollback is no longer safe because {}", reasons.join("; ")),
                    self.other_ways(),
                ))
            }
            GateVerdict::Undecided { why } => {
                unknown(why);
                Ok(())
            }
            GateVerdict::Bypassed { .. } => {
                // Where nothing is recorded, as in a dry run, no event tells it.
                if backends.sinks.is_empty() && !self.screen.json() {
                    self.screen.lines(gate_lines(&review, self.screen.paint));
                }
                Ok(())
            }
            GateVerdict::Pass | GateVerdict::NothingNew { .. } => Ok(()),
        }
    }

    /// What to do where the way back is not safe.
    fn other_ways(&self) -> &'static str {
        match self.settings.migrations.shadow {
            ShadowPlace::Off => {
                "ship a corrected release instead; --shadow local tries the old binary's own queries, which only reading the \
                 migrations does not; FORCE_MIGRATE=1 goes back all the same"
            }
            ShadowPlace::Local | ShadowPlace::Server { .. } => {
                "ship a corrected release instead; FORCE_MIGRATE=1 goes back all the same"
            }
        }
    }
}

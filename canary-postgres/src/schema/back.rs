//! May an older binary come back to a schema that has gone on without it?

use canary_core::traits::{BackendError, GateVerdict as Verdict, MigrationGate as _, Release, Review};

use super::{Examined, SchemaGate, findings, settle};
use crate::config::{Base, GateConfig};
use crate::contracts::StoredContract;
use crate::gate::MigrationFilesGate;
use crate::phase::takes_away;
use crate::set::MigrationSet;
use crate::shadow::{ShadowAsk, ShadowReport};

impl SchemaGate {
    /// Judges the migrations that came after the old binary's revision against the old binary.
    pub(super) async fn back(&self, release: &Release) -> Result<Examined, BackendError> {
        let kept = self.contracts.load(&release.artifact).ok().flatten();
        let revision = release.from.revision.clone().or_else(|| kept.as_ref()?.revision.clone());
        let Some(revision) = revision else {
            let why = "it is not known which revision the binary that is to come back was built from, so nobody can say which \
                       migrations it has not seen"
                .to_owned();
            let mut review = empty();
            settle::settle(self.config(), &mut review, &[why], self.files.now());
            return Ok(Examined { review, shadows: Vec::new() });
        };
        let config = GateConfig {
            base: Base::Ref(revision.to_string()),
            force: None,
            allow: Vec::new(),
            ..self.config().clone()
        };
        let files = MigrationFilesGate::new(config.clone());
        let mut review = files.review(release).await?;
        match &review.verdict {
            Verdict::NothingNew { .. } => return Ok(Examined { review, shadows: Vec::new() }),
            Verdict::Undecided { why } => {
                let why = why.clone();
                settle::settle(self.config(), &mut review, &[why], self.files.now());
                return Ok(Examined { review, shadows: Vec::new() });
            }
            _ => {}
        }
        let shadows = self.shadow_back(&config, kept, &mut review).await;
        let mut doubts: Vec<String> = Vec::new();
        // The migrations have run: what they lock, or that they fail, is no longer the question.
        review.findings.retain(|finding| takes_away(&finding.rule));
        let decided = shadows
            .iter()
            .any(|report| report.way_back.is_some() && report.doubts.is_empty() && report.complete);
        if decided {
            review.findings.clear();
        }
        for report in &shadows {
            review.evidence.extend(findings::evidence(report));
            let because = report.way_back.iter().flat_map(|way| &way.because);
            review.findings.extend(because.map(findings::of));
            doubts.extend(report.doubts.iter().map(|doubt| format!("shadow: {doubt}")));
        }
        settle::settle(self.config(), &mut review, &doubts, self.files.now());
        Ok(Examined { review, shadows })
    }

    async fn shadow_back(
        &self,
        config: &GateConfig,
        kept: Option<StoredContract>,
        review: &mut Review,
    ) -> Vec<ShadowReport> {
        let Some(shadow) = &self.shadow else { return Vec::new() };
        let contract = match kept {
            Some(kept) => Some(kept.contract),
            None => self.committed(config.base.revision()).await,
        };
        let Some(contract) = contract else {
            review
                .evidence
                .push("shadow: the contract of the binary that is to come back is not known".to_owned());
            return Vec::new();
        };
        let set = match MigrationSet::read(config).await {
            Ok(set) => set,
            Err(why) => {
                review.evidence.push(format!("no shadow run: {why}"));
                return Vec::new();
            }
        };
        let base = self.base(&set.older, config.base.revision().to_owned());
        let migrations = self.migrations(&set.new);
        let bases = std::slice::from_ref(&base);
        let ask = ShadowAsk { bases, migrations: &migrations, running: Some(&contract), candidate: None };
        match shadow.examine(ask).await {
            Ok(reports) => reports,
            Err(error) => {
                review.evidence.push(format!("no shadow run: {}", super::chain(&error)));
                Vec::new()
            }
        }
    }
}

fn empty() -> Review {
    Review {
        verdict: Verdict::Pass,
        findings: Vec::new(),
        evidence: Vec::new(),
        digest: canary_core::fleet::Digest::of(b"canary-way-back 1\n"),
        baseline: None,
    }
}

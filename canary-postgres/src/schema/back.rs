//! May an older binary come back to a schema that has gone on without it?

use std::collections::BTreeSet;

use canary_core::traits::{BackendError, GateVerdict as Verdict, MigrationGate as _, Release, Review};

use super::{Examined, SchemaGate, findings, settle};
use crate::config::{Base, GateConfig};
use crate::contracts::StoredContract;
use crate::gate::MigrationFilesGate;
use crate::git::Git;
use crate::phase::takes_away;
use crate::set::MigrationSet;
use crate::shadow::{ShadowAsk, ShadowReport};

/// What the line of evidence begins with that says which migrations were judged.
pub const JUDGED: &str = "migrations since the binary that is to come back: ";

impl SchemaGate {
    /// Judges the migrations that came after the old binary's revision against the old binary.
    ///
    /// Its findings name no grants: a rollback takes none, it is forced or not.
    pub(super) async fn back(&self, release: &Release) -> Result<Examined, BackendError> {
        let mut examined = self.judged_back(release).await?;
        if !matches!(examined.review.verdict, Verdict::Bypassed { .. }) {
            examined.review.findings.iter_mut().for_each(|finding| finding.grant.clear());
        }
        Ok(examined)
    }

    async fn judged_back(&self, release: &Release) -> Result<Examined, BackendError> {
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
        let (at, judged) = self.applied(release).await;
        let config = GateConfig {
            base: Base::Ref(revision.to_string()),
            at,
            force: None,
            allow: Vec::new(),
            ..self.config().clone()
        };
        let files = MigrationFilesGate::new(config.clone());
        let mut review = files.review(release).await?;
        review.evidence.insert(0, format!("{JUDGED}{judged}"));
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

    /// The commit that what runs was built from, whose migrations are those that have run; none where it is not known, or not
    /// in this clone. And a line that says which migrations are judged, and why.
    async fn applied(&self, release: &Release) -> (Option<String>, String) {
        let work_tree = |why: String| (None, format!("those of the work tree: {why}"));
        if release.running.is_empty() {
            return work_tree("nothing is known of what runs".to_owned());
        }
        let git = Git::at(&self.config().repository);
        let mut commits = BTreeSet::new();
        for node in &release.running {
            let Some(revision) = &node.revision else {
                return work_tree(format!("the journal knows no revision of what {} runs", node.node));
            };
            let commit = format!("{revision}^{{commit}}");
            match git.line(&["rev-parse", "--verify", "--quiet", "--end-of-options", &commit]).await {
                Ok(commit) => commits.insert(commit),
                Err(_) => {
                    let short: String = revision.as_str().chars().take(12).collect();
                    return work_tree(format!("{short}, which {} runs, is not in this clone", node.node));
                }
            };
        }
        match newest(&git, &commits).await {
            Some(commit) => {
                let short: String = commit.chars().take(12).collect();
                (Some(commit), format!("those of {short}, which runs, read from git"))
            }
            None => work_tree("the nodes run revisions of which none holds the others".to_owned()),
        }
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

/// The commit whose history holds all the others.
async fn newest(git: &Git, commits: &BTreeSet<String>) -> Option<String> {
    for commit in commits {
        let mut holds = true;
        for other in commits.iter().filter(|other| *other != commit) {
            holds &= git.run(&["merge-base", "--is-ancestor", other, commit]).await.is_ok();
        }
        if holds {
            return Some(commit.clone());
        }
    }
    None
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

//! The gate over migration files, a shadow run, and the order of the phases, with one answer.

mod back;
mod findings;
mod live;
mod settle;

pub use back::JUDGED;
pub use live::LiveSchemas;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use canary_core::fleet::{Digest, NodeId, Revision};
use canary_core::traits::{
    BackendError, GateVerdict as Verdict, MigrationGate, Release, ReleaseDirection, Review, RunsWhere,
    Severity,
};

use crate::config::GateConfig;
use crate::contract::Contract;
use crate::contracts::ContractStore;
use crate::gate::MigrationFilesGate;
use crate::git::Git;
use crate::phase::{self, Contracts};
use crate::rules::BinaryFacts;
use crate::set::{MigrationFile, MigrationSet};
use crate::shadow::{BaseSchema, Migration, Shadow, ShadowAsk, ShadowReport};

/// The contract's file in a service's repository.
pub const LOCK_FILE: &str = "sql-contract.lock";

/// The most different binaries that a fleet may run, for each of which there is a shadow run.
const BINARIES: usize = 4;

/// Refuses a release whose migrations break what is running, by reading them, by running them on a copy of the schema, and by
/// the order of its phases.
#[derive(Debug, Clone)]
pub struct SchemaGate {
    files: MigrationFilesGate,
    shadow: Option<Shadow>,
    live: Option<LiveSchemas>,
    contracts: ContractStore,
    accepts_proof: bool,
    limit: Duration,
}

/// A review, and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// The answer.
    pub review: Review,
    /// The shadow runs: one for each binary that runs and each distinct schema.
    pub shadows: Vec<ShadowReport>,
}

impl SchemaGate {
    /// The gate over these files; `contracts` holds what binaries that were released ask of the database.
    #[must_use]
    pub const fn new(files: MigrationFilesGate, contracts: ContractStore) -> Self {
        Self { files, shadow: None, live: None, contracts, accepts_proof: false, limit: Self::LIMIT }
    }

    /// How long a gate may take when nobody says otherwise: 20 min, as long as shadow runs for each of the most different binaries
    /// that a fleet may run.
    pub const LIMIT: Duration = Duration::from_secs(20 * 60);

    /// The same with another limit; what is not answered by then is undecided.
    #[must_use]
    pub fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// The same, with shadow runs.
    #[must_use]
    pub fn with_shadow(self, shadow: Shadow) -> Self {
        Self { shadow: Some(shadow), ..self }
    }

    /// The same, where shadow runs start from one live schema of each kind and not from the older migrations, replayed.
    #[must_use]
    pub fn with_live(self, live: LiveSchemas) -> Self {
        Self { live: Some(live), ..self }
    }

    /// The same, where a clean shadow run with full coverage turns what a release of the phase contract takes away from refusals
    /// into warnings. Never what locks or rewrites: the shadow's tables are empty.
    #[must_use]
    pub fn accepting_proof(self) -> Self {
        Self { accepts_proof: true, ..self }
    }

    fn config(&self) -> &GateConfig {
        self.files.config()
    }

    /// Reviews, and tells what was seen.
    ///
    /// # Errors
    /// As [`MigrationGate::review`].
    pub async fn examine(&self, release: &Release) -> Result<Examined, BackendError> {
        let asked = async {
            match release.direction {
                ReleaseDirection::Forward => self.forward(release).await,
                ReleaseDirection::Back => self.back(release).await,
            }
        };
        tokio::time::timeout(self.limit, asked).await.unwrap_or_else(|_| Ok(self.late()))
    }

    /// The answer of a gate that took too long. Nobody has seen what it would wave through, so no single grant covers it.
    fn late(&self) -> Examined {
        let limit = humantime::format_duration(self.limit);
        let why = format!(
            "no answer within {limit}, the gate's limit; it was cut off (a shadow run, git or the disk is slow)"
        );
        let config = GateConfig { allow: Vec::new(), ..self.config().clone() };
        let mut review = Review::undecided(why.clone());
        settle::settle(&config, &mut review, &[why], self.files.now());
        for finding in &mut review.findings {
            finding.remedy = "give the gate more time, or see what it waits for".to_owned();
            finding.grant.clear();
        }
        Examined { review, shadows: Vec::new() }
    }

    async fn forward(&self, release: &Release) -> Result<Examined, BackendError> {
        let mut review = self.files.review(release).await?;
        if matches!(review.verdict, Verdict::NothingNew { .. } | Verdict::Undecided { .. }) {
            return Ok(Examined { review, shadows: Vec::new() });
        }
        let contracts = self.running(release, &review).await;
        if let Some(facts) = facts(&contracts) {
            review = self.files.knowing(facts).review(release).await?;
        }
        let mut doubts = Vec::new();
        let mut shadows = Vec::new();
        if let Some(shadow) = &self.shadow {
            match MigrationSet::read(self.config()).await {
                Ok(set) if !set.new.is_empty() => {
                    shadows = self.shadows(shadow, &set, &contracts, &mut review.evidence, &mut doubts).await;
                }
                Ok(_) => {}
                Err(why) => doubts.push(format!("no shadow run: {why}")),
            }
        }
        let proven = !shadows.is_empty() && doubts.is_empty() && shadows.iter().all(ShadowReport::proves);
        if self.accepts_proof
            && proven
            && release.from.phase == Some(canary_core::fleet::ReleasePhase::Contract)
        {
            settle::lift(&mut review);
        }
        findings::tell(&shadows, &mut review, &mut doubts);
        let mut running = release.running.clone();
        if running.is_empty() && contracts.len() == 1 {
            // Continuous integration sees no nodes: what the baseline's sources ask stands for what runs.
            running.extend(baseline_node(contracts.keys().copied().next()));
        }
        let phase = phase::review(release.from.phase, &review.findings, &running, &contracts);
        review.findings.extend(phase.findings);
        doubts.extend(phase.doubts);
        settle::settle(self.config(), &mut review, &doubts, self.files.now());
        Ok(Examined { review, shadows })
    }

    /// What each binary that runs asks of the database: from what was kept at its release, else from git at the baseline.
    async fn running(&self, release: &Release, review: &Review) -> Contracts {
        let digests: BTreeSet<Digest> = release.running.iter().filter_map(|node| node.artifact).collect();
        let mut contracts = Contracts::new();
        for digest in digests {
            // A file that cannot be read is a contract that is not known.
            let kept = self.contracts.load(&digest).ok().flatten();
            contracts.insert(digest, kept.map(|kept| kept.contract));
        }
        let baseline = review.baseline.as_ref().map(|baseline| baseline.revision.clone());
        let committed = match baseline {
            Some(revision) if contracts.values().all(Option::is_none) => self.committed(&revision).await,
            _ => None,
        };
        match (committed, contracts.len()) {
            // Nothing is known of the nodes, or all run the one binary that the baseline was built to.
            (Some(contract), 0) => {
                contracts.insert(phase::of_the_baseline(), Some(contract));
            }
            (Some(contract), 1) => {
                for known in contracts.values_mut() {
                    *known = Some(contract.clone());
                }
            }
            _ => {}
        }
        contracts
    }

    /// The contract that lies in git at a revision.
    async fn committed(&self, revision: &str) -> Option<Contract> {
        let object = format!("{revision}:./{LOCK_FILE}");
        let text = Git::at(&self.config().repository).run(&["cat-file", "blob", &object]).await.ok()?;
        Contract::from_lock(&String::from_utf8(text).ok()?).ok()
    }

    /// The contract of the work tree: the new binary's.
    pub(crate) fn candidate(&self) -> Option<Contract> {
        let text = std::fs::read_to_string(self.config().repository.join(LOCK_FILE)).ok()?;
        Contract::from_lock(&text).ok()
    }

    async fn shadows(
        &self,
        shadow: &Shadow,
        set: &MigrationSet,
        contracts: &Contracts,
        evidence: &mut Vec<String>,
        doubts: &mut Vec<String>,
    ) -> Vec<ShadowReport> {
        let mut distinct: Vec<Option<&Contract>> = Vec::new();
        for contract in contracts.values().flatten() {
            if !distinct.contains(&Some(contract)) {
                distinct.push(Some(contract));
            }
        }
        if distinct.is_empty() {
            evidence.push(format!(
                "shadow: no contract of the running binary is known ({LOCK_FILE} at the baseline, or kept by a rollout): only the migrations themselves are tried"
            ));
            distinct.push(None);
        }
        distinct.truncate(BINARIES);
        let revision = set.baseline.as_ref().map_or_else(String::new, |baseline| baseline.revision.clone());
        let bases = self.bases(set, revision, evidence, doubts).await;
        let migrations = self.migrations(&set.new);
        let candidate = self.candidate();
        let mut reports = Vec::new();
        for running in distinct {
            let ask =
                ShadowAsk { bases: &bases, migrations: &migrations, running, candidate: candidate.as_ref() };
            match shadow.examine(ask).await {
                Ok(more) => reports.extend(more),
                Err(error) => doubts.push(format!("no shadow run: {}", chain(&error))),
            }
        }
        reports
    }

    /// Where shadow runs start: one live schema of each kind; else the older migrations.
    async fn bases(
        &self,
        set: &MigrationSet,
        revision: String,
        evidence: &mut Vec<String>,
        doubts: &mut Vec<String>,
    ) -> Vec<BaseSchema> {
        if let Some(live) = &self.live {
            let found = live.bases().await;
            doubts.extend(found.doubts.into_iter().map(|doubt| format!("shadow: {doubt}")));
            evidence.push(found.evidence);
            evidence.retain(|line| !line.is_empty());
            if !found.bases.is_empty() {
                return found.bases;
            }
        }
        vec![self.base(&set.older, revision)]
    }

    fn base(&self, older: &[MigrationFile], revision: String) -> BaseSchema {
        if older.is_empty() {
            return BaseSchema::Empty;
        }
        BaseSchema::Replay { revision, migrations: self.migrations(older) }
    }

    fn migrations(&self, files: &[MigrationFile]) -> Vec<Migration> {
        let named = |file: &MigrationFile| self.config().dir.join(&file.path).display().to_string();
        files.iter().map(|file| Migration::of(&named(file), &file.up)).collect()
    }
}

/// What all binaries that run rely on; `None` where none of their contracts is known.
fn facts(contracts: &Contracts) -> Option<BinaryFacts> {
    let known: Vec<_> = contracts.values().flatten().map(Contract::facts).collect();
    let all = known.len() == contracts.len();
    (!known.is_empty()).then(|| {
        let facts = BinaryFacts::of_all(known);
        BinaryFacts { complete: facts.complete && all, ..facts }
    })
}

/// An error with its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// What stands for all nodes where none is known.
fn baseline_node(artifact: Option<Digest>) -> Option<RunsWhere> {
    Some(RunsWhere { node: NodeId::new("baseline").ok()?, artifact, revision: None })
}

/// Whether a finding stops.
fn stops(finding: &canary_core::traits::Finding) -> bool {
    finding.severity == Severity::Refuse
}

impl fmt::Display for SchemaGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shadow = if self.shadow.is_some() { ", with a shadow run" } else { "" };
        write!(f, "{}{shadow}", self.files)
    }
}

#[async_trait]
impl MigrationGate for SchemaGate {
    /// Takes what [`MigrationFilesGate`] takes and, with shadow runs, at most their deadline for each binary that runs; never longer
    /// than its limit.
    async fn review(&self, release: &Release) -> Result<Review, BackendError> {
        Ok(self.examine(release).await?.review)
    }

    async fn revision(&self, named: Option<&Revision>) -> Option<Revision> {
        self.files.revision(named).await
    }
}

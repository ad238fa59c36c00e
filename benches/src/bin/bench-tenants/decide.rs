//! One round as `tenants check` makes it: asked, decided, and on the record with all that it rests on.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use canary_core::journal::{Decided, Decision, Entry, FileJournal, Writer};
use canary_core::time::Timestamp;
use canary_core::traits::{Journal as _, SystemClock};
use canary_prom::PrometheusTenants;
use canary_seal::{Ed25519Seal, Kept, KeptKind, SigningKey};
use canary_tenants::evidence::{Before, Evidence};
use canary_tenants::policy::{Policy, read};
use canary_tenants::round::decide_round;
use canary_tenants::source::TenantSource;
use tokio::task::JoinSet;

use crate::rounds::LIMIT;
use crate::samples::AT;

/// A quantile and a ratio.
const TWO: &str = "  p95: {kind: quantile, q: \"0.95\", histogram: latency, limit: 6s}
  errors: {kind: ratio, bad: errors_total, total: requests_total, limit: \"0.010\"}
";
/// A budget, which is a ratio in two windows.
const BURN: &str = "  burn: {kind: budget, of: errors, target: \"0.999\", max_burn: \"14.4\"}\n";
const TIMEOUTS: &str =
    "  timeouts: {kind: ratio, bad: timeouts_total, total: requests_total, limit: \"0.010\"}\n";
/// A ratio and three gauges more.
const FOUR_MORE: &str =
    "  refused: {kind: ratio, bad: refused_total, total: requests_total, limit: \"0.010\"}
  pool: {kind: value, metric: pool_ratio, limit: \"0.80\"}
  queue: {kind: value, metric: queue_ratio, limit: \"0.80\"}
  disk: {kind: value, metric: disk_ratio, limit: \"0.80\"}
";

/// Which objectives every tenant has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slis {
    /// A quantile and two ratios: eight questions a server, and two more at one where a tenant is missing.
    Ratios,
    /// A quantile, a ratio and a budget.
    Three,
    /// All of them, a ratio and three gauges more.
    Eight,
}

impl Slis {
    pub(crate) const fn told(self) -> &'static str {
        match self {
            Self::Ratios => "p95 and 2 ratios",
            Self::Three => "3 SLIs",
            Self::Eight => "8 SLIs",
        }
    }

    const fn objectives(self) -> &'static [&'static str] {
        match self {
            Self::Ratios => &[TWO, TIMEOUTS],
            Self::Three => &[TWO, BURN],
            Self::Eight => &[TWO, BURN, TIMEOUTS, FOUR_MORE],
        }
    }
}

/// What a round took.
pub(crate) struct Round {
    /// From the first query to the synced record.
    pub(crate) took: Duration,
    pub(crate) asking: Duration,
    pub(crate) deciding: Duration,
    pub(crate) queries: usize,
    /// In bytes.
    pub(crate) evidence: u64,
}

/// Everything a round needs that is set up once.
pub(crate) struct Decider {
    policy: Policy,
    text: String,
    kept: Kept,
    journal: FileJournal,
    _directory: tempfile::TempDir,
}

impl Decider {
    pub(crate) fn new(slis: Slis, tenants: usize, urls: &[String]) -> Result<Self> {
        let text = policy(slis, tenants, urls)?;
        let policy = read(&text, "sla.yaml")?.at(Timestamp::from_millis(AT * 1000));
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("decisions.jsonl");
        let writer = Writer { pid: 1, host: "h".into(), actor: "bench".into(), engine: "0".into() };
        let seal = Arc::new(Ed25519Seal::new(SigningKey::new(&[7; 32])));
        let kept = Kept::beside(&path);
        let journal = FileJournal::open_sealed(path, &writer, [1; 16], Arc::new(SystemClock::new()), seal)?;
        Ok(Self { policy, text, kept, journal, _directory: directory })
    }

    /// From the first query to a decision on disk.
    pub(crate) async fn round(&self) -> Result<Round> {
        let began = Instant::now();
        let evidence = self.asked().await?;
        let queries = evidence.sources.iter().map(|(_, reply)| reply.queries.len()).sum();
        let asking = began.elapsed();
        let round = decide_round(&self.policy, &evidence);
        let decision = round.decided.decision;
        ensure!(decision == Decision::Approve, "{:?} {:?}", round.decided, round.troubles);
        let deciding = began.elapsed().saturating_sub(asking);
        let evidence_sha256 = self.kept.put_from(KeptKind::Evidence, |out| evidence.write(out))?;
        let decided = Decided {
            execution: "bench".to_owned(),
            rollout: None,
            artifact: None,
            ruling: round.record,
            policy_file_sha256: self.kept.put(KeptKind::PolicyFile, self.text.as_bytes())?,
            policy_commit: None,
            evidence_sha256,
            supersedes: None,
            actor: "bench".to_owned(),
            reason: None,
            host: "h".to_owned(),
            pid: 1,
            engine: "0".to_owned(),
        };
        self.kept.put(KeptKind::Policy, self.policy.canonical().as_bytes())?;
        self.journal.append(Entry::Decided(Box::new(decided))).await?;
        let took = began.elapsed();
        let evidence = std::fs::metadata(self.kept.path(KeptKind::Evidence, evidence_sha256))?.len();
        Ok(Round { took, asking, deciding, queries, evidence })
    }

    /// What all sources answer, asked at once.
    async fn asked(&self) -> Result<Evidence> {
        let at = Timestamp::from_millis(AT * 1000);
        let mut asking = JoinSet::new();
        for (i, described) in self.policy.file.sources.iter().enumerate() {
            let source = PrometheusTenants::new(described, &self.policy.file.tenant_label, None)?;
            let ask = self.policy.ask(described, at, None, LIMIT);
            asking.spawn(async move { (i, source.name().to_owned(), source.read(&ask, &()).await) });
        }
        let mut replies = asking.join_all().await;
        replies.sort_by_key(|reply| reply.0);
        Ok(Evidence {
            policy: self.policy.digest(),
            at,
            version: None,
            percentage: None,
            before: Before::default(),
            sources: replies.into_iter().map(|(_, name, reply)| (name, reply)).collect(),
            probes: Vec::new(),
            probes_by: None,
        })
    }
}

fn policy(slis: Slis, tenants: usize, urls: &[String]) -> Result<String> {
    let mut text = "version: sla/v1\nwindows: {short: 5m, long: 10m}\nsources:\n".to_owned();
    for (i, url) in urls.iter().enumerate() {
        writeln!(text, "  - {{name: s{i}, kind: prometheus, url: \"{url}\", scrape: 60s, timeout: 60s}}")?;
    }
    text.push_str("objectives:\n");
    text.extend(slis.objectives().iter().copied());
    text.push_str("tenants:\n");
    for i in 0..tenants {
        writeln!(text, "  tenant-{i:05}:")?;
    }
    Ok(text)
}

//! Decides recorded decisions once more, as `log replay --decisions` does: from files, by their digests.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use canary_core::fleet::Digest;
use canary_core::journal::Ruling;
use canary_core::time::Timestamp;
use canary_seal::{Kept, KeptKind};
use canary_tenants::evidence::{Before, Evidence};
use canary_tenants::gap::{Found, Measured};
use canary_tenants::replay::{Policies, ruling};
use canary_tenants::source::SourceReply;

/// How many tenants each decision is about.
pub(crate) const TENANTS: usize = 187;
/// When the first was made, in milliseconds.
const AT: u64 = 1_795_305_600_000;

fn policy() -> String {
    let tenants: String = (0..TENANTS).map(|i| format!("  tenant-{i:03}: {{}}\n")).collect();
    format!(
        "version: sla/v1\nsources: [{{name: eu, kind: prometheus, url: \"http://eu:9090\"}}]\nwindows: {{short: 5m, long: 1h}}\nobjectives:\n  \
         errors: {{kind: ratio, bad: errors_total, total: requests_total, limit: \"0.010\"}}\n  \
         refused: {{kind: ratio, bad: refused_total, total: requests_total, limit: \"0.050\"}}\ntenants:\n{tenants}"
    )
}

fn evidence(policy: Digest, n: usize) -> Evidence {
    let found = |bad| Found {
        samples: Some(10),
        age: Some(0),
        before: true,
        lately: true,
        measured: Measured::Events { bad: Some(bad), total: 10_000 },
        ..Found::nothing(10)
    };
    let tenants = (0..TENANTS).map(|i| {
        let bad = (i * 7 + n * 13) as u64 % 140;
        (
            format!("tenant-{i:03}"),
            [(Arc::from("errors"), found(bad)), (Arc::from("refused"), found(bad))].into(),
        )
    });
    let reply = SourceReply { found: tenants.collect(), ..SourceReply::default() };
    Evidence {
        policy,
        at: Timestamp::from_millis(AT + n as u64 * 60_000),
        version: Some("v2".to_owned()),
        percentage: Some(10),
        before: Before::default(),
        sources: vec![("eu".to_owned(), reply)],
        probes: Vec::new(),
        probes_by: None,
    }
}

/// Writes so many decisions' files, and gives how long it takes to decide them once more.
pub(crate) fn replay(directory: &Path, decisions: usize) -> anyhow::Result<Duration> {
    let kept = Kept::beside(&directory.join("decisions.jsonl"));
    let text = policy();
    let file = kept.put(KeptKind::PolicyFile, text.as_bytes())?;
    let mut policies = Policies::default();
    let mut recorded: Vec<(Digest, Ruling)> = Vec::with_capacity(decisions);
    for n in 0..decisions {
        let at = Timestamp::from_millis(AT + n as u64 * 60_000);
        let policy = policies.at(&text, at).map_err(|why| anyhow!(why))?;
        let evidence = evidence(policy.digest(), n);
        recorded
            .push((kept.put(KeptKind::Evidence, evidence.lines().as_bytes())?, ruling(policy, &evidence)));
    }
    let begun = Instant::now();
    let mut policies = Policies::default();
    for (digest, ruling) in &recorded {
        let text = String::from_utf8(kept.read(KeptKind::PolicyFile, file)?).context("the policy")?;
        let lines = String::from_utf8(kept.read(KeptKind::Evidence, *digest)?).context("the evidence")?;
        let evidence = Evidence::read(&lines)?;
        policies.held(&text, &evidence, ruling).map_err(|why| anyhow!(why))?;
    }
    Ok(begun.elapsed())
}

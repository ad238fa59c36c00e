//! A decision about a release by its tenants, as a record has it.

use canary_core::fleet::Digest;
use canary_core::journal::{AskedSource, Decided, Decision, Ruling, WorstResult};

/// A decision about 187 tenants that nobody's rollout asked for: one is in breach, three are unknown.
#[must_use]
pub fn decided(decision: Decision) -> Decided {
    let worst = WorstResult {
        tenant: "acme".to_owned(),
        objective: "error_rate".to_owned(),
        source: "eu-1".to_owned(),
        code: "sparse".to_owned(),
        observed: Some(150_000),
        limit: 10_000,
        limit_adj: 11_000,
        n: 4_200,
        coverage_ppm: 600_000,
        low: Some(139_000),
        high: None,
    };
    let ruling = Ruling {
        // 2024-01-15T14:32:10Z.
        at_ms: 1_705_329_130_000,
        version: Some("v2.14.3".to_owned()),
        percentage: Some(10),
        policy_sha256: Digest::of(b"policy"),
        decision,
        score_ppm: Some(967_000),
        lo_ppm: 949_000,
        hi_ppm: 981_000,
        threshold_ppm: 950_000,
        tenants: 187,
        breached: 1,
        unknown: 3,
        gaps: [("ok".to_owned(), 183), ("sparse".to_owned(), 1), ("stale".to_owned(), 3)].into(),
        worst: vec![worst],
        reasons: vec!["may_be_too_low".to_owned()],
        sources: vec![AskedSource { name: "eu-1".to_owned(), queries: 42, ms: 170, warnings: Vec::new() }],
    };
    Decided {
        execution: "canary-2026-11-22T14:32:10Z-k7x2p".to_owned(),
        rollout: None,
        artifact: None,
        ruling,
        policy_file_sha256: Digest::of(b"policy's file"),
        policy_commit: None,
        evidence_sha256: Digest::of(b"evidence"),
        supersedes: None,
        actor: "ada".to_owned(),
        reason: None,
        host: "deploy".to_owned(),
        pid: 4711,
        engine: "0.1.0".to_owned(),
    }
}

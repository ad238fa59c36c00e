//! The form of decisions and signs of life, and what stands around them in a file.

use std::sync::Arc;

use super::super::{Chain, Entry, FileJournal, Writer, parse_line, read};
use super::*;
use crate::time::Timestamp;
use crate::traits::{Journal as _, SystemClock};

fn decided() -> Decided {
    let worst = WorstResult {
        tenant: "Müller & Söhne".to_owned(),
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
        at_ms: 1_795_357_930_000,
        version: Some("v2.14.3".to_owned()),
        percentage: Some(10),
        policy_sha256: Digest::of(b"policy"),
        decision: Decision::Halt,
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
        rollout: Some(RolloutId::new(Timestamp::from_millis(0), 7)),
        artifact: Some(Digest::of(b"binary")),
        ruling,
        policy_file_sha256: Digest::of(b"policy's file"),
        policy_commit: None,
        evidence_sha256: Digest::of(b"evidence"),
        supersedes: Some(2),
        actor: "ada@deploy-1".to_owned(),
        reason: None,
        host: "deploy-1".to_owned(),
        pid: 4711,
        engine: "0.1.0".to_owned(),
    }
}

/// As it lies in files: what is changed here changes what other versions read.
const BODY: &str = r#"{"actor":"ada@deploy-1","artifact":"9a3a45d01531a20e89ac6ae10b0b0beb0492acd7216a368aa062d1a5fecaf9cd","at_ms":1795357930000,"breached":1,"decision":"HALT","engine":"0.1.0","evidence_sha256":"ee8250fb76e094b34b471f13a73dbbe51d1ae142e9df59d7c0d31ec20f0a0a8e","execution":"canary-2026-11-22T14:32:10Z-k7x2p","gaps":{"ok":183,"sparse":1,"stale":3},"hi_ppm":981000,"host":"deploy-1","kind":"decided","lo_ppm":949000,"log":"07070707070707070707070707070707","percentage":10,"pid":4711,"policy_file_sha256":"1826b5963a818aa806e8088716b7e0817b354e8a194f7ecaddc578cd8f6f0fb4","policy_sha256":"823412d1eacb67956220e532959f0104603057c88704863ca38e7cd188fda812","prev":"0000000000000000000000000000000000000000000000000000000000000000","reasons":["may_be_too_low"],"rollout":"19700101T000000Z-00000007","score_ppm":967000,"seq":0,"sources":[{"ms":170,"name":"eu-1","queries":42,"warnings":[]}],"supersedes":2,"tenants":187,"threshold_ppm":950000,"time":"1970-01-01T00:00:00.000Z","unknown":3,"v":1,"version":"v2.14.3","worst":[{"code":"sparse","coverage_ppm":600000,"high":null,"limit":10000,"limit_adj":11000,"low":139000,"n":4200,"objective":"error_rate","observed":150000,"source":"eu-1","tenant":"Müller & Söhne"}]}"#;

fn body(line: &[u8]) -> &str {
    let line = std::str::from_utf8(line).unwrap();
    let end = line.len() - 64 - ",\"hash\":\"\"}\n".len();
    &line["{\"body\":".len()..end]
}

#[test]
fn a_decision_has_one_text_and_reads_back() {
    let entry = Entry::Decided(Box::new(decided()));
    let (record, line) = Chain::new([7; 16]).record(Timestamp::from_millis(0), entry).unwrap();
    assert_eq!(body(&line), BODY);
    assert_eq!(parse_line(&line[..line.len() - 1]).unwrap(), record);
    assert_eq!(record.entry.rollout(), decided().rollout.as_ref());
}

#[test]
fn what_is_not_known_of_a_decision_is_left_out() {
    let bare = Decided {
        rollout: None,
        artifact: None,
        supersedes: None,
        ruling: Ruling { score_ppm: None, ..decided().ruling },
        ..decided()
    };
    let entry = Entry::Decided(Box::new(bare));
    assert_eq!(entry.rollout(), None);
    let (record, line) = Chain::new([7; 16]).record(Timestamp::from_millis(0), entry).unwrap();
    for key in ["rollout", "artifact", "supersedes", "policy_commit", "reason"] {
        assert!(!body(&line).contains(&format!("{key:?}:")), "{key}");
    }
    assert!(body(&line).contains(r#""score_ppm":null"#), "no score is said, not left out");
    assert_eq!(parse_line(&line[..line.len() - 1]).unwrap(), record);
}

#[tokio::test]
async fn decisions_and_signs_of_life_continue_a_journal_of_rollouts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.jsonl");
    let writer = Writer { pid: 1, host: "h".into(), actor: "ada".into(), engine: "0".into() };
    let journal = FileJournal::open(&path, &writer, [7; 16], Arc::new(SystemClock::new())).unwrap();
    let rollout = RolloutId::new(Timestamp::from_millis(0), 7);
    for beat in [Beat::Began, Beat::Alive, Beat::Ended] {
        let actor = "ada".to_owned();
        journal
            .append(Entry::Heartbeat { rollout: rollout.clone(), actor, beat, decisions: 2 })
            .await
            .unwrap();
        journal.append(Entry::Decided(Box::new(decided()))).await.unwrap();
    }
    let written = journal.records().await.unwrap();
    assert_eq!(read(&path).unwrap().records, written);
    assert!(written[2..].iter().all(|record| record.entry.rollout() == Some(&rollout)));
    assert!(written[2..].iter().all(|record| record.entry.settles()), "each is signed at once");
}

//! The same evidence and policy give the same bytes; another policy gives its own.

use std::sync::Arc;

use canary_core::journal::Decision;

use super::*;
use crate::evidence::Before;
use crate::gap::{Found, Measured};
use crate::source::SourceReply;

const AT: u64 = 1_795_305_600_000;
const TEXT: &str = "
version: sla/v1
sources: [{name: eu, kind: prometheus, url: \"http://eu:9090\"}]
windows: {short: 5m, long: 1h}
objectives: {errors: {kind: ratio, bad: b_total, total: t_total, limit: \"0.010\"}}
decision: {rollback_threshold: \"0.90\"}
tenants:
  a: {}
  b: {}
  c: {}
  d: {objectives: {errors: \"0.012\"}, reason: \"moved house\", until: 2026-11-23}
";

/// Of 10,000 requests of each tenant, this many failed.
fn evidence(policy: &Policy, at: Timestamp, bad: [u64; 4]) -> Evidence {
    let found = |bad| Found {
        samples: Some(10),
        age: Some(0),
        before: true,
        lately: true,
        measured: Measured::Events { bad: Some(bad), total: 10_000 },
        ..Found::nothing(10)
    };
    let tenants = ["a", "b", "c", "d"].iter().zip(bad);
    let found = tenants.map(|(name, bad)| ((*name).to_owned(), [(Arc::from("errors"), found(bad))].into()));
    let reply = SourceReply { found: found.collect(), ..SourceReply::default() };
    Evidence {
        policy: policy.digest(),
        at,
        version: None,
        percentage: None,
        before: Before::default(),
        sources: vec![("eu".to_owned(), reply)],
        probes: Vec::new(),
        probes_by: None,
    }
}

fn at(day: u64) -> Timestamp {
    Timestamp::from_millis(AT + day * DAY)
}

#[test]
fn what_was_recorded_comes_out_again_by_the_policy_of_its_day() {
    let mut policies = Policies::default();
    for day in [0, 1, 2, 40] {
        let policy = policies.at(TEXT, at(day)).unwrap().clone();
        let evidence = evidence(&policy, at(day), [0, 1, 2, 105]);
        let recorded = ruling(&policy, &evidence);
        let again = Evidence::read(&evidence.lines()).unwrap();
        assert_eq!(policies.held(TEXT, &again, &recorded), Ok(()), "day {day}");
    }
    let mut digest = |day| policies.at(TEXT, at(day)).unwrap().digest();
    assert_ne!(digest(0), digest(40), "an exception ends between the two");
    assert!(policies.at("version: sla/v2", at(0)).unwrap_err().contains("cannot read it"));
}

#[test]
fn what_was_changed_or_decided_by_another_policy_is_told() {
    let mut policies = Policies::default();
    let policy = policies.at(TEXT, at(0)).unwrap().clone();
    let evidence = evidence(&policy, at(0), [0, 0, 0, 300]);
    let recorded = ruling(&policy, &evidence);
    let mut changed = recorded.clone();
    changed.breached += 1;
    let why = policies.held(TEXT, &evidence, &changed).unwrap_err();
    assert!(why.contains("recorded: {") && why.contains("computed: {"), "{why}");
    let other = TEXT.replace("0.90", "0.97");
    assert!(policies.held(&other, &evidence, &recorded).unwrap_err().contains("comes to the policy"));
}

#[test]
fn another_threshold_decides_otherwise_on_the_same_evidence() {
    let policy = Policies::default().at(TEXT, at(0)).unwrap().clone();
    // d has half again what it is allowed: its score is 0.5, and all together have 0.875.
    let evidence = evidence(&policy, at(0), [0, 0, 0, 180]);
    let by = |setting: &str| {
        let setting: Suppose = setting.parse().unwrap();
        ruling(&setting.of(&policy), &evidence).decision
    };
    assert_eq!(ruling(&policy, &evidence).decision, Decision::Rollback);
    assert_eq!(by("rollback_threshold=0.80"), Decision::Approve);
    assert_eq!(by("rollback_threshold = 87.5%"), Decision::Approve);
    assert_eq!(by("rollback_threshold=0.88"), Decision::Rollback);
    let strict = Suppose::MaxBreachedTenants(0).of(&Suppose::RollbackThreshold(800_000).of(&policy));
    assert_eq!(ruling(&strict, &evidence).decision, Decision::Halt);
    for wrong in [
        "",
        "rollback_threshold",
        "rollback_threshold=2",
        "rollback_threshold=x",
        "veto=1",
        "max_breached_tenants=-1",
    ] {
        assert!(wrong.parse::<Suppose>().is_err(), "{wrong}");
    }
}

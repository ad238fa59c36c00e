//! Why rollouts went as they did, in words.

use std::num::NonZeroU32;
use std::time::Duration;

use canary_core::analysis::odds::{Calibration, OddsPolicy, OddsSli, Table};
use canary_core::analysis::{
    Compared, Comparison, Patience, Score, ThresholdOptions, ThresholdState, ThresholdVerdict,
};
use canary_core::journal::{AskedFor, ComparedAccount, FailedStep, HoldAccount, Request, Wish};
use canary_core::plan::{Action, Step};
use canary_core::spec::WatchPolicy;
use canary_core::time::Timestamp;
use canary_core::traits::{ExecutedQuery, Grant};

use super::super::tests::{node, records};
use super::*;
use crate::testing::World;
use canary_core::engine::AfterHold;

fn account() -> Account {
    let records = records();
    let id = records.iter().find_map(|record| record.entry.rollout()).unwrap();
    Account::of(&records, id).unwrap()
}

fn text(account: &Account) -> String {
    explain_lines(account, Paint { on: false }).join("\n")
}

/// Only what is between the outcome and the table of nodes.
fn middle(account: &Account) -> String {
    let lines = explain_lines(account, Paint { on: false });
    let from = lines.iter().position(|line| line.contains("after ")).unwrap();
    let to = lines.iter().position(|line| line == "at its end").unwrap_or(lines.len());
    lines[from..to].join("\n").trim_end().to_owned()
}

#[test]
fn a_red_canary_on_one_screen() {
    let mut account = account();
    if let Some(judged) =
        account.watch.as_mut().and_then(|w| w.decisive.as_mut()).and_then(|seen| seen.slis.last_mut())
    {
        let query = r#"sum(rate(requests_total{status=~"5.."}[60000ms]))"#.to_owned();
        judged.queries.push(ExecutedQuery { query, reply: "0.42".to_owned() });
    }
    insta::assert_snapshot!(text(&account));
}

#[test]
fn other_ends() {
    let base = account();
    let mut told = String::new();
    let mut tell =
        |name: &str, account: &Account| told.push_str(&format!("== {name}\n{}\n\n", middle(account)));
    let green = Account {
        outcome: Some(Outcome::Completed { changed: true }),
        failed: None,
        gate: None,
        asked: Vec::new(),
        ..base.clone()
    };
    tell("completed", &green);
    tell("without a watch", &Account { watch: None, ..green.clone() });
    let unchanged = Some(Outcome::Completed { changed: false });
    tell("nothing to do", &Account { watch: None, outcome: unchanged, ..green.clone() });
    let promote = |refused: Option<&str>| AskedFor {
        at: Timestamp::from_millis(0),
        request: Request { reason: Some("it looks well".to_owned()), ..Request::new(Wish::Promote, "ben") },
        refused: refused.map(str::to_owned),
    };
    let asked = vec![promote(Some("a probe was red")), promote(None)];
    tell("promoted", &Account { asked, resumed: vec!["carla".to_owned()], retried: 2, ..green.clone() });
    let why = "without data for 31m in all, 30m were allowed".to_owned();
    let mut held =
        Account { outcome: Some(Outcome::Inconclusive { why, then: AfterHold::Kept }), ..green.clone() };
    if let Some(watch) = &mut held.watch {
        let hold = |why: &str, probes, lasted| HoldAccount { why: why.to_owned(), probes, lasted };
        watch.holds = vec![
            hold("p95: no traffic", 62, Duration::from_secs(1860)),
            hold("p95: stale: the newest sample is too old", 1, Duration::from_secs(30)),
        ];
    }
    tell("inconclusive", &held);
    let failed = FailedStep {
        step: Step::forward(&node("backend-api-2"), Action::CheckHealth),
        class: FailureClass::Unhealthy,
        message: "waited 1m for 200 from /health; seen last: 500".to_owned(),
        at: Timestamp::from_millis(3_600_000),
        logs: (1..=12).map(|n| format!("line {n}")).collect(),
    };
    let reason = failed.message.clone();
    let outcome = Some(Outcome::RolledBack { reason });
    tell("unhealthy", &Account { failed: Some(failed), watch: None, outcome, ..green.clone() });
    let reasons = vec!["pool api_pool has no server x".to_owned(), "the artifact is empty".to_owned()];
    tell(
        "refused",
        &Account { outcome: Some(Outcome::Refused { reasons }), plan: None, watch: None, ..green.clone() },
    );
    let grants = vec![Grant {
        rule: "FORCE_MIGRATE".to_owned(),
        actor: "anna".to_owned(),
        reason: "a hotfix".to_owned(),
        ..Grant::default()
    }];
    let gate = base
        .gate
        .clone()
        .map(|review| canary_core::traits::Review { verdict: GateVerdict::Bypassed { grants }, ..review });
    tell("not ended", &Account { outcome: None, watch: None, nodes: Vec::new(), gate, ..green });
    insta::assert_snapshot!(told);
}

/// The watch of a fleet whose nodes can be told apart.
fn policy() -> WatchPolicy {
    World::new().variable("PROM_NODE_LABEL", "instance").read().unwrap().spec.watch.unwrap()
}

/// A comparison of errors that became red at its second poll.
fn compared() -> (ComparedAccount, Compared) {
    let poll = Duration::from_secs(30);
    let past: Vec<_> = (0..720).map(|_| [Table::new((3000, 3), (6000, 6))]).collect();
    let fixed = Comparison {
        policy: OddsPolicy::default(),
        slis: vec![OddsSli::errors("error_ratio", Calibration::from_history(&past, poll), Some(0.05))],
        baseline: vec![node("backend-api-1"), node("backend-api-3")],
        remarks: Vec::new(),
    };
    let mut odds = fixed.begin();
    let table = Table::new((1000, 30), (2000, 2));
    let polls: Vec<_> = (0..2).map(|_| Compared::poll(&mut odds, vec![vec![table]], poll)).collect();
    let last = polls[1].clone();
    let account = ComparedAccount {
        fixed,
        seen: vec![vec![Table::new((2000, 60), (4000, 4))]],
        last: last.judgement.clone(),
        closing: last.closing.clone(),
        evidence: Vec::new(),
    };
    (account, last)
}

#[test]
fn a_canary_worse_than_its_baseline_on_one_screen() {
    let mut account = account();
    let (told, last) = compared();
    let watch = account.watch.as_mut().unwrap();
    watch.compared = Some(told);
    let decisive = watch.decisive.as_mut().unwrap();
    decisive.compared = Some(Box::new(last));
    for judged in &mut decisive.slis {
        judged.verdict = SliVerdict::Green;
    }
    account.plan.as_mut().unwrap().spec.watch = Some(policy());
    insta::assert_snapshot!(middle(&account));
}

#[test]
fn the_rule_that_was_in_force_is_named() {
    let account = account();
    let seen = account.watch.unwrap().decisive.unwrap();
    let mut policy = policy();
    assert!(judged::rule(Some(&seen), Some(&policy)).contains("one probe outside a bound"));
    let options = ThresholdOptions { consecutive: NonZeroU32::new(3), ..ThresholdOptions::default() };
    policy.judging.threshold = Some(options);
    let state = ThresholdState::default();
    let patient =
        Observation { patience: Some(Patience { said: ThresholdVerdict::Red, state }), ..seen.clone() };
    let told = judged::rule(Some(&patient), Some(&policy));
    assert_eq!(told, "by the rule in force 3 red probes in a row take the canary back");
    let score = |vetoes: Vec<String>| Score {
        verdict: Verdict::Red,
        green: 1,
        red: 3,
        held: 0,
        vetoes,
        open: Vec::new(),
        advice: Vec::new(),
    };
    let scored = |vetoes| Observation { score: Some(score(vetoes)), ..seen.clone() };
    assert_eq!(judged::rule(Some(&scored(Vec::new())), None), "by the score: 1 of 4 green");
    let told = judged::rule(Some(&scored(vec!["checkout".to_owned()])), None);
    assert_eq!(told, "by the score: checkout must be green");
}

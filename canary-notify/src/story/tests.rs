use std::collections::BTreeMap;
use std::time::Duration;

use canary_core::analysis::{HoldReason, JudgedSli, Observation, SliVerdict, Verdict};
use canary_core::fleet::Digest;
use canary_core::journal::{Request, Wish};
use canary_core::plan::{Action, Step};
use canary_core::spec::Bound;
use canary_core::traits::{Finding, GateVerdict, Grant};

use super::*;
use crate::testing::{NOW, about, finished, id, outcomes, records, started};

fn story() -> Story {
    Story::new(about(), Duration::from_secs(60))
}

fn kinds(entries: Vec<Entry>) -> Vec<Kind> {
    let mut story = story();
    records(entries).iter().filter_map(|record| story.recorded(record)).map(|notice| notice.kind).collect()
}

fn review(verdict: GateVerdict) -> Entry {
    let finding = Finding {
        rule: "drop-column".to_owned(),
        severity: Severity::Refuse,
        file: "0042.sql".to_owned(),
        line: 3,
        column: 1,
        statement: "ALTER TABLE".to_owned(),
        reason: "the old binary reads it".to_owned(),
        remedy: "later".to_owned(),
        ..Finding::default()
    };
    let digest = Digest::of(b"");
    let review = Review { verdict, findings: vec![finding], evidence: Vec::new(), digest, baseline: None };
    Entry::GateReviewed { rollout: id(), actor: "ada".to_owned(), review }
}

fn probe(after: u64, verdict: Verdict) -> Entry {
    let sli = |verdict| JudgedSli {
        sli: "p95".to_owned(),
        value: None,
        bound: Bound::Below("0.5".parse().unwrap()),
        events: None,
        verdict,
        beside: BTreeMap::new(),
        queries: Vec::new(),
    };
    let slis = match verdict {
        Verdict::Green => vec![sli(SliVerdict::Green)],
        Verdict::Red => vec![sli(SliVerdict::Red)],
        Verdict::Hold => vec![sli(SliVerdict::Hold { why: HoldReason::Stale })],
    };
    let at = NOW.plus(Duration::from_secs(after));
    let observation = Observation { verdict, ..Observation::plain(at, Duration::from_secs(60), slis) };
    Entry::Observed { rollout: id(), step: watch(), observation }
}

fn watch() -> Step {
    Step::forward(&canary_core::fleet::NodeId::new("b1").unwrap(), Action::Watch)
}

/// Every way to an end, recorded or not, tells it exactly once; nothing that comes after tells it again.
#[test]
fn every_terminal_path_is_told_exactly_once() {
    let refused = Entry::Refused { rollout: id(), actor: "ada".to_owned(), reasons: vec!["no".to_owned()] };
    let mut ways: Vec<(String, Vec<Entry>)> = outcomes()
        .into_iter()
        .flat_map(|outcome| {
            [Purpose::RollOut, Purpose::RollBack].map(|purpose| {
                (format!("{purpose:?} {outcome}"), vec![started(purpose), finished(outcome.clone())])
            })
        })
        .collect();
    ways.push(("refused".to_owned(), vec![review(GateVerdict::Refused), refused]));
    for (name, entries) in ways {
        for lost_from in 0..=entries.len() {
            let mut story = story();
            let mut ends = Vec::new();
            for (i, record) in records(entries.clone()).iter().enumerate() {
                let notice = if i < lost_from {
                    story.recorded(record)
                } else {
                    story.unrecorded(record.time, &record.entry, "no space left")
                };
                ends.extend(notice.filter(|notice| notice.kind == Kind::Ended));
            }
            // The command's own end comes on top of the engine's.
            ends.extend(story.abandoned(NOW, Outcome::Interrupted { at: String::new() }, String::new()));
            assert_eq!(ends.len(), 1, "{name}, journal lost from {lost_from}");
            assert_eq!(ends[0].recorded, lost_from == entries.len(), "{name}");
            assert!(ends[0].outcome.is_some());
        }
    }
}

#[test]
fn a_command_that_ends_early_is_told_once_wherever_it_was() {
    let abandon = |story: &mut Story| {
        let outcome = Outcome::Refused { reasons: Vec::new() };
        story.abandoned(NOW, outcome, "cannot write".to_owned())
    };
    assert_eq!(abandon(&mut story()), None, "nothing was asked for");
    let mut asked = story();
    asked.begin(id(), "ada".to_owned(), Some("ticket 7".to_owned()));
    let notice = abandon(&mut asked).unwrap();
    assert_eq!((notice.kind, notice.actor.as_deref(), notice.recorded), (Kind::Ended, Some("ada"), false));
    assert_eq!(abandon(&mut asked), None, "told twice");
    let mut running = story();
    let step = Entry::StepStarted { rollout: id(), step: watch() };
    for record in records(vec![started(Purpose::RollOut), step]) {
        running.recorded(&record);
    }
    let notice = abandon(&mut running).unwrap();
    assert!(notice.details[0].contains("watch"), "{:?}", notice.details);
    assert_eq!(notice.artifact, Some(Digest::of(b"new")));
}

#[test]
fn a_rollout_of_an_earlier_process_is_not_this_ones_to_end() {
    let mut story = story();
    for record in records(vec![started(Purpose::RollOut)]) {
        story.recorded(&record);
    }
    story.was_before();
    let refused = || Outcome::Refused { reasons: Vec::new() };
    assert_eq!(story.abandoned(NOW, refused(), String::new()), None);
    story.begin(id(), "bob".to_owned(), None);
    let notice = story.abandoned(NOW, refused(), String::new()).unwrap();
    assert_eq!((notice.actor.as_deref(), notice.artifact), (Some("bob"), Some(Digest::of(b"new"))));
}

#[test]
fn a_resumed_rollout_ends_anew() {
    let resumed = Entry::Resumed { rollout: id(), actor: "bob".to_owned(), nodes: Vec::new() };
    let interrupted = finished(Outcome::Interrupted { at: "b1: watch".to_owned() });
    let all = kinds(vec![
        started(Purpose::RollOut),
        interrupted,
        resumed,
        finished(Outcome::Completed { changed: true }),
    ]);
    assert_eq!(all, [Kind::Started, Kind::Ended, Kind::Resumed, Kind::Ended]);
}

#[test]
fn the_gate_is_told_when_it_did_not_simply_pass() {
    let (rule, actor, reason) = ("*".to_owned(), "ada".to_owned(), "outage".to_owned());
    let grant = Grant { rule, actor, reason, ..Grant::default() };
    for (verdict, expected) in [
        (GateVerdict::Pass, vec![]),
        (GateVerdict::NothingNew { why: String::new() }, vec![]),
        (GateVerdict::Refused, vec![Kind::GateRefused]),
        (GateVerdict::Undecided { why: "no git".to_owned() }, vec![Kind::GateUndecided]),
        (GateVerdict::Bypassed { grants: vec![grant] }, vec![Kind::GateForced]),
    ] {
        assert_eq!(kinds(vec![review(verdict)]), expected);
    }
}

#[test]
fn holds_are_told_once_they_last_and_again_after_data_came() {
    let hold = |after| probe(after, Verdict::Hold);
    let mut story = story();
    let mut told = Vec::new();
    // Records are a second apart; their times are set to the probes'.
    let probes = [
        (0, hold(0)),
        (59, hold(59)),
        (60, hold(60)),
        (90, hold(90)),
        (95, probe(95, Verdict::Green)),
        (100, hold(100)),
        (160, hold(160)),
    ];
    for (at, entry) in probes {
        let mut record = records(vec![entry]).remove(0);
        record.time = NOW.plus(Duration::from_secs(at));
        told.extend(story.recorded(&record).map(|notice| (at, notice.kind, notice.summary)));
    }
    let ats: Vec<_> = told.iter().map(|(at, kind, _)| (*at, *kind)).collect();
    assert_eq!(ats, [(60, Kind::Holding), (160, Kind::Holding)]);
    assert!(told[0].2.starts_with("the watch is without data since 1m: p95 held: stale"), "{}", told[0].2);
}

#[test]
fn red_going_back_and_an_expired_hold_are_told_once() {
    let node = canary_core::fleet::NodeId::new("b1").unwrap();
    let back = |action| Entry::StepStarted { rollout: id(), step: Step::back(&node, action) };
    let failed = Entry::StepFinished {
        rollout: id(),
        step: watch(),
        result: StepResult::Failed { class: FailureClass::Inconclusive, message: "without data".to_owned() },
        facts: std::collections::BTreeMap::new(),
        logs: Vec::new(),
    };
    let stop = Entry::Asked { rollout: id(), request: Request::new(Wish::Abort, "ada"), refused: None };
    let all = kinds(vec![
        started(Purpose::RollOut),
        probe(1, Verdict::Red),
        probe(2, Verdict::Red),
        failed,
        stop,
        back(Action::Drain),
        back(Action::Install),
    ]);
    assert_eq!(all, [Kind::Started, Kind::CanaryRed, Kind::HoldExpired, Kind::Asked, Kind::GoingBack]);
}

#[test]
fn a_long_wait_is_told_once_and_a_watch_never() {
    let progress = |step: Step, elapsed| Progress {
        step: step.to_string(),
        node: step.node,
        waiting_for: "0 sessions in progress".to_owned(),
        seen: "3 sessions in progress".to_owned(),
        elapsed: Duration::from_secs(elapsed),
        limit: Duration::from_secs(600),
    };
    let mut story = story();
    story.begin(id(), "ada".to_owned(), None);
    let drain = || watch().sibling(Action::Drain);
    let told: Vec<_> =
        [0, 59, 60, 61].into_iter().filter_map(|s| story.waiting(NOW, &progress(drain(), s))).collect();
    assert_eq!(told.len(), 1);
    assert_eq!(
        told[0].summary,
        "b1: drain waits since 1m for 0 sessions in progress (at most 10m); seen last: 3 sessions in progress"
    );
    assert_eq!(story.waiting(NOW, &progress(watch(), 500)), None);
}

#[test]
fn ids_are_the_records_and_stay_when_told_again() {
    let all = records(vec![started(Purpose::RollOut), finished(Outcome::Completed { changed: true })]);
    let tell = || {
        let mut story = story();
        all.iter().filter_map(|record| story.recorded(record)).map(|notice| notice.id).collect::<Vec<_>>()
    };
    assert_eq!(tell(), ["20240115T143210Z-00000007-0", "20240115T143210Z-00000007-1"]);
    assert_eq!(tell(), tell());
}

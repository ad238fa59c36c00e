//! Recorded rollouts decided once more: the same comes out, a record that was changed does not, another policy may decide otherwise.

use super::*;
use crate::analysis::Verdict;
use crate::engine::{WatchVerdict, replay, suppose};
use crate::journal::Record;

async fn records(behaviour: Behaviour) -> Vec<Record> {
    let scene = Scene::new(behaviour);
    scene.run().await;
    scene.backends.journal.records().await.unwrap()
}

fn policy(records: &[Record], below: f64) -> WatchPolicy {
    let plan = records.iter().find_map(|record| match &record.entry {
        Entry::Started { plan, .. } => Some(plan),
        _ => None,
    });
    let mut policy = plan.unwrap().spec.watch.clone().unwrap();
    policy.slis[0].bound = Bound::Below(Number::new(below).unwrap());
    policy
}

#[tokio::test]
async fn every_decision_comes_out_as_it_was_recorded() {
    for behaviour in [Behaviour::Good, Behaviour::Errors] {
        let records = records(behaviour).await;
        let replayed = replay(&records, &order().rollout).unwrap();
        assert_eq!(replayed.divergence, None);
        let decides = |record: &&Record| {
            matches!(
                record.entry,
                Entry::StepStarted { .. } | Entry::Observed { .. } | Entry::Finished { .. }
            ) || matches!(&record.entry, Entry::StepFinished { step, .. } if step.action == Action::Watch)
        };
        assert_eq!(replayed.decisions, records.iter().filter(decides).count() as u64);
    }
    assert_eq!(replay(&[], &order().rollout), None);
}

#[tokio::test]
async fn a_comparison_comes_out_to_the_same_bits() {
    let (scene, _store) = super::judges::compared(3000, 1000, true);
    scene.run().await;
    let records = scene.backends.journal.records().await.unwrap();
    let polls = |record: &&Record| matches!(&record.entry, Entry::Observed { observation, .. } if observation.compared.is_some());
    assert!(records.iter().filter(polls).count() > 3, "nothing was compared");
    assert_eq!(replay(&records, &order().rollout).unwrap().divergence, None);
}

#[tokio::test]
async fn a_decision_that_does_not_follow_is_named() {
    let good = records(Behaviour::Good).await;
    let first =
        |wanted: &dyn Fn(&Entry) -> bool| good.iter().position(|record| wanted(&record.entry)).unwrap();
    type Change = fn(&mut Vec<Record>, usize);
    let cases: [(&str, usize, Change); 4] = [
        ("the verdict of a probe", first(&|entry| matches!(entry, Entry::Observed { .. })), |records, at| {
            let Entry::Observed { observation, .. } = &mut records[at].entry else { panic!() };
            observation.verdict = Verdict::Hold;
        }),
        ("the verdict of a probe", first(&|entry| matches!(entry, Entry::Observed { .. })), |records, at| {
            let Entry::Observed { observation, .. } = &mut records[at].entry else { panic!() };
            observation.slis[0].value = Number::new(0.7);
        }),
        ("the outcome", good.len() - 1, |records, at| {
            let Entry::Finished { outcome, .. } = &mut records[at].entry else { panic!() };
            *outcome = Outcome::RolledBack { reason: "it was bad".to_owned() };
        }),
        ("the next step", first(&|entry| matches!(entry, Entry::StepFinished { .. })) + 1, |records, at| {
            // The record of the step before is gone.
            records[at - 1].entry = records[at - 2].entry.clone();
        }),
    ];
    for (what, at, change) in cases {
        let mut changed = good.clone();
        change(&mut changed, at);
        let found = replay(&changed, &order().rollout).unwrap().divergence.unwrap();
        assert_eq!((found.what, found.seq), (what, good[at].seq), "{found:?}");
    }
}

#[tokio::test]
async fn another_policy_decides_on_the_same_evidence() {
    let bad = records(Behaviour::Errors).await;
    let ends = |records: &[Record], below: f64| {
        let supposed = suppose(records, &order().rollout, &policy(records, below));
        let [watch] = supposed.as_slice() else { panic!("{supposed:?}") };
        ((watch.was.verdict, watch.was.probes), (watch.would_be.verdict, watch.would_be.probes))
    };
    // The canary fails one request in five; the bound was 0.5 %.
    assert_eq!(ends(&bad, 0.005), ((WatchVerdict::Red, 1), (WatchVerdict::Red, 1)));
    assert_eq!(ends(&bad, 0.5), ((WatchVerdict::Red, 1), (WatchVerdict::Open, 1)));
    let good = records(Behaviour::Good).await;
    assert_eq!(ends(&good, 0.5), ((WatchVerdict::Green, 10), (WatchVerdict::Green, 10)));
    let mut stricter = policy(&good, 0.005);
    stricter.slis[0].min_requests = 1_000_000;
    stricter.hold_budget = Duration::from_secs(60);
    let supposed = suppose(&good, &order().rollout, &stricter);
    assert_eq!(supposed[0].would_be.verdict, WatchVerdict::Inconclusive);
}

//! What the records of whole rollouts tell of why they went as they did.

use super::*;
use crate::journal::Account;

async fn account(scene: &Scene) -> Account {
    let records = scene.backends.journal.records().await.unwrap();
    let account = Account::of(&records, &order().rollout).unwrap();
    let last = records.last().unwrap();
    assert_eq!((account.records, account.hash), ((records[0].seq, last.seq), last.hash));
    account
}

#[tokio::test]
async fn a_red_canary_is_accounted_for_with_its_evidence() {
    let scene = Scene::new(Behaviour::Errors);
    let report = scene.run().await;
    let account = account(&scene).await;
    assert_eq!(account.outcome, Some(report.outcome));
    assert_eq!((account.actor.as_str(), account.nodes.len()), ("anna", 3));
    let failed = account.failed.unwrap();
    assert_eq!((failed.step.action, failed.class), (Action::Watch, FailureClass::Red));
    let watch = account.watch.unwrap();
    let [sli] = watch.slis.as_slice() else { panic!("{watch:?}") };
    assert_eq!((sli.green, sli.red, sli.held), (0, 1, 0));
    assert_eq!(sli.worst, Number::new(0.2));
    // The world counts 100 requests a window, of which the first probe has seen one interval.
    assert_eq!((sli.requests, sli.failed), (Some(100), Some(20)));
    assert_eq!(watch.decisive.unwrap().reason(), "error_ratio 0.2 (bound < 0.005)");
}

#[tokio::test]
async fn overlapping_windows_count_their_requests_once() {
    let scene = Scene::new(Behaviour::Good);
    scene.run().await;
    let watch = account(&scene).await.watch.unwrap();
    // Ten probes of 30 s; each looks back 60 s but the first, over the 30 s there were, and has 100 requests.
    assert_eq!((watch.probes, watch.slis[0].green), (10, 10));
    assert_eq!(watch.slis[0].requests, Some(100 + 9 * 50));
    assert_eq!(watch.slis[0].failed, Some(0));
    assert!(watch.holds.is_empty());
}

#[tokio::test]
async fn holds_are_told_by_reason_and_time() {
    let scene = Scene::new(Behaviour::Good);
    scene.world.state().metrics_down = true;
    scene.run().await;
    let account = account(&scene).await;
    assert!(matches!(account.outcome, Some(Outcome::Inconclusive { .. })), "{:?}", account.outcome);
    let watch = account.watch.unwrap();
    let [hold] = watch.holds.as_slice() else { panic!("{watch:?}") };
    assert!(hold.why.starts_with("error_ratio: source down: "), "{}", hold.why);
    assert_eq!((hold.probes, hold.lasted), (watch.probes, watch.held));
    assert_eq!((watch.slis[0].worst, watch.slis[0].requests), (None, None));
}

#[tokio::test]
async fn a_rollout_without_records_has_no_account() {
    let scene = Scene::new(Behaviour::Good);
    let records = scene.backends.journal.records().await.unwrap();
    assert_eq!(Account::of(&records, &order().rollout), None);
}

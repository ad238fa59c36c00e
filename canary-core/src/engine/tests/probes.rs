//! What a probe asks for and how the comparison begins.

use std::sync::atomic::Ordering;

use super::judges::{compared, state};
use super::*;
use crate::analysis::{HoldReason, Number, Observation, Ratio, SliVerdict, Whose};
use crate::traits::Reading;

async fn probes(scene: &Scene) -> Vec<Observation> {
    let observed = |entry| match entry {
        Entry::Observed { observation, .. } => Some(observation),
        _ => None,
    };
    scene.entries().await.into_iter().filter_map(observed).collect()
}

#[tokio::test]
async fn a_past_that_cannot_be_read_now_is_asked_for_again() {
    let (scene, store) = compared(1000, 1000, true);
    store.forgets_once.store(true, Ordering::Relaxed);
    assert_eq!(scene.run().await.outcome, Outcome::Completed { changed: true });
    let first = &probes(&scene).await[0];
    let down = |why: &HoldReason| matches!(why, HoldReason::SourceDown { error } if error.contains("no answer in 30 s"));
    assert!(first.holds.iter().any(down), "{first:?}");
    let comparison = state(&scene).await.comparison.unwrap();
    assert!(comparison.remarks.is_empty() && comparison.slis[0].tables[0].calibration.is_some());
}

#[tokio::test]
async fn noise_that_began_with_the_release_holds() {
    let (scene, store) = compared(1000, 1000, true);
    store.bursts.store(true, Ordering::Relaxed);
    scene.run().await;
    let noisy = |probe: &Observation| {
        probe.holds.iter().any(|why| matches!(why, HoldReason::NoisierThanHistory { .. }))
    };
    assert!(probes(&scene).await.iter().any(noisy), "{:?}", state(&scene).await.latest);
}

/// How a comparison of latency ends, and the bounds it is made at.
async fn compared_at(mut scene: Scene) -> (Outcome, Vec<Option<f64>>) {
    let sli = &mut scene.spec.watch.as_mut().unwrap().slis[0];
    let metric = MetricName::new("latency_seconds").unwrap();
    sli.kind = SliKind::Quantile { metric, quantile: Ratio::new(0.95).unwrap() };
    let outcome = scene.run().await.outcome;
    let comparison = state(&scene).await.comparison.unwrap();
    (outcome, comparison.slis[0].tables.iter().map(|table| table.bound).collect())
}

#[tokio::test]
async fn latency_is_compared_at_the_histograms_own_bounds() {
    for past in [true, false] {
        let (scene, _) = compared(1000, 1000, past);
        let ended = (Outcome::Completed { changed: true }, vec![Some(0.25)]);
        assert_eq!(compared_at(scene).await, ended, "past: {past}");
    }
}

#[tokio::test]
async fn latency_is_compared_at_the_bounds_that_were_calibrated_if_there_are_any() {
    for (past, expected) in [(vec![Number::new(0.5).unwrap()], 0.5), (vec![], 0.25)] {
        let (scene, store) = compared(1000, 1000, true);
        *store.past_bounds.lock().unwrap() = Some(past);
        assert_eq!(compared_at(scene).await.1, [Some(expected)]);
    }
}

#[tokio::test]
async fn until_a_rates_time_has_passed_nothing_is_said_of_traffic() {
    let (mut scene, store) = compared(1000, 1000, true);
    *store.reads.lock().unwrap() = Some(Reading::NoTraffic);
    let watch = scene.spec.watch.as_mut().unwrap();
    (watch.rate_window, watch.hold_budget) = (Duration::from_secs(60), Duration::from_secs(90));
    watch.judging = Judging::default();
    scene.run().await;
    let why: Vec<_> = probes(&scene).await.into_iter().map(|probe| probe.slis[0].verdict.clone()).collect();
    let hold = |why| SliVerdict::Hold { why };
    assert_eq!(why[..2], [hold(HoldReason::Filling), hold(HoldReason::NoTraffic)], "at 30 s and at 60 s");
}

/// What is told beside the last probe's value, of an SLI of a kind and a subject.
async fn beside(subject: WatchSubject, kind: Option<SliKind>, side_by_side: bool) -> Vec<Whose> {
    let (mut scene, store) = compared(1000, 1000, true);
    *store.reads.lock().unwrap() = Some(Reading::AtLeast { at_least: Number::new(0.001).unwrap() });
    let watch = scene.spec.watch.as_mut().unwrap();
    watch.subject = subject;
    watch.slis[0].kind = kind.unwrap_or_else(|| watch.slis[0].kind.clone());
    watch.judging = Judging { side_by_side, ..Judging::default() };
    scene.run().await;
    probes(&scene).await.pop().unwrap().slis.pop().unwrap().beside.into_keys().collect()
}

#[tokio::test]
async fn the_other_sides_value_is_told_beside() {
    let expression = || Some(SliKind::Expression { promql: "x".to_owned() });
    assert_eq!(beside(WatchSubject::Canary, None, true).await, [Whose::Baseline]);
    assert_eq!(beside(WatchSubject::Canary, expression(), true).await, [Whose::Baseline]);
    assert_eq!(beside(WatchSubject::Pool, None, true).await, [Whose::Canary]);
    assert_eq!(beside(WatchSubject::Pool, expression(), true).await, [], "it need not name nodes");
    assert_eq!(beside(WatchSubject::Canary, None, false).await, []);
}

#[tokio::test]
async fn a_canary_alone_has_nothing_beside_it() {
    let (mut scene, _) = compared(1000, 1000, true);
    scene.spec.peers.clear();
    scene.run().await;
    let probes = probes(&scene).await;
    assert!(!probes.is_empty() && probes.iter().all(|probe| probe.slis[0].beside.is_empty()), "{probes:?}");
}

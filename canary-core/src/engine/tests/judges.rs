//! The judges of a watch, in whole rollouts: nodes with counters of their own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::store::Store;
use super::*;
use crate::analysis::odds::OddsVerdict;
use crate::analysis::{HoldKind, Number, Ratio, Verdict, WatchState};
use crate::spec::{CommonFault, HoldBudget, OddsRules, Unproven};

/// A rollout whose release fails `release_ppm` of its requests, peers `peer_ppm`, with a bound of 5 %, watched by the
/// comparison alone.
pub(super) fn compared(release_ppm: u64, peer_ppm: u64, past: bool) -> (Scene, Arc<Store>) {
    let mut scene = Scene::new(Behaviour::Good);
    let store = Arc::new(Store {
        world: scene.world.clone(),
        ppm: BTreeMap::from([("b", peer_ppm), ("c", peer_ppm)]),
        release_ppm,
        past,
        away: AtomicBool::new(false),
        forgets_once: AtomicBool::new(false),
        bursts: AtomicBool::new(false),
        past_bounds: Mutex::default(),
        reads: Mutex::new(None),
    });
    scene.backends.sli = Some(store.clone());
    let watch = scene.spec.watch.as_mut().unwrap();
    watch.subject = WatchSubject::Canary;
    watch.window = Duration::from_secs(1800);
    watch.slis[0].bound = Bound::Below(Number::new(0.05).unwrap());
    watch.judging = Judging {
        threshold: None,
        odds: Some(OddsRules { warm_up: Duration::ZERO, ..OddsRules::default() }),
        side_by_side: true,
        ..Judging::default()
    };
    (scene, store)
}

/// The watch as the journal tells it.
pub(super) async fn state(scene: &Scene) -> WatchState {
    let records = scene.backends.journal.records().await.unwrap();
    crate::journal::rollouts(&records)[0].history.watch().unwrap().clone()
}

fn calibrations(entries: &[Entry]) -> usize {
    entries.iter().filter(|entry| matches!(entry, Entry::Calibrated { .. })).count()
}

#[tokio::test]
async fn a_canary_worse_than_its_peers_is_rolled_back_below_every_bound() {
    let (scene, _) = compared(20_000, 1000, true);
    let report = scene.run().await;
    let Outcome::RolledBack { reason } = &report.outcome else { panic!("{:?}", report.outcome) };
    assert!(reason.starts_with("a: watch: worse than the baseline: error_ratio: canary "), "{reason}");
    assert!(reason.contains("(2.000 %) failed, baseline ") && reason.contains("(0.100 %)"), "{reason}");
    assert_eq!(scene.installed("a"), Digest::of(OLD));
    let state = state(&scene).await;
    assert!(state.probes <= 4, "{} probes", state.probes);
    assert_eq!(state.comparison.unwrap().baseline, [node("b"), node("c")]);
}

#[tokio::test]
async fn the_record_alone_gives_the_comparison_back_to_the_same_bits() {
    let (scene, _) = compared(3000, 1000, true);
    scene.run().await;
    let entries = scene.entries().await;
    assert_eq!(calibrations(&entries), 1);
    let state = state(&scene).await;
    let mut again = state.comparison.as_ref().unwrap().begin();
    for poll in &state.polls {
        let told = crate::analysis::Compared::poll(&mut again, poll.tables.clone(), poll.elapsed);
        assert_eq!(told, *poll);
    }
    assert_eq!(state.odds().unwrap(), again);
}

#[tokio::test]
async fn trouble_that_all_nodes_share_does_not_count_against_the_release() {
    let (scene, _) = compared(30_000, 30_000, true);
    let report = scene.run().await;
    assert_eq!(report.outcome, Outcome::Completed { changed: true });
    let last = state(&scene).await.polls.pop().unwrap();
    assert!(!last.suspicious(), "{}", last.judgement.evidence);
}

#[tokio::test]
async fn a_bound_that_all_nodes_break_alike_holds_where_that_is_wanted() {
    for (common_fault, peer_ppm, held) in [
        (CommonFault::Hold, 70_000, true),
        (CommonFault::Hold, 30_000, false),
        (CommonFault::Red, 70_000, false),
    ] {
        let (mut scene, _) = compared(100_000, peer_ppm, true);
        let judging = &mut scene.spec.watch.as_mut().unwrap().judging;
        *judging =
            Judging { odds: None, threshold: Some(Default::default()), common_fault, ..judging.clone() };
        let outcome = scene.run().await.outcome;
        match outcome {
            Outcome::Inconclusive { why, .. } if held => {
                assert!(why.contains("outside the bound as the baseline is (0.07)"), "{why}");
            }
            Outcome::RolledBack { .. } if !held => {
                let needed = if common_fault == CommonFault::Hold { 2 } else { 1 };
                assert_eq!(state(&scene).await.probes, needed, "the baseline may be sampled later");
            }
            other => panic!("{common_fault:?}, {peer_ppm}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn evidence_without_a_history_only_holds_and_has_a_budget_of_its_own() {
    let (mut scene, _) = compared(20_000, 1000, false);
    let budgets = BTreeMap::from([(HoldKind::Uncalibrated, HoldBudget(Duration::from_secs(120)))]);
    scene.spec.watch.as_mut().unwrap().judging.hold_budgets = budgets;
    let report = scene.run().await;
    let Outcome::Inconclusive { why, then } = &report.outcome else { panic!("{:?}", report.outcome) };
    assert_eq!(*then, AfterHold::Kept);
    assert!(why.contains("held for uncalibrated for 2m 30s in all, 2m were allowed"), "{why}");
    assert!(why.contains("without a history of their noise: error_ratio: canary"), "{why}");
    let state = state(&scene).await;
    assert!(state.comparison.unwrap().remarks[0].contains("no past is kept"));
    let judgement = state.polls.last().unwrap().judgement.clone();
    assert_eq!(judgement.verdict.probe(), Verdict::Hold);
}

#[tokio::test]
async fn a_store_that_is_away_holds_and_is_asked_again() {
    let (scene, store) = compared(1000, 1000, true);
    store.away.store(true, Ordering::Relaxed);
    let back = Arc::clone(&store);
    let probes = Mutex::new(0);
    let sink = Arc::new(On(Mutex::new(Box::new(move |entry: &Entry| {
        if matches!(entry, Entry::Observed { .. }) {
            let mut probes = probes.lock().unwrap();
            *probes += 1;
            back.away.store(*probes < 3, Ordering::Relaxed);
        }
    }))));
    let mut backends = scene.backends.clone();
    backends.sinks.push(sink);
    let plan = scene.plan().await;
    let report = roll_out(&backends, plan, permit(), order(), &Control::default()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Completed { changed: true });
    let state = state(&scene).await;
    assert_eq!(state.held_for.get(&HoldKind::SourceDown), Some(&Duration::from_secs(90)));
    assert_eq!(state.covered, Duration::from_secs(1800), "the window counts time with data");
    assert_eq!(calibrations(&scene.entries().await), 1, "fixed once, when the past could be read");
}

#[tokio::test]
async fn a_proof_ends_the_watch_early_where_that_is_wanted() {
    let (mut scene, _) = compared(1000, 1000, true);
    let odds = OddsRules {
        early_green: true,
        warm_up: Duration::from_secs(60),
        min_soak: Duration::from_secs(300),
        ..OddsRules::default()
    };
    scene.spec.watch.as_mut().unwrap().judging.odds = Some(odds);
    assert_eq!(scene.run().await.outcome, Outcome::Completed { changed: true });
    let state = state(&scene).await;
    assert!(
        state.covered >= Duration::from_secs(360) && state.covered < Duration::from_secs(1800),
        "{state:?}"
    );
    assert_eq!(state.polls.last().unwrap().judgement.verdict, OddsVerdict::Green);
    assert_eq!(
        state.polls.len() as u64 + 1,
        state.probes,
        "nothing is counted in the first minute but its end"
    );
}

#[tokio::test]
async fn what_is_not_proven_at_the_end_is_inconclusive_where_that_is_wanted() {
    for (unproven, passes) in [(Unproven::Pass, true), (Unproven::Inconclusive, false)] {
        let (mut scene, _) = compared(1000, 1000, true);
        let watch = scene.spec.watch.as_mut().unwrap();
        watch.window = Duration::from_secs(60);
        watch.slis[0].bound = Bound::Below(Number::new(0.0011).unwrap());
        watch.judging.odds.as_mut().unwrap().unproven = unproven;
        match scene.run().await.outcome {
            Outcome::Completed { .. } if passes => {}
            Outcome::Inconclusive { why, .. } if !passes => {
                assert!(why.contains("at the window's end neither side is proven: error_ratio"), "{why}");
            }
            other => panic!("{unproven:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn patience_and_advice_are_the_operators() {
    let patient =
        crate::analysis::ThresholdOptions { consecutive: std::num::NonZeroU32::new(3), ..Default::default() };
    for (threshold, role, probes) in [
        (Default::default(), crate::analysis::Role::Weighted(1), Some(1)),
        (patient, crate::analysis::Role::Weighted(1), Some(3)),
        (Default::default(), crate::analysis::Role::Advisory, None),
    ] {
        let (mut scene, _) = compared(100_000, 1000, true);
        let watch = scene.spec.watch.as_mut().unwrap();
        watch.judging = Judging { threshold: Some(threshold), ..Judging::default() };
        watch.slis[0].judging.role = role;
        // A second one decides, so that there is something to be green.
        let other = Sli {
            name: "other".to_owned(),
            bound: Bound::Below(Number::new(0.9).unwrap()),
            ..watch.slis[0].clone()
        };
        watch.slis.push(Sli { judging: SliJudging::default(), ..other });
        let outcome = scene.run().await.outcome;
        match (probes, &outcome) {
            (Some(probes), Outcome::RolledBack { .. }) => assert_eq!(state(&scene).await.probes, probes),
            (None, Outcome::Completed { .. }) => {}
            _ => panic!("{outcome:?}"),
        }
    }
}

#[tokio::test]
async fn a_score_decides_instead_of_each_bound() {
    let (mut scene, _) = compared(100_000, 1000, true);
    let watch = scene.spec.watch.as_mut().unwrap();
    let ratio = |value| Ratio::new(value).unwrap();
    let score = crate::analysis::ScoreBounds { pass: ratio(0.6), fail: ratio(0.3) };
    watch.judging = Judging { threshold: None, score: Some(score), ..Judging::default() };
    let good = Sli {
        name: "good".to_owned(),
        bound: Bound::Below(Number::new(0.9).unwrap()),
        ..watch.slis[0].clone()
    };
    watch.slis.push(Sli { name: "too".to_owned(), ..good.clone() });
    watch.slis.push(good);
    assert_eq!(scene.run().await.outcome, Outcome::Completed { changed: true });
    let observed = scene.entries().await.into_iter().find_map(|entry| match entry {
        Entry::Observed { observation, .. } => observation.score,
        _ => None,
    });
    let score = observed.unwrap();
    assert_eq!((score.green, score.red), (2, 1));
}

/// What the pre-flight says of the comparison.
async fn foreseen(scene: &Scene) -> Vec<String> {
    let told = scene.backends.preflight(&scene.spec).await;
    let own = told.checks.into_iter().filter(|check| check.name.starts_with("comparison"));
    own.map(|check| format!("{:?} {}: {}", check.status, check.name, check.detail)).collect()
}

#[tokio::test]
async fn the_pre_flight_says_what_the_comparison_will_see() {
    let (scene, _) = compared(1000, 1000, true);
    let told = scene.backends.preflight(&scene.spec).await;
    let [foresight] = told.foresight.as_slice() else { panic!("{:?}", told.foresight) };
    assert_eq!((foresight.requests_per_second, foresight.baseline), (300.0, 0.001));
    assert_eq!(
        foreseen(&scene).await,
        [format!("Ok comparison of error_ratio: {foresight}")],
        "the numbers themselves are tested with them"
    );
    // Two probes are too few for so little traffic.
    let (mut scene, _) = compared(1000, 1000, true);
    scene.spec.watch.as_mut().unwrap().window = Duration::from_secs(40);
    let told = foreseen(&scene).await;
    assert!(told[0].starts_with("Warn comparison of error_ratio: inconclusive by traffic: even"), "{told:?}");
}

#[tokio::test]
async fn a_comparison_that_cannot_be_is_refused_where_nothing_else_judges() {
    let (scene, store) = compared(1000, 1000, false);
    let told = foreseen(&scene).await;
    assert!(told[0].contains("red only holds") && told[0].contains("no past is kept"), "{told:?}");
    store.away.store(true, Ordering::Relaxed);
    assert!(foreseen(&scene).await[0].starts_with("Warn comparison of error_ratio"), "a remark, no failure");
    let (mut scene, _) = compared(1000, 1000, true);
    scene.spec.peers.clear();
    assert!(foreseen(&scene).await[0].starts_with("Warn comparison: there is no other node"));
    // The plain world has no counters.
    let (mut scene, _) = compared(1000, 1000, true);
    scene.backends.sli = Some(Arc::new(scene.world.clone()));
    assert!(foreseen(&scene).await[0].starts_with("Failed comparison: world cannot count"));
    scene.spec.watch.as_mut().unwrap().judging.threshold = Some(Default::default());
    assert!(foreseen(&scene).await[0].starts_with("Warn comparison: nothing is compared"));
}

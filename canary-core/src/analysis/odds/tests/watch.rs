//! Whole watches: verdicts, holds, what is persisted.

use std::time::Duration;

use super::*;

const POLL: Duration = Duration::from_secs(30);

/// Two hours of 100 requests a second on each node, one in a thousand failing.
fn quiet_history() -> Vec<[Table; 1]> {
    (0..240).map(|i| [Table::new((3000, 2 + i % 3), (3000, 2 + (i + 1) % 3))]).collect()
}

fn errors(calibration: Option<Calibration>) -> OddsSli {
    OddsSli::errors("errors", calibration, Some(0.005))
}

fn calibrated() -> OddsSli {
    errors(Calibration::from_history(&quiet_history(), POLL))
}

/// The verdicts of polls of one SLI with one table.
fn verdicts(watch: &mut OddsWatch, tables: &[Table]) -> Vec<OddsVerdict> {
    tables.iter().map(|table| watch.observe(&[vec![vec![*table]]], POLL).verdict).collect()
}

#[test]
fn a_worse_canary_is_red_and_stays_red() {
    let mut watch = OddsWatch::new(OddsPolicy::default(), &[calibrated()]);
    let seen = verdicts(&mut watch, &[Table::new((3000, 30), (3000, 3)); 3]);
    assert_eq!(seen.last(), Some(&OddsVerdict::Red));
    assert_ne!(seen.first(), Some(&OddsVerdict::Red), "no single poll rolls back");
    let good = Table::new((3000, 3), (3000, 30));
    let judgement = watch.observe(&[vec![vec![good]]], POLL);
    assert_eq!(judgement.verdict, OddsVerdict::Red);
    assert!(judgement.evidence.p_value() <= 0.01 && judgement.evidence.sli == "errors");
    assert_eq!(watch.finish().verdict, OddsVerdict::Red);
    let text = "errors: canary 60 of 6000 (1.000 %) failed, baseline 6 of 6000 (0.100 %); p at any look 1.0";
    let shown = judgement.evidence.to_string();
    assert!(shown.starts_with(&text[..text.len() - 3]), "{shown}");
}

#[test]
fn without_history_evidence_only_holds() {
    let mut watch = OddsWatch::new(OddsPolicy::default(), &[errors(None)]);
    let seen = verdicts(&mut watch, &[Table::new((3000, 300), (3000, 3)); 20]);
    assert_eq!(seen.last(), Some(&OddsVerdict::Hold(Distrust::Uncalibrated)));
    assert!(seen[..5].iter().all(|v| *v == OddsVerdict::Watching), "one nat a poll at most");
    assert!(Calibration::from_history(&quiet_history()[..59], POLL).is_none(), "29.5 min are no history");
}

#[test]
fn noise_that_the_history_never_had_holds() {
    let mut watch = OddsWatch::new(OddsPolicy::default(), &[calibrated()]);
    let burst = |i: usize| match i % 4 {
        0 => Table::new((3000, 45), (3000, 2)),
        2 => Table::new((3000, 2), (3000, 30)),
        _ => Table::new((3000, 3), (3000, 3)),
    };
    let seen = verdicts(&mut watch, &(0..40).map(burst).collect::<Vec<_>>());
    assert!(!seen.contains(&OddsVerdict::Red), "{seen:?}");
    assert!(seen.contains(&OddsVerdict::Hold(Distrust::NoisierThanHistory)), "{seen:?}");
}

#[test]
fn a_regression_from_the_start_or_late_is_no_noise() {
    for quiet in [0, 1, 3, 40] {
        let mut watch = OddsWatch::new(OddsPolicy::default(), &[calibrated()]);
        let history = quiet_history();
        let calm: Vec<Table> = history.iter().take(quiet).map(|[table]| *table).collect();
        assert!(verdicts(&mut watch, &calm).iter().all(|v| *v == OddsVerdict::Watching));
        let bad: Vec<Table> = (0..6).map(|i| Table::new((3000, 140 + 7 * i), (3000, 3))).collect();
        let seen = verdicts(&mut watch, &bad);
        assert!(seen.contains(&OddsVerdict::Red), "after {quiet} quiet polls: {seen:?}");
        assert!(!seen.iter().any(|v| matches!(v, OddsVerdict::Hold(_))), "{seen:?}");
    }
}

#[test]
fn trouble_of_both_arms_and_changing_shares_are_no_evidence() {
    let outage = |i: u64| {
        let share = [150, 750, 1500][(i / 40) as usize];
        let rate = if (40..50).contains(&i) { 30 } else { 1 };
        Table::new((share, share * rate / 1000), (3000 - share, (3000 - share) * rate / 1000))
    };
    let mut watch = OddsWatch::new(OddsPolicy::default(), &[calibrated()]);
    let seen = verdicts(&mut watch, &(0..120).map(outage).collect::<Vec<_>>());
    assert!(seen.iter().all(|v| *v == OddsVerdict::Watching), "{seen:?}");
}

#[test]
fn green_early_only_when_asked_for_and_proven() {
    let good: Vec<Table> = quiet_history()
        .into_iter()
        .map(|[t]| Table::new((30_000, 3 * t.canary.events), (30_000, 9)))
        .collect();
    let policy = OddsPolicy { early_green: true, ..OddsPolicy::default() };
    let mut watch = OddsWatch::new(policy.clone(), &[calibrated()]);
    let seen = verdicts(&mut watch, &good[..120]);
    let first = seen.iter().position(|v| *v == OddsVerdict::Green);
    assert_eq!(first, Some(19), "at the end of ten minutes of soak");
    let mut watch = OddsWatch::new(OddsPolicy::default(), &[calibrated()]);
    assert!(verdicts(&mut watch, &good[..120]).iter().all(|v| *v == OddsVerdict::Watching));
    assert_eq!(watch.finish().verdict, OddsVerdict::Green);
    let mut idle = OddsWatch::new(policy, &[calibrated()]);
    let scant = verdicts(&mut idle, &[Table::new((3, 0), (3, 0)); 120]);
    assert!(scant.iter().all(|v| *v == OddsVerdict::Watching));
    assert_eq!(idle.finish().verdict, OddsVerdict::Inconclusive);
}

#[test]
fn good_enough_by_itself_is_green_at_the_end() {
    let mut watch = OddsWatch::new(OddsPolicy::default(), &[calibrated()]);
    verdicts(&mut watch, &[Table::new((300, 0), (300, 0)); 40]);
    assert_eq!(
        watch.finish().verdict,
        OddsVerdict::Green,
        "12,000 requests without a failure, 0.5 % allowed"
    );
}

#[test]
fn without_a_baseline_the_bound_is_all() {
    let alone = OddsSli { against: Against::Bound, ..errors(None) };
    let mut watch = OddsWatch::new(OddsPolicy::default(), &[alone]);
    let seen = verdicts(&mut watch, &[Table::new((300, 1), (0, 0)); 40]);
    assert!(seen.iter().all(|v| *v == OddsVerdict::Watching));
    let seen = verdicts(&mut watch, &[Table::new((300, 20), (0, 0)); 4]);
    assert_eq!(seen.last(), Some(&OddsVerdict::Red));
}

#[test]
fn several_slis_share_alpha_and_the_worst_bound_is_named() {
    let slower = [(0.1, 0.5), (0.25, 0.12), (0.5, 0.02), (1.0, 0.002), (2.5, 0.0)];
    let history = |index: usize| {
        let x = (3000.0 * slower[index].1) as u64;
        let polls: Vec<[Table; 1]> =
            (0..240).map(|i| [Table::new((3000, x + i % 5), (3000, x + (i + 2) % 5))]).collect();
        Calibration::from_history(&polls, POLL)
    };
    let latency = OddsSli::latency("latency", &slower, Some((0.5, 0.05)), history);
    let bounds: Vec<_> = latency.tables.iter().map(|t| (t.bound.unwrap(), t.for_green, t.absolute)).collect();
    let expected = [(0.1, true, None), (0.25, true, None), (0.5, true, Some(0.05)), (1.0, false, None)];
    assert_eq!(bounds, expected);
    let mut watch = OddsWatch::new(OddsPolicy::default(), &[calibrated(), latency]);
    let even = |n: u64| vec![Table::new((3000, n), (3000, n))];
    let tail = vec![Table::new((3000, 60), (3000, 6))];
    let poll = [vec![even(3)], vec![even(1500), even(360), even(60), tail]];
    let judgements: Vec<_> = (0..3).map(|_| watch.observe(&poll, POLL)).collect();
    let last = judgements.last().unwrap();
    assert_eq!(last.verdict, OddsVerdict::Red);
    assert_eq!((last.evidence.sli.as_str(), last.evidence.bound), ("latency", Some(1.0)));
}

#[test]
fn an_sli_without_data_keeps_its_evidence_and_its_time() {
    let slis = [calibrated(), OddsSli { name: "other".to_owned(), ..calibrated() }];
    let mut gaps = OddsWatch::new(OddsPolicy::default(), &slis);
    let bad = vec![vec![Table::new((3000, 9), (3000, 3))]];
    gaps.observe(&[bad.clone(), Vec::new()], POLL);
    gaps.skip(POLL);
    let with_gap = gaps.observe(&[bad.clone(), bad.clone()], POLL);
    assert_eq!(gaps.elapsed(), POLL * 2);
    let mut whole = OddsWatch::new(OddsPolicy::default(), &slis);
    whole.observe(&[bad.clone(), vec![vec![Table::default()]]], POLL);
    let without = whole.observe(&[bad.clone(), bad], POLL);
    assert!((with_gap.evidence.ln_e - without.evidence.ln_e).abs() < 0.05, "a gap only moves restarts");
}

#[test]
fn a_watch_read_back_goes_on_with_the_same_bits_and_is_small() {
    let slower: Vec<(f64, f64)> = (0..20).map(|i| (0.01 * f64::from(1 << i), 0.0)).collect();
    let latency = OddsSli::latency("latency", &slower, Some((0.5, 0.05)), |_| None);
    assert_eq!(latency.tables.len(), 20, "without history every bound");
    let mut watch = OddsWatch::new(OddsPolicy::default(), &[calibrated(), latency]);
    let poll = |i: u64| {
        let strata = |x: u64| vec![Table::new((900 + i, x), (2700, 3 * x + i % 2))];
        [vec![strata(2)], (0..20).map(|bucket| strata(900 - bucket * 45)).collect()]
    };
    for i in 0..50 {
        watch.observe(&poll(i), POLL);
    }
    let text = serde_json::to_string(&watch).unwrap();
    assert!(text.len() <= 20_000, "{} bytes", text.len());
    let mut read: OddsWatch = serde_json::from_str(&text).unwrap();
    assert_eq!(read, watch);
    for i in 50..60 {
        let (a, b) = (read.observe(&poll(i), POLL), watch.observe(&poll(i), POLL));
        assert_eq!(a.evidence.ln_e.to_bits(), b.evidence.ln_e.to_bits());
    }
    assert!(serde_json::from_str::<OddsWatch>(&text.replacen("e0", "nan", 1)).is_err());
}

#[test]
fn what_traffic_can_show() {
    let errors = |canary: f64, rps: f64| Prospect {
        requests_per_second: rps,
        canary_share: 0.5,
        baseline: 0.001,
        canary,
        margin: 1.1,
        phi: 1.0,
        slis: 2,
    };
    let events = |canary| errors(canary, 100.0).detectability(&OddsPolicy::default()).events;
    for (canary, about) in [(0.002, 250.0), (0.005, 50.0), (0.051, 20.0)] {
        assert!((0.7..1.1).contains(&(events(canary) / about)), "{canary}: {} events", events(canary));
    }
    let window = Duration::from_secs(3600);
    assert!(
        !errors(0.005, 1.0).detectability(&OddsPolicy::default()).within(window),
        "inconclusive by traffic"
    );
    assert!(errors(0.005, 100.0).detectability(&OddsPolicy::default()).within(window));
    assert!(errors(0.00105, 100.0).detectability(&OddsPolicy::default()).time.is_none(), "inside the margin");
}

#[test]
fn a_canary_that_serves_little_and_fails_more_is_no_noise() {
    // Twenty times the errors on a tenth of the traffic: events fall on the canary as 20 : 9, so that their variance is more
    // than twice what equal arms of that split would have.
    let mut random = crate::analysis::simulate::Random::new(5);
    let mut poll =
        |errors: f64| Table::new((300, random.binomial(300, errors)), (2700, random.binomial(2700, 0.004)));
    let history: Vec<[Table; 1]> = (0..240).map(|_| [poll(0.004)]).collect();
    let calibration = Calibration::from_history(&history, POLL).unwrap();
    let mut check = NoiseCheck::new(calibration.steps, calibration.phi);
    for index in 0..120 {
        check.observe(&[poll(0.08)]);
        assert!(!check.noisier(), "after {index} polls");
    }
}

//! Tables for the judge and the watch.

use std::time::Duration;

use super::*;
use crate::fleet::MetricName;
use crate::spec::{Bound, Judging, OnInconclusive, Sli, SliJudging, WatchPolicy, WatchSubject};
use crate::time::Timestamp;
use crate::traits::{Reading, Sample, SliKind};

fn number(value: f64) -> Number {
    Number::new(value).unwrap()
}

/// A reading with all of its window behind it.
fn by_bound(sli: &Sli, answer: Result<Sample, String>) -> JudgedSli {
    judge(sli, answer, false)
}

fn p95(bound: Bound) -> Sli {
    let metric = MetricName::new("latency_seconds").unwrap();
    let kind = SliKind::Quantile { metric, quantile: Ratio::new(0.95).unwrap() };
    Sli { name: "p95".to_owned(), kind, bound, min_requests: 10, judging: SliJudging::default() }
}

fn sample(reading: Reading) -> Sample {
    Sample { reading, events: Some(100), age: None, warnings: Vec::new(), queries: Vec::new() }
}

#[test]
fn every_reading_has_its_verdict() {
    let hold = |why| SliVerdict::Hold { why };
    let below = Bound::Below(number(0.5));
    let value = |v| Reading::Value { value: number(v) };
    let at_least = |v| Reading::AtLeast { at_least: number(v) };
    let table = [
        (below, value(0.4999), SliVerdict::Green),
        (below, value(0.5), SliVerdict::Red),
        (below, value(7.0), SliVerdict::Red),
        (Bound::Above(number(0.99)), value(0.99), SliVerdict::Red),
        (Bound::Above(number(0.99)), value(0.991), SliVerdict::Green),
        (below, at_least(0.5), SliVerdict::Red),
        (below, at_least(0.25), hold(HoldReason::OutOfBuckets { largest: number(0.25) })),
        (Bound::Above(number(0.1)), at_least(0.25), SliVerdict::Green),
        (below, Reading::NoTraffic, hold(HoldReason::NoTraffic)),
        (below, Reading::Absent, hold(HoldReason::Absent)),
        (below, Reading::Stale, hold(HoldReason::Stale)),
        (below, Reading::NotANumber, hold(HoldReason::NotANumber)),
        (below, Reading::Infinite, hold(HoldReason::Infinite)),
        (below, Reading::SeveralSeries { count: 3 }, hold(HoldReason::SeveralSeries { count: 3 })),
    ];
    for (bound, reading, expected) in table {
        let judged = by_bound(&p95(bound), Ok(sample(reading.clone())));
        assert_eq!(judged.verdict, expected, "{reading:?} against {bound}");
    }
}

#[test]
fn partial_or_scant_data_holds_even_when_it_looks_red() {
    let red = Reading::Value { value: number(9.0) };
    let mut few = sample(red.clone());
    few.events = Some(9);
    let judged = by_bound(&p95(Bound::Below(number(0.5))), Ok(few));
    let why = HoldReason::TooFewRequests { seen: 9, needed: 10 };
    assert_eq!(judged.verdict, SliVerdict::Hold { why });
    let mut warned = sample(red);
    warned.warnings = vec!["info: metric might not be a counter".to_owned()];
    assert_eq!(by_bound(&p95(Bound::Below(number(0.5))), Ok(warned.clone())).verdict, SliVerdict::Red);
    warned.warnings.push("one store did not answer".to_owned());
    let judged = by_bound(&p95(Bound::Below(number(0.5))), Ok(warned));
    assert!(matches!(judged.verdict, SliVerdict::Hold { why: HoldReason::Warnings { .. } }));
    let judged = by_bound(&p95(Bound::Below(number(0.5))), Err("connection refused".to_owned()));
    assert_eq!(judged.to_string(), "p95 held: source down: connection refused");
}

#[test]
fn any_red_wins_then_any_hold() {
    let green = by_bound(&p95(Bound::Below(number(0.5))), Ok(sample(Reading::Value { value: number(0.1) })));
    let red = by_bound(&p95(Bound::Below(number(0.5))), Ok(sample(Reading::Value { value: number(0.6) })));
    let held = by_bound(&p95(Bound::Below(number(0.5))), Ok(sample(Reading::NoTraffic)));
    assert_eq!(overall(&[green.clone(), held.clone(), red.clone()]), Verdict::Red);
    assert_eq!(overall(&[green.clone(), held]), Verdict::Hold);
    assert_eq!(overall(&[green]), Verdict::Green);
    assert_eq!(overall(&[]), Verdict::Hold);
    assert_eq!(red.to_string(), "p95 0.6 (bound < 0.5)");
}

fn policy() -> WatchPolicy {
    WatchPolicy {
        window: Duration::from_secs(60),
        interval: Duration::from_secs(30),
        rate_window: Duration::from_secs(60),
        subject: WatchSubject::Pool,
        slis: vec![p95(Bound::Below(number(0.5)))],
        hold_budget: Duration::from_secs(90),
        on_inconclusive: OnInconclusive::Keep,
        judging: Judging::default(),
    }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + seconds * 1000)
}

fn probe(seconds: u64, verdict: Verdict) -> Observation {
    Observation { verdict, ..Observation::plain(at(seconds), Duration::from_secs(60), Vec::new()) }
}

#[test]
fn two_green_probes_fill_a_window_of_two_intervals() {
    let mut state = WatchState::new(at(0));
    assert_eq!(state.next(&policy()), WatchNext::Probe(at(30)));
    state.observe(&probe(30, Verdict::Green));
    assert_eq!(state.next(&policy()), WatchNext::Probe(at(60)));
    state.observe(&probe(60, Verdict::Green));
    assert_eq!(state.next(&policy()), WatchNext::Green);
}

#[test]
fn the_first_red_probe_decides() {
    let mut state = WatchState::new(at(0));
    state.observe(&probe(30, Verdict::Red));
    assert!(matches!(state.next(&policy()), WatchNext::Red(_)));
}

#[test]
fn an_outage_stretches_the_watch_and_then_outlasts_its_budget() {
    let mut state = WatchState::new(at(0));
    state.observe(&probe(30, Verdict::Green));
    state.observe(&probe(60, Verdict::Hold));
    state.observe(&probe(90, Verdict::Hold));
    assert_eq!(state.next(&policy()), WatchNext::Probe(at(120)));
    state.observe(&probe(120, Verdict::Green));
    assert_eq!(state.next(&policy()), WatchNext::Green);
    let mut state = WatchState::new(at(0));
    for seconds in [30, 60, 90] {
        state.observe(&probe(seconds, Verdict::Hold));
        assert!(matches!(state.next(&policy()), WatchNext::Probe(_)), "held {seconds} s of 90");
    }
    state.observe(&probe(120, Verdict::Hold));
    assert!(matches!(state.next(&policy()), WatchNext::Inconclusive(_)));
}

#[test]
fn time_that_nobody_saw_does_not_count() {
    let mut state = WatchState::new(at(0));
    state.observe(&probe(3600, Verdict::Green));
    assert_eq!(state.covered, Duration::from_secs(60));
    let look_back = WatchState::new(at(0)).look_back(&policy(), at(30));
    assert_eq!(look_back, Duration::from_secs(30), "a probe never looks back past the watch's start");
}

#[test]
fn every_kind_of_hold_is_listed() {
    // Serde names all variants of an enum when it is given another.
    let error = serde_json::from_str::<HoldKind>("\"no such kind\"").unwrap_err().to_string();
    let known = error.matches('`').count() / 2 - 1;
    assert_eq!(known, HoldKind::ALL.len(), "{error}");
    for kind in HoldKind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
}

#[test]
fn numbers_for_people_have_four_digits() {
    let table = [
        (0.0, "0"),
        (0.123_456, "0.1235"),
        (12.345_6, "12.35"),
        (1234.56, "1235"),
        (0.000_012_3, "0.0000123"),
    ];
    for (value, text) in table {
        assert_eq!(round(number(value)), text);
    }
}

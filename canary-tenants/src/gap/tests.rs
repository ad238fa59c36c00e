//! Every code, every effect.

use proptest::prelude::*;

use super::{Breach, Found, GapCode, Judged, Measured, OPEN, Promise, judge};
use crate::policy::{GapKey, ONE};

const SCRAPE: u64 = 30_000_000;

fn promise(limit: u64) -> Promise {
    Promise {
        limit,
        hard_limit: None,
        widens: true,
        scrape: SCRAPE,
        gap: GapKey::ALL.map(GapKey::fallback),
        family: 1,
    }
}

fn events(bad: u64, total: u64) -> Found {
    Found {
        trouble: None,
        samples: Some(11),
        expected: 10,
        age: Some(0),
        before: true,
        lately: true,
        measured: Measured::Events { bad: Some(bad), total },
    }
}

fn brief(judged: &Judged) -> (GapCode, Option<u64>, (u64, u64), Breach) {
    (judged.code, judged.observed, judged.score, judged.breach)
}

#[test]
fn every_gap_has_its_code_and_its_effect() {
    let healthy = events(3, 3000);
    let unknown = |code| (code, None, (0, ONE), Breach::Open);
    let fine = |code, rate| (code, Some(rate), (ONE, ONE), Breach::No);
    let with = |change: fn(&mut Found)| {
        let mut found = healthy.clone();
        change(&mut found);
        found
    };
    for (name, found, expected) in [
        ("healthy", healthy.clone(), fine(GapCode::Ok, 1000)),
        (
            "ended 10 min ago",
            with(|f| (f.samples, f.age, f.measured) = (None, None, Measured::Nothing)),
            unknown(GapCode::Stale),
        ),
        (
            "ended 3 min ago",
            with(|f| (f.samples, f.age) = (Some(5), Some(180_000_000))),
            unknown(GapCode::Stale),
        ),
        ("40 % lost", with(|f| (f.samples, f.age) = (Some(6), Some(SCRAPE))), fine(GapCode::Sparse, 1000)),
        (
            "no traffic",
            with(|f| f.measured = Measured::Events { bad: Some(0), total: 0 }),
            unknown(GapCode::NoTraffic),
        ),
        (
            "no error series",
            with(|f| f.measured = Measured::Events { bad: None, total: 3000 }),
            fine(GapCode::NoErrorSeries, 0),
        ),
        ("new", with(|f| (f.samples, f.before) = (Some(3), false)), unknown(GapCode::New)),
        (
            "one sample",
            with(|f| (f.samples, f.before, f.measured) = (Some(1), false, Measured::Nothing)),
            unknown(GapCode::New),
        ),
        ("thin", with(|f| f.samples = Some(5)), unknown(GapCode::Thin)),
        (
            "never seen",
            with(|f| {
                (f.samples, f.age, f.before, f.lately, f.measured) =
                    (None, None, false, false, Measured::Nothing);
            }),
            unknown(GapCode::Absent),
        ),
        ("twice", with(|f| f.trouble = Some(GapCode::Duplicate)), unknown(GapCode::Duplicate)),
        ("partial", with(|f| f.trouble = Some(GapCode::Partial)), unknown(GapCode::Partial)),
        ("source down", with(|f| f.trouble = Some(GapCode::SourceDown)), unknown(GapCode::SourceDown)),
    ] {
        assert_eq!(brief(&judge(&found, &promise(10_000))), expected, "{name}");
    }
}

#[test]
fn a_limit_is_widened_in_proportion_and_recorded_with_both_values() {
    let mut found = events(105, 10_000);
    found.samples = Some(6);
    let judged = judge(&found, &promise(10_000));
    assert_eq!(
        (judged.limit, judged.limit_adj, judged.coverage, judged.breach),
        (10_000, 11_000, 600_000, Breach::No)
    );
    let capped = judge(&found, &Promise { hard_limit: Some(10_400), ..promise(10_000) });
    assert_eq!((capped.limit_adj, capped.breach), (10_400, Breach::Open));
    let firm = judge(&found, &Promise { widens: false, ..promise(10_000) });
    assert_eq!(firm.limit_adj, 10_000);
    found.samples = Some(11);
    assert_eq!(judge(&found, &promise(10_000)).limit_adj, 10_000);
}

#[test]
fn few_events_prove_nothing_and_many_prove() {
    // 200 requests at 1 %: two bad ones would be at the limit.
    assert_eq!(
        brief(&judge(&events(0, 200), &promise(10_000))),
        (GapCode::Ok, Some(0), (0, ONE), Breach::Open)
    );
    assert_eq!(judge(&events(0, 300), &promise(10_000)).breach, Breach::No);
    assert_eq!(judge(&events(3, 200), &promise(10_000)).breach, Breach::Open);
    // Six of 200 at 1 % are proven alone, and no proof among a thousand promises.
    let alone = judge(&events(6, 200), &promise(10_000));
    let among = judge(&events(6, 200), &Promise { family: 1000, ..promise(10_000) });
    assert_eq!((alone.breach, alone.certain), (Breach::Proven, true));
    assert_eq!((among.breach, among.certain), (Breach::Proven, false));
    let many = judge(&events(30, 200), &promise(10_000));
    assert_eq!((many.breach, many.score), (Breach::Proven, (0, 0)));
    // A little above the limit with plenty of requests: it counts, and it is not proven.
    let little = judge(&events(105, 10_000), &promise(10_000));
    assert_eq!((little.breach, little.score), (Breach::Open, (950_000, 950_000)));
}

#[test]
fn quantiles_are_interpolated_and_the_open_bucket_is_told() {
    let found = |buckets: &[(u64, u64)]| Found {
        measured: Measured::Latencies { q: 950_000, buckets: buckets.to_vec() },
        ..events(0, 0)
    };
    let buckets = [(100_000, 5000), (500_000, 9000), (1_000_000, 10_000), (OPEN, 10_000)];
    let judged = judge(&found(&buckets), &promise(800_000));
    assert_eq!((judged.observed, judged.breach, judged.events), (Some(750_000), Breach::No, 10_000));
    let judged = judge(&found(&buckets), &promise(600_000));
    assert_eq!((judged.breach, judged.score), (Breach::Proven, (750_000, 750_000)));
    let open = [(100_000, 5000), (500_000, 9000), (OPEN, 10_000)];
    assert_eq!(
        brief(&judge(&found(&open), &promise(600_000))),
        (GapCode::TopBucket, None, (0, ONE), Breach::Open)
    );
    let judged = judge(&found(&open), &promise(400_000));
    assert_eq!((judged.code, judged.breach, judged.score), (GapCode::Ok, Breach::Proven, (0, 750_000)));
}

#[test]
fn a_gauge_with_missing_samples_is_known_only_when_it_was_too_much() {
    let found = |samples, seen| Found {
        samples: Some(samples),
        measured: Measured::Gauge(Some(seen)),
        ..events(0, 0)
    };
    let gauge = Promise { widens: false, ..promise(800_000) };
    assert_eq!(judge(&found(10, 700_000), &gauge).breach, Breach::No);
    assert_eq!(
        brief(&judge(&found(7, 700_000), &gauge)),
        (GapCode::Sparse, Some(700_000), (0, ONE), Breach::Open)
    );
    assert_eq!(judge(&found(7, 900_000), &gauge).breach, Breach::Proven);
}

proptest! {
    #[test]
    fn a_score_is_an_interval_within_0_and_1_and_a_gap_is_the_whole(
        bad in proptest::option::of(0_u64..5000), total in 0_u64..100_000, samples in proptest::option::of(0_u64..15),
        age in proptest::option::of(0_u64..200_000_000), before: bool, lately: bool, limit in 1_u64..=1_000_000,
    ) {
        let found = Found { samples, age, before, lately, measured: Measured::Events { bad, total }, ..events(0, 0) };
        let judged = judge(&found, &promise(limit));
        prop_assert!(judged.score.0 <= judged.score.1 && judged.score.1 <= ONE);
        prop_assert!(judged.code.known() || (judged.score == (0, ONE) && judged.breach == Breach::Open));
        prop_assert!(judged.limit_adj >= limit && judged.limit_adj <= limit + limit / 4 + 1);
    }
}

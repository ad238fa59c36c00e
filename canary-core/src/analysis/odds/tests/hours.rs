//! Simulated hours with a fixed seed.

use std::time::Duration;

use super::*;
use crate::analysis::simulate::Random;

const POLL: Duration = Duration::from_secs(30);

/// One table of 100 requests a second with a canary's share, and one share of events for both arms.
fn both(random: &mut Random, canary_share: f64, events: f64) -> Table {
    let mut arm = |share: f64| {
        let requests = random.poisson(3000.0 * share);
        (requests, random.binomial(requests, events))
    };
    Table::new(arm(canary_share), arm(1.0 - canary_share))
}

/// How many of so many hours of a good release are red, with α = 1 %, uncalibrated margin 1 (the hardest case that the
/// theorem covers).
fn red_hours(hours: u32, mut poll: impl FnMut(&mut Random, u32) -> Table) -> u32 {
    let mut random = Random::new(20_261_121);
    let mut red = 0;
    for _ in 0..hours {
        let mut test = OddsTest::new(settings(1.0, 1.0, Some(100_f64.ln())));
        let crosses = (0..120).any(|index| {
            test.observe(&[poll(&mut random, index)], POLL);
            test.ln_e() >= 100_f64.ln()
        });
        red += u32::from(crosses);
    }
    red
}

#[test]
fn good_hours_are_red_in_at_most_one_of_a_hundred() {
    let red = red_hours(2000, |random, _| both(random, 0.5, 0.001));
    assert!(red <= 20, "{red} of 2000");
}

#[test]
fn an_outage_of_both_arms_is_not_the_canarys() {
    let outage = |random: &mut Random, index: u32| {
        both(random, 0.5, if (40..50).contains(&index) { 0.03 } else { 0.001 })
    };
    let red = red_hours(300, outage);
    assert!(red <= 3, "{red} of 300");
}

#[test]
fn a_share_that_grows_with_the_errors_is_not_the_canarys() {
    let ramp = |random: &mut Random, index: u32| match index {
        0..40 => both(random, 0.05, 0.001),
        40..80 => both(random, 0.25, 0.001),
        _ => both(random, 0.5, 0.003),
    };
    let red = red_hours(300, ramp);
    assert!(red <= 3, "{red} of 300");
}

#[test]
fn errors_twice_as_many_are_found_in_most_hours() {
    let mut random = Random::new(7);
    let mut found = 0;
    for _ in 0..50 {
        let mut test = OddsTest::new(settings(1.0, 1.0, Some(100_f64.ln())));
        found += u32::from((0..120).any(|_| {
            let canary = both(&mut random, 0.5, 0.002).canary;
            let baseline = both(&mut random, 0.5, 0.001).baseline;
            test.observe(&[Table { canary, baseline }], POLL);
            test.ln_e() >= 100_f64.ln()
        }));
    }
    assert!(found >= 45, "{found} of 50");
}

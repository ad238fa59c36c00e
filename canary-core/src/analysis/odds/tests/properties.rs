//! What the theory promises of a single table and of the order of polls.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

const GRID: [f64; 5] = [0.1, 0.5, 1.7, 3.8, 8.6];

/// Each possible number of canary events given the margins, with its weight at the odds ratio ψ.
fn law(n1: u64, n0: u64, x: u64, psi: f64) -> Vec<(u64, f64)> {
    let choose = |n: u64, k: u64| (0..k).fold(1.0, |c, i| c * (n - i) as f64 / (i + 1) as f64);
    let range = x.saturating_sub(n0)..=n1.min(x);
    let weights: Vec<(u64, f64)> =
        range.map(|j| (j, choose(n1, j) * choose(n0, x - j) * psi.powi(i32::try_from(j).unwrap()))).collect();
    let all: f64 = weights.iter().map(|(_, w)| w).sum();
    weights.into_iter().map(|(j, w)| (j, w / all)).collect()
}

/// The mean of e^min(l/φ, cap) over the law at ψ, for each δ.
fn means(n1: u64, n0: u64, x: u64, psi: f64, margin: f64, phi: f64, cap: f64) -> Vec<f64> {
    let mut sums = vec![0.0; GRID.len()];
    for (j, weight) in law(n1, n0, x, psi) {
        let mut out = [0.0; GRID.len()];
        increments(Table::new((n1, j), (n0, x - j)), margin.ln(), &GRID, &mut out);
        for (sum, ln_ratio) in sums.iter_mut().zip(out) {
            *sum += weight * (ln_ratio / phi).min(cap).exp();
        }
    }
    sums
}

#[test]
fn the_mean_is_one_at_the_margin_and_less_below() {
    for n1 in 1..=12 {
        for n0 in 1..=12 {
            for x in 1..n1 + n0 {
                for margin in [1.0, 1.25] {
                    for mean in means(n1, n0, x, margin, margin, 1.0, f64::INFINITY) {
                        assert!((mean - 1.0).abs() < 1e-12, "{n1} {n0} {x} at {margin}: {mean}");
                    }
                    for mean in means(n1, n0, x, margin * 0.7, margin, 1.0, f64::INFINITY) {
                        assert!(mean <= 1.0 + 1e-12, "{n1} {n0} {x} below {margin}: {mean}");
                    }
                }
            }
        }
    }
}

#[test]
fn dispersion_and_cap_never_raise_the_mean() {
    for (n1, n0) in [(3, 9), (12, 12), (12, 2), (1, 1)] {
        for x in 1..n1 + n0 {
            for (phi, cap) in [(1.7, f64::INFINITY), (30.0, f64::INFINITY), (1.0, 0.3), (4.0, 1.0)] {
                for mean in means(n1, n0, x, 1.1, 1.1, phi, cap) {
                    assert!(mean <= 1.0 + 1e-12, "{n1} {n0} {x}, phi {phi}, cap {cap}: {mean}");
                }
            }
        }
    }
}

fn tables() -> impl Strategy<Value = Vec<Table>> {
    let arm = || (0_u64..400, 0.0..0.2_f64).prop_map(|(n, p)| (n, (n as f64 * p) as u64));
    prop::collection::vec((arm(), arm()).prop_map(|(canary, baseline)| Table::new(canary, baseline)), 1..12)
}

proptest! {
    #[test]
    fn the_order_of_polls_does_not_matter_without_restarts(
        tables in tables(),
        turn in 0_usize..12,
    ) {
        let everything = OddsSettings { from_start: 1.0, ..settings(1.1, 1.3, Some(4.6)) };
        let run = |tables: &[Table]| {
            let mut test = OddsTest::new(everything);
            tables.iter().for_each(|table| test.observe(&[*table], Duration::from_secs(30)));
            test.ln_e()
        };
        let mut turned = tables.clone();
        turned.rotate_left(turn % tables.len());
        turned.reverse();
        prop_assert!((run(&tables) - run(&turned)).abs() < 1e-9);
    }

    #[test]
    fn a_table_adds_finite_evidence_however_odd(
        n1 in 0_u64..100_000, x1 in 0_u64..100_000, n0 in 0_u64..100_000, x0 in 0_u64..100_000,
    ) {
        let mut test = OddsTest::new(settings(1.25, 1.0, None));
        test.observe(&[Table::new((n1, x1), (n0, x0))], Duration::from_secs(30));
        prop_assert!(test.ln_e().is_finite());
    }

    #[test]
    fn state_reads_back_to_the_same_bits(tables in tables(), rest in tables()) {
        let run = |test: &mut OddsTest, tables: &[Table]| {
            tables.iter().for_each(|table| test.observe(&[*table], Duration::from_secs(10)));
        };
        let mut test = OddsTest::new(settings(1.1, 1.2345, Some(4.6)));
        run(&mut test, &tables);
        let mut read: OddsTest = serde_json::from_str(&serde_json::to_string(&test).unwrap()).unwrap();
        prop_assert_eq!(&read, &test);
        run(&mut test, &rest);
        run(&mut read, &rest);
        prop_assert_eq!(read.ln_e().to_bits(), test.ln_e().to_bits());
    }
}

#[test]
fn tables_that_tell_nothing_add_nothing() {
    let full_start = OddsSettings { from_start: 1.0, ..settings(1.1, 1.0, None) };
    let mut test = OddsTest::new(full_start);
    test.observe(&[Table::new((100, 3), (100, 1))], Duration::from_secs(30));
    let before = test.clone();
    for table in [
        Table::default(),
        Table::new((0, 0), (50, 3)),
        Table::new((50, 3), (0, 0)),
        Table::new((50, 0), (50, 0)),
        Table::new((50, 50), (20, 20)),
    ] {
        test.observe(&[table], Duration::from_secs(30));
        assert_eq!(test, before, "{table:?}");
    }
    let mut test = OddsTest::new(settings(1.1, 1.0, None));
    test.observe(&[Table::default()], Duration::from_secs(30));
    assert!(test.ln_e().abs() < 1e-12, "prior moves from the reserve, its sum stays 1");
}

#[test]
fn strata_are_added_before_the_cap() {
    let cap = Some(1.0);
    let bad = Table::new((500, 30), (500, 1));
    let mut together = OddsTest::new(settings(1.1, 1.0, cap));
    together.observe(&[bad, bad], Duration::from_secs(30));
    let mut apart = OddsTest::new(settings(1.1, 1.0, cap));
    apart.observe(&[bad], Duration::from_secs(30));
    assert!((together.ln_e() - apart.ln_e()).abs() < 1e-12, "one poll adds one cap, however many strata");
}

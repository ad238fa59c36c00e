//! The scenarios of each table.

use canary_core::analysis::simulate::Random;

use crate::scenario::{Common, Effect, Noise, Scenario, Sli};

/// Requests a second of the noisy rows.
pub(crate) const RATES: [f64; 3] = [10.0, 100.0, 1000.0];

/// Ideal hours of a good release: errors, then latency.
pub(crate) fn ideal(latency: bool) -> Vec<Scenario> {
    let new = if latency { Scenario::latency } else { Scenario::errors };
    let shares = [(0.5, "1:1"), (0.1, "1:9")];
    let rows = shares.into_iter().flat_map(|share| [1.0, 10.0, 100.0, 1000.0].map(|rps| (rps, share)));
    rows.map(|(rps, (share, split))| Scenario { rps, share, ..new(format!("{rps} rps, {split}")) }).collect()
}

const fn noise() -> Noise {
    Noise { icc: 0.0, cluster: 0.0, geometric: false, bias: 1.0, jitter: 0.0, correlation: 0.0 }
}

const fn icc(icc: f64) -> Noise {
    Noise { icc, ..noise() }
}

const fn cluster(cluster: f64, geometric: bool) -> Noise {
    Noise { cluster, geometric, ..noise() }
}

const fn jitter(jitter: f64, correlation: f64) -> Noise {
    Noise { jitter, correlation, ..noise() }
}

/// Hours of a good release with trouble of both arms, or with noisy or unequal nodes that were so before.
pub(crate) fn trouble(latency: bool) -> Vec<Scenario> {
    if latency { slow_trouble() } else { failing_trouble() }
}

fn failing_trouble() -> Vec<Scenario> {
    let common = |name: &str, common| Scenario { common, ..Scenario::errors(name) };
    let noisy = |name: &str, noise| Scenario { noise, ..Scenario::errors(name) };
    vec![
        common("both ×2 for 10 min", Common::Factor(2.0, 10)),
        common("both 3 % for 5 min", Common::Factor(30.0, 5)),
        common("traffic ±50 %, errors to ×3", Common::Diurnal),
        common("share 5, 25, 50 %, last ×3", Common::Ramp(3.0)),
        noisy("correlated 1e-4", icc(1e-4)),
        noisy("correlated 1e-3", icc(1e-3)),
        noisy("correlated 5e-3", icc(5e-3)),
        noisy("clusters of 5", cluster(5.0, false)),
        noisy("clusters of 20", cluster(20.0, false)),
        noisy("node 1.1 times worse", Noise { bias: 1.1, ..noise() }),
        noisy("node 1.25 times worse", Noise { bias: 1.25, ..noise() }),
    ]
}

fn slow_trouble() -> Vec<Scenario> {
    let common = |name: &str, common| Scenario { common, ..Scenario::latency(name) };
    let noisy = |name: &str, noise| Scenario { noise, ..Scenario::latency(name) };
    vec![
        common("both ×2 for 10 min", Common::Factor(2.0, 10)),
        common("both ×3 for 5 min", Common::Factor(3.0, 5)),
        common("share 5, 25, 50 %, last ×2", Common::Ramp(2.0)),
        noisy("jitter 2 %", jitter(0.02, 0.0)),
        noisy("jitter 5 %", jitter(0.05, 0.0)),
        noisy("drift 5 %, AR 0.9", jitter(0.05, 0.9)),
        noisy("drift 10 %, AR 0.9", jitter(0.10, 0.9)),
        noisy("node 10 % slower", Noise { bias: 1.1, ..noise() }),
        noisy("node 10 % slower, drift 5 %", Noise { bias: 1.1, ..jitter(0.05, 0.9) }),
    ]
}

/// Good releases under noise that was not used when the settings were chosen, and histories quieter than the watch.
pub(crate) fn held_out(latency: bool) -> Vec<Scenario> {
    if latency {
        let noisy = |name: &str, noise| Scenario { noise, ..Scenario::latency(name) };
        let narrow = Sli::Latency { p50: 0.02, sigma: 1.2 };
        return vec![
            noisy("drift 5 %, AR 0.98", jitter(0.05, 0.98)),
            noisy("drift 10 %, AR 0.98", jitter(0.10, 0.98)),
            Scenario {
                history: Some(jitter(0.05, 0.9)),
                ..noisy("drift 10 %, history 5 %", jitter(0.10, 0.9))
            },
            Scenario { history: Some(noise()), ..noisy("drift 5 %, history quiet", jitter(0.05, 0.9)) },
            Scenario { sli: narrow, ..Scenario::latency("p50 20 ms, σ 1.2") },
            Scenario { sli: narrow, ..noisy("p50 20 ms, σ 1.2, drift 5 %", jitter(0.05, 0.9)) },
        ];
    }
    let noisy = |name: &str, noise| Scenario { noise, ..Scenario::errors(name) };
    vec![
        noisy("geometric clusters, mean 3", cluster(3.0, true)),
        noisy("geometric clusters, mean 10", cluster(10.0, true)),
        Scenario { history: Some(icc(1e-3)), ..noisy("correlated 5e-3, history 1e-3", icc(5e-3)) },
        Scenario { history: Some(noise()), ..noisy("correlated 1e-3, history quiet", icc(1e-3)) },
        Scenario { sli: Sli::Errors { ratio: 0.01 }, ..Scenario::errors("baseline 1 %") },
    ]
}

/// Good releases whose numbers are drawn by the seed: nobody chose a setting on them.
pub(crate) fn fresh(latency: bool, seed: u64) -> Vec<Scenario> {
    let mut random = Random::new(seed ^ u64::from(latency));
    (0..6).map(|_| if latency { fresh_slow(&mut random) } else { fresh_failing(&mut random) }).collect()
}

fn between(random: &mut Random, low: f64, high: f64) -> f64 {
    (low.ln() + random.uniform() * (high / low).ln()).exp()
}

fn fresh_failing(random: &mut Random) -> Scenario {
    let ratio = between(random, 2e-4, 2e-2);
    let share = between(random, 0.1, 0.5);
    let noise = match random.bits() % 3 {
        0 => icc(between(random, 1e-5, 1e-2)),
        1 => cluster(between(random, 2.0, 30.0), true),
        _ => Noise { bias: between(random, 1.05, 1.5), ..noise() },
    };
    let what = format!("{:.2} % errors, canary {:.0} %, {}", 100.0 * ratio, 100.0 * share, told(&noise));
    Scenario { sli: Sli::Errors { ratio }, share, noise, ..Scenario::errors(what) }
}

fn fresh_slow(random: &mut Random) -> Scenario {
    let (p50, sigma) = (between(random, 0.01, 0.4), between(random, 0.4, 1.4));
    let share = between(random, 0.1, 0.5);
    let bias = if random.bits().is_multiple_of(2) { 1.0 } else { between(random, 1.02, 1.15) };
    let wobble = jitter(between(random, 0.01, 0.1), 0.98 * random.uniform());
    let noise = Noise { bias, ..wobble };
    let what =
        format!("p50 {:.0} ms, σ {sigma:.1}, canary {:.0} %, {}", 1000.0 * p50, 100.0 * share, told(&noise));
    Scenario { sli: Sli::Latency { p50, sigma }, share, noise, ..Scenario::latency(what) }
}

fn told(noise: &Noise) -> String {
    let mut parts = Vec::new();
    if noise.icc > 0.0 {
        parts.push(format!("correlated {:.0e}", noise.icc));
    }
    if noise.cluster > 1.0 {
        parts.push(format!("geometric clusters, mean {:.0}", noise.cluster));
    }
    if noise.bias > 1.0 {
        parts.push(format!("node {:.2} times worse", noise.bias));
    }
    if noise.jitter > 0.0 {
        parts.push(format!("drift {:.0} %, AR {:.2}", 100.0 * noise.jitter, noise.correlation));
    }
    parts.join(", ")
}

/// A bad release, and the median delay that our judge is to reach (without the one probe that is allowed on top).
pub(crate) type Regression = (Scenario, Option<u32>);

/// Bad releases by error ratio.
pub(crate) fn failing() -> Vec<Regression> {
    let rows = [
        ("×1.5", Effect::Times(1.5), 100.0, 0.5, None),
        ("×1.5", Effect::Times(1.5), 1000.0, 0.5, Some(630)),
        ("×1.5", Effect::Times(1.5), 1000.0, 0.1, Some(1500)),
        ("×2", Effect::Times(2.0), 10.0, 0.5, None),
        ("×2", Effect::Times(2.0), 100.0, 0.5, Some(1410)),
        ("×2", Effect::Times(2.0), 1000.0, 0.5, Some(150)),
        ("×2", Effect::Times(2.0), 100.0, 0.1, Some(3270)),
        ("×2", Effect::Times(2.0), 1000.0, 0.1, Some(390)),
        ("×5", Effect::Times(5.0), 1.0, 0.5, None),
        ("×5", Effect::Times(5.0), 10.0, 0.5, Some(1410)),
        ("×5", Effect::Times(5.0), 100.0, 0.5, Some(150)),
        ("×5", Effect::Times(5.0), 1000.0, 0.5, Some(60)),
        ("×5", Effect::Times(5.0), 10.0, 0.1, Some(3090)),
        ("×5", Effect::Times(5.0), 100.0, 0.1, Some(330)),
        ("×5", Effect::Times(5.0), 1000.0, 0.1, Some(60)),
        ("+5 points", Effect::Plus(0.05), 1.0, 0.5, Some(660)),
        ("+5 points", Effect::Plus(0.05), 10.0, 0.5, Some(90)),
        ("+5 points", Effect::Plus(0.05), 100.0, 0.5, Some(60)),
        ("+5 points", Effect::Plus(0.05), 1000.0, 0.5, Some(60)),
        ("+5 points", Effect::Plus(0.05), 1.0, 0.1, Some(1260)),
        ("+5 points", Effect::Plus(0.05), 10.0, 0.1, Some(120)),
        ("+5 points", Effect::Plus(0.05), 100.0, 0.1, Some(60)),
    ];
    rows.into_iter().map(|row| regression(Scenario::errors, row)).collect()
}

/// Bad releases by latency.
pub(crate) fn slow() -> Vec<Regression> {
    let tail = Effect::Tail(0.02, 10.0);
    let rows = [
        ("+10 %", Effect::Slower(1.1), 100.0, 0.5, None),
        ("+10 %", Effect::Slower(1.1), 1000.0, 0.5, Some(1110)),
        ("+30 %", Effect::Slower(1.3), 1.0, 0.5, Some(3210)),
        ("+30 %", Effect::Slower(1.3), 10.0, 0.5, Some(360)),
        ("+30 %", Effect::Slower(1.3), 100.0, 0.5, Some(60)),
        ("+30 %", Effect::Slower(1.3), 1000.0, 0.5, Some(60)),
        ("+30 %", Effect::Slower(1.3), 10.0, 0.1, Some(900)),
        ("+30 %", Effect::Slower(1.3), 100.0, 0.1, Some(120)),
        ("+30 %", Effect::Slower(1.3), 1000.0, 0.1, Some(60)),
        ("×2", Effect::Slower(2.0), 1.0, 0.5, Some(270)),
        ("×2", Effect::Slower(2.0), 10.0, 0.5, Some(60)),
        ("×2", Effect::Slower(2.0), 100.0, 0.5, Some(60)),
        ("×2", Effect::Slower(2.0), 1.0, 0.1, Some(660)),
        ("×2", Effect::Slower(2.0), 10.0, 0.1, Some(90)),
        ("2 % take ×10", tail, 1.0, 0.5, None),
        ("2 % take ×10", tail, 10.0, 0.5, Some(750)),
        ("2 % take ×10", tail, 100.0, 0.5, Some(90)),
        ("2 % take ×10", tail, 1000.0, 0.5, Some(60)),
        ("2 % take ×10", tail, 10.0, 0.1, Some(1560)),
        ("2 % take ×10", tail, 100.0, 0.1, Some(180)),
        ("2 % take ×10", tail, 1000.0, 0.1, Some(60)),
    ];
    rows.into_iter().map(|row| regression(Scenario::latency, row)).collect()
}

/// Bad releases that turn bad after 20 minutes, or on noisy nodes.
pub(crate) fn late() -> Vec<Regression> {
    let errors = [
        ("×2 after 20 min", Effect::Times(2.0), 1000.0, 0.5, Some(240)),
        ("×5 after 20 min", Effect::Times(5.0), 100.0, 0.5, Some(240)),
        ("×5 after 20 min", Effect::Times(5.0), 1000.0, 0.5, Some(90)),
        ("+5 points after 20 min", Effect::Plus(0.05), 10.0, 0.5, Some(90)),
        ("+5 points after 20 min", Effect::Plus(0.05), 100.0, 0.5, Some(60)),
    ];
    let latency = [
        ("+30 % after 20 min", Effect::Slower(1.3), 10.0, 0.5, Some(510)),
        ("+30 % after 20 min", Effect::Slower(1.3), 100.0, 0.5, Some(90)),
        ("2 % take ×10 after 20 min", Effect::Tail(0.02, 10.0), 100.0, 0.5, Some(150)),
    ];
    let noisy = |new: fn(String) -> Scenario, row, noise: Noise| {
        let (scenario, goal) = regression(new, row);
        (Scenario { noise, ..scenario }, goal)
    };
    let onset = |(scenario, goal): Regression| (Scenario { onset: 1200, ..scenario }, goal);
    let mut rows: Vec<Regression> =
        errors.into_iter().map(|row| onset(regression(Scenario::errors, row))).collect();
    rows.extend(latency.into_iter().map(|row| onset(regression(Scenario::latency, row))));
    rows.extend([
        noisy(
            Scenario::errors,
            ("×5, correlated 1e-3", Effect::Times(5.0), 100.0, 0.5, Some(360)),
            icc(1e-3),
        ),
        noisy(
            Scenario::errors,
            ("×5, clusters of 5", Effect::Times(5.0), 1000.0, 0.5, Some(90)),
            cluster(5.0, false),
        ),
        noisy(
            Scenario::latency,
            ("+30 %, drift 5 %", Effect::Slower(1.3), 100.0, 0.5, Some(660)),
            jitter(0.05, 0.9),
        ),
        noisy(
            Scenario::latency,
            ("×2, drift 5 %", Effect::Slower(2.0), 100.0, 0.5, Some(60)),
            jitter(0.05, 0.9),
        ),
    ]);
    rows
}

type Row = (&'static str, Effect, f64, f64, Option<u32>);

fn regression(new: fn(String) -> Scenario, (name, effect, rps, share, goal): Row) -> Regression {
    let split = if share < 0.5 { "1:9" } else { "1:1" };
    (Scenario { effect, rps, share, ..new(format!("{name}, {rps} rps, {split}")) }, goal)
}

//! The reference numbers (computed with 60 digits), each to 1e-9.

use std::time::Duration;

use serde::Deserialize;

use super::super::logs::ln_sum_exp;
use super::*;

#[derive(Deserialize)]
struct Vectors {
    grid_red: Vec<f64>,
    grid_green: Vec<f64>,
    increment: Vec<Increment>,
    red_sequence: Vec<RedSequence>,
    green_sequence: Vec<GreenSequence>,
    calibration: Vec<CalibrationVector>,
    combine: Vec<Combine>,
    latency: Vec<Latency>,
    bucket_delta: Vec<BucketDelta>,
    decision: Vec<Decision>,
}

type Poll = [u64; 4];

#[derive(Deserialize)]
struct Increment {
    n1: u64,
    x1: u64,
    n0: u64,
    x0: u64,
    m: f64,
    log_e: Vec<f64>,
    #[serde(rename = "green_M2_log_e")]
    green: Vec<f64>,
}

#[derive(Deserialize)]
struct RedSequence {
    name: String,
    m: f64,
    phi: f64,
    cap: Option<f64>,
    rho0: f64,
    window_polls: u64,
    polls: Vec<Poll>,
    log_e: Vec<f64>,
}

#[derive(Deserialize)]
struct GreenSequence {
    name: String,
    #[serde(rename = "M")]
    ruled_out: f64,
    phi: f64,
    polls: Vec<Poll>,
    log_e: Vec<f64>,
}

#[derive(Deserialize)]
struct CalibrationVector {
    name: String,
    blocks: Vec<usize>,
    polls: Vec<Poll>,
    phi: f64,
    ln_offset: f64,
}

#[derive(Deserialize)]
struct Combine {
    weights: Vec<f64>,
    log_e: Vec<f64>,
    log_e_total: f64,
}

#[derive(Deserialize)]
struct Latency {
    le: Vec<f64>,
    canary_cumulative: Vec<Vec<u64>>,
    baseline_cumulative: Vec<Vec<u64>>,
    m: f64,
    phi: f64,
    cap: Option<f64>,
    rho0: f64,
    window_polls: u64,
    weights: Vec<f64>,
    log_e_per_boundary: Vec<f64>,
    log_e: f64,
}

#[derive(Deserialize)]
struct BucketDelta {
    cumulative_prev: Vec<u64>,
    cumulative_now: Vec<u64>,
    n: u64,
    exceed: Vec<u64>,
}

#[derive(Deserialize)]
struct Decision {
    log_e: f64,
    alpha: f64,
    red: bool,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("statistics.json")).unwrap()
}

fn table([n1, x1, n0, x0]: Poll) -> Table {
    Table::new((n1, x1), (n0, x0))
}

#[track_caller]
fn close(ours: f64, reference: f64, what: &str) {
    assert!((ours - reference).abs() < 1e-9, "{what}: {ours} instead of {reference}");
}

const POLL: Duration = Duration::from_secs(30);

fn fixed(margin: f64, phi: f64, cap: Option<f64>, from_start: f64, polls: u64) -> OddsSettings {
    let window = POLL * u32::try_from(polls).unwrap();
    OddsSettings { margin, ln_offset: 0.0, phi, cap, from_start, window }
}

#[test]
fn increments_of_single_tables() {
    let vectors = vectors();
    assert_eq!(vectors.increment.len(), 17);
    for v in &vectors.increment {
        let table = table([v.n1, v.x1, v.n0, v.x0]);
        for (grid, margin, reference) in
            [(&vectors.grid_red, v.m, &v.log_e), (&vectors.grid_green, 2.0, &v.green)]
        {
            let mut out = vec![f64::NAN; grid.len()];
            increments(table, margin.ln(), grid, &mut out);
            for (ours, reference) in out.iter().zip(reference) {
                close(*ours, *reference, &format!("{table:?} at margin {margin}"));
            }
        }
    }
}

#[test]
fn sequences_of_polls() {
    let vectors = vectors();
    assert_eq!((vectors.red_sequence.len(), vectors.green_sequence.len()), (8, 3));
    for v in &vectors.red_sequence {
        let mut test = OddsTest::new(fixed(v.m, v.phi, v.cap, v.rho0, v.window_polls));
        for (poll, reference) in v.polls.iter().zip(&v.log_e) {
            test.observe(&[table(*poll)], POLL);
            close(test.ln_e(), *reference, &v.name);
        }
    }
    for v in &vectors.green_sequence {
        let mut test = NonInferiority::new(v.ruled_out, v.phi);
        for (poll, reference) in v.polls.iter().zip(&v.log_e) {
            test.observe(&[table(*poll)]);
            close(test.ln_e(), *reference, &v.name);
        }
    }
}

#[test]
fn calibrations() {
    for v in vectors().calibration {
        let polls: Vec<[Table; 1]> = v.polls.iter().map(|poll| [table(*poll)]).collect();
        let calibration = Calibration::from_blocks(&polls, &v.blocks);
        close(calibration.phi, v.phi, &v.name);
        close(calibration.ln_offset, v.ln_offset, &v.name);
    }
}

#[test]
fn averages_of_e_values() {
    for v in vectors().combine {
        let terms: Vec<f64> = v.weights.iter().zip(&v.log_e).map(|(w, e)| w.ln() + e).collect();
        close(ln_sum_exp(terms.iter().copied()), v.log_e_total, "combined");
    }
}

#[test]
fn histograms_over_two_polls() {
    for v in vectors().latency {
        let window = POLL * u32::try_from(v.window_polls).unwrap();
        let tables = v.le.iter().map(|le| OddsTable {
            bound: Some(*le),
            calibration: Some(Calibration {
                phi: v.phi,
                ln_offset: 0.0,
                steps: StepScatter::default(),
                history: Duration::ZERO,
            }),
            for_green: false,
            absolute: None,
        });
        assert!(v.weights.iter().all(|w| *w == 1.0 / v.le.len() as f64));
        let sli =
            OddsSli { margin: v.m, tables: tables.collect(), ..OddsSli::latency("p95", &[], None, |_| None) };
        let policy = OddsPolicy { window, from_start: v.rho0, ..OddsPolicy::default() };
        close(policy.ln_needed(), v.cap.unwrap(), "the cap is ln(1/alpha)");
        let mut watch = OddsWatch::new(policy, &[sli]);
        let mut last = None;
        let polls = v.canary_cumulative.iter().zip(&v.baseline_cumulative);
        let mut before = (vec![0; v.le.len() + 1], vec![0; v.le.len() + 1]);
        for (canary, baseline) in polls {
            let grown = |now: &[u64], before: &[u64]| {
                let mut arm = ArmHistogram::default();
                arm.add(&now.iter().zip(before).map(|(now, before)| now - before).collect::<Vec<_>>());
                arm
            };
            let (c, b) = (grown(canary, &before.0), grown(baseline, &before.1));
            before = (canary.clone(), baseline.clone());
            let strata = |bucket| {
                let canary = (c.requests(), c.slower_than(bucket));
                vec![Table::new(canary, (b.requests(), b.slower_than(bucket)))]
            };
            last = Some(watch.observe(&[(0..v.le.len()).map(strata).collect()], POLL));
        }
        let judgement = last.unwrap();
        close(judgement.evidence.ln_e, v.log_e, "all bounds together");
        let largest = v.log_e_per_boundary.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        close(judgement.evidence.ln_e_table, largest, "the bound that leads");
    }
}

#[test]
fn growth_of_histograms() {
    for v in vectors().bucket_delta {
        let mut memory = CounterMemory::default();
        let at = crate::time::Timestamp::from_millis;
        let reading = |ms, values| SeriesReading { node: "n", series: "", at: at(ms), values };
        memory.advance([reading(1, v.cumulative_prev.as_slice())], |_, _| {});
        let mut arm = ArmHistogram::default();
        memory.advance([reading(2, v.cumulative_now.as_slice())], |_, grown| arm.add(grown));
        let exceed: Vec<u64> = (0..v.exceed.len()).map(|bucket| arm.slower_than(bucket)).collect();
        assert_eq!((arm.requests(), exceed), (v.n, v.exceed));
    }
}

#[test]
fn red_at_one_over_alpha() {
    for v in vectors().decision {
        let policy = OddsPolicy { alpha: v.alpha, ..OddsPolicy::default() };
        assert_eq!(v.log_e >= policy.ln_needed(), v.red, "{} at {}", v.log_e, v.alpha);
    }
}

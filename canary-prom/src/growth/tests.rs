use super::*;

fn selector() -> Selector {
    Selector::new(&"m".parse().unwrap(), "").equal(&"job".parse().unwrap(), "api")
}

#[test]
fn the_question_names_every_series_a_step_ago() {
    let node = "instance".parse().unwrap();
    let minute = Duration::from_secs(60);
    assert_eq!(
        expression(&selector(), "code", &node, minute),
        "sum by (instance, code) ((m{job=\"api\"} - (m{job=\"api\"} offset 60000ms <= m{job=\"api\"})) \
         or (m{job=\"api\"} and on (instance) m{job=\"api\"} offset 60000ms))"
    );
    assert_eq!(
        expression(&selector(), BOUND, &node, minute),
        "sum by (instance, le) (clamp_min(m{job=\"api\"} - (m{job=\"api\"} offset 60000ms and ignoring (le) \
         (m{job=\"api\",le=~\"[+]?[Ii]nf\"} offset 60000ms <= m{job=\"api\",le=~\"[+]?[Ii]nf\"})), 0) \
         or (m{job=\"api\"} and on (instance) m{job=\"api\"} offset 60000ms))"
    );
}

#[test]
fn steps_are_whole_and_end_at_the_instant() {
    let (at, second) = (Timestamp::from_millis(100_250), Duration::from_secs(1));
    let steps = Steps::new(at, Duration::from_millis(3900), second).unwrap();
    assert_eq!((steps.count, steps.first, steps.end(2)), (3, Timestamp::from_millis(98_250), at));
    let found = [97.25, 98.25, 99.251, 100.249, 101.25].map(|seconds| steps.ending(seconds));
    assert_eq!(found, [None, Some(0), Some(1), Some(2), None]);
    for (covers, step) in [(0, 1), (1, 2), (2001, 1), (5, 0)] {
        let error = Steps::new(at, second * covers, second * step).unwrap_err();
        assert!(error.message().ends_with("is not 1 to 2000 steps"), "{}", error.chain());
    }
}

type Cell<'a> = &'a [(f64, f64)];

fn cells(nodes: &[(&str, &[Cell<'_>])]) -> Grown {
    let steps =
        Steps::new(Timestamp::from_millis(9000), Duration::from_secs(3), Duration::from_secs(1)).unwrap();
    let nodes = nodes
        .iter()
        .map(|(node, cells)| (NodeId::new(node).unwrap(), cells.iter().map(|cell| cell.to_vec()).collect()));
    Grown { steps, nodes: nodes.collect() }
}

const INF: f64 = f64::INFINITY;

#[test]
fn what_was_counted_in_other_buckets_is_not_known() {
    let grown = cells(&[
        ("a", &[&[(2.0, 1.0), (INF, 1.0)], &[(INF, 3.0), (1.0, 2.0)], &[]]),
        ("b", &[&[], &[(1.0, 4.0), (INF, 5.9)], &[]]),
    ]);
    let bounds = grown.bounds().unwrap();
    assert_eq!(bounds, [1.0, INF]);
    let steps = |node| grown.of(&NodeId::new(node).unwrap(), &bounds).unwrap().steps;
    let empty = Vec::new;
    assert_eq!(steps("a"), [empty(), vec![2, 3], empty()]);
    assert_eq!(steps("b"), [empty(), vec![4, 5], empty()]);
    assert_eq!(steps("c"), [empty(), empty(), empty()]);
    assert_eq!(cells(&[]).bounds(), Ok(Vec::new()));
}

#[test]
fn what_cannot_be_counted_from_is_refused() {
    let bounds = |a: &[(f64, f64)], b: &[(f64, f64)]| {
        let error = cells(&[("a", &[&[], &[], a]), ("b", &[&[], &[], b])]).bounds().unwrap_err();
        error.to_string()
    };
    let good = [(1.0, 1.0), (INF, 1.0)];
    assert_eq!(bounds(&[(1.0, 1.0)], &good), "series a has no bucket le=\"+Inf\"");
    assert_eq!(bounds(&[(INF, 1.0)], &good), "series a has no bucket with a finite bound");
    assert_eq!(
        bounds(&good, &[(2.0, 1.0), (INF, 1.0)]),
        "not every series has a bucket le=1: b and others differ"
    );
    let grown = cells(&[("a", &[&[(1.0, f64::NAN), (INF, 1.0)]])]);
    let error = grown.of(&NodeId::new("a").unwrap(), &[1.0, INF]).unwrap_err();
    assert_eq!(error.to_string(), "series a holds NaN, not a count");
}

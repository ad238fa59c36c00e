use canary_core::analysis::Ratio;

use super::*;

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn raw(node: &str, pairs: &[(&str, &str)], samples: &[(u64, f64)]) -> RawSeries {
    let samples = samples.iter().map(|(s, value)| (Timestamp::from_millis(s * 1000), *value)).collect();
    RawSeries { node: NodeId::new(node).unwrap(), labels: labels(pairs), samples }
}

fn p95() -> SliKind {
    SliKind::Quantile { metric: "lat".parse().unwrap(), quantile: Ratio::new(0.95).unwrap() }
}

fn errors() -> SliKind {
    SliKind::ErrorRatio { metric: "req_total".parse().unwrap(), status_label: "status".parse().unwrap() }
}

/// All of it as one text: bounds, then a line a series.
fn shown(kind: &SliKind, raw: Vec<RawSeries>) -> String {
    match assemble(kind, raw) {
        Err(error) => error.to_string(),
        Ok((bounds, series)) => {
            let bounds: Vec<_> = bounds.iter().map(|bound| bound.value()).collect();
            let lines = series.iter().map(|one| {
                format!("{} {} @{} {:?}", one.node, one.series, one.at.as_millis() / 1000, one.values)
            });
            format!("{bounds:?}\n{}", lines.collect::<Vec<_>>().join("\n"))
        }
    }
}

#[test]
fn requests_are_told_by_status_and_whole() {
    let all = vec![
        raw("b", &[("status", "200")], &[(1, 1.0), (2, 7.9)]),
        raw("a", &[("status", "503"), ("path", "/")], &[(3, 4.0)]),
        raw("a", &[("status", "200"), ("path", "/")], &[(3, 5.0)]),
        raw("a", &[("path", "/")], &[(3, 6.0)]),
        raw("a", &[("status", "5xx0"), ("path", "/")], &[(3, 7.0)]),
    ];
    assert_eq!(
        shown(&errors(), all),
        "[]\n\
         a {path=\"/\",status=\"200\"} @3 [5, 5]\n\
         a {path=\"/\",status=\"503\"} @3 [0, 4]\n\
         a {path=\"/\",status=\"5xx0\"} @3 [7, 7]\n\
         a {path=\"/\"} @3 [6, 6]\n\
         b {status=\"200\"} @2 [7, 7]"
    );
}

#[test]
fn buckets_of_one_scrape_become_one_series() {
    let all = vec![
        raw("a", &[("le", "+Inf")], &[(1, 4.0), (2, 9.0)]),
        raw("a", &[("le", "10")], &[(1, 3.0), (2, 8.0)]),
        raw("a", &[("le", "2.5")], &[(1, 2.0), (2, 5.0)]),
        raw("a", &[("le", "2.5"), ("r", "x")], &[(1, 0.0)]),
        raw("a", &[("le", "1e1"), ("r", "x")], &[(1, 0.0)]),
        raw("a", &[("le", "inf"), ("r", "x")], &[(1, 1.0)]),
    ];
    assert_eq!(shown(&p95(), all), "[2.5, 10.0]\na {r=\"x\"} @1 [0, 0, 1]\na {} @2 [5, 8, 9]");
}

#[test]
fn samples_of_another_scrape_are_not_mixed_in() {
    let all = vec![
        raw("a", &[("le", "+Inf")], &[(1, 4.0), (2, 6.0)]),
        // Not exposed any more, and the same bound as it is spelt now.
        raw("a", &[("le", "0.5")], &[(1, 3.0)]),
        raw("a", &[("le", "1")], &[(1, 3.0)]),
        raw("a", &[("le", "1.0")], &[(2, 5.0)]),
        // Already of the next scrape.
        raw("a", &[("le", "2")], &[(2, 5.0), (3, 50.0)]),
    ];
    assert_eq!(shown(&p95(), all), "[1.0, 2.0]\na {} @2 [5, 5, 6]");
}

#[test]
fn what_is_no_histogram_is_refused_by_name_and_bound() {
    let bucket = |node, le: &'static str, count| raw(node, &[("le", le), ("r", "x")], &[(1, count)]);
    let cases = [
        (vec![bucket("a", "1", 1.0)], "series {r=\"x\"} has no bucket le=\"+Inf\""),
        (vec![bucket("a", "+Inf", 1.0)], "series {r=\"x\"} has no bucket with a finite bound"),
        (vec![bucket("a", "one", 1.0)], "a bucket of series {r=\"x\"} has le=\"one\", not a number"),
        (vec![bucket("a", "NaN", 1.0)], "a bucket of series {r=\"x\"} has le=\"NaN\", not a number"),
        (vec![bucket("a", "-Inf", 1.0)], "a bucket of series {r=\"x\"} has le=\"-Inf\", not a number"),
        (
            vec![bucket("a", "1", 2.0), bucket("a", "+Inf", 1.0)],
            "series {r=\"x\"} counts less in the bucket le=inf than in the one before",
        ),
        (
            vec![bucket("a", "1", 1.0), bucket("a", "1.0", 1.0), bucket("a", "+Inf", 1.0)],
            "series {r=\"x\"} has two buckets le=1",
        ),
        (
            vec![bucket("a", "1", f64::NAN), bucket("a", "+Inf", 1.0)],
            "series {r=\"x\"} holds NaN, not a count",
        ),
        (vec![bucket("a", "1", -1.0), bucket("a", "+Inf", 1.0)], "series {r=\"x\"} holds -1, not a count"),
        (
            vec![bucket("a", "1", 0.0), bucket("a", "+Inf", f64::INFINITY)],
            "series {r=\"x\"} holds inf, not a count",
        ),
        (
            vec![
                bucket("a", "1", 0.0),
                bucket("a", "+Inf", 1.0),
                bucket("b", "1", 0.0),
                bucket("b", "2", 0.0),
                bucket("b", "+Inf", 1.0),
            ],
            "not every series has a bucket le=2: {r=\"x\"} and others differ",
        ),
    ];
    for (raw, says) in cases {
        assert_eq!(shown(&p95(), raw), says);
    }
    assert_eq!(shown(&errors(), vec![raw("a", &[], &[(1, f64::NAN)])]), "series {} holds NaN, not a count");
}

#[test]
fn nothing_is_an_empty_answer() {
    assert_eq!(shown(&p95(), Vec::new()), "[]\n");
    assert_eq!(shown(&errors(), Vec::new()), "[]\n");
}

mod identities {
    use proptest::prelude::*;

    use super::super::identity;

    proptest! {
        /// Short texts of the characters that could confuse meet often.
        #[test]
        fn differ_where_labels_do(
            a in prop::collection::btree_map("[a\"=,{}\\\\\n\u{1}]{0,3}", "[a\"=,{}\\\\\n\u{1}]{0,4}", 0..3),
            b in prop::collection::btree_map("[a\"=,{}\\\\\n\u{1}]{0,3}", "[a\"=,{}\\\\\n\u{1}]{0,4}", 0..3),
        ) {
            prop_assert_eq!(identity(&a) == identity(&b), a == b);
        }
    }
}

//! SLIs straight from pages, as two scrapes give them.

use std::time::Duration;

use canary_core::analysis::Ratio;
use canary_core::fleet::NodeId;
use canary_core::time::Timestamp;
use canary_core::traits::{
    BackendError, CounterQuery, CounterSeries, Counters, ErrorKind, Reading, Sample, SliKind, SliQuery,
    SliSource, Subject,
};
use canary_prom::{MetricsConfig, MetricsSource};

use crate::pages::{Page, serve, text};

fn errors() -> SliKind {
    SliKind::ErrorRatio { metric: "req_total".parse().unwrap(), status_label: "status".parse().unwrap() }
}

fn p95() -> SliKind {
    SliKind::Quantile { metric: "lat".parse().unwrap(), quantile: Ratio::new(0.95).unwrap() }
}

fn node(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

fn query(kind: SliKind, nodes: Option<&str>, seconds: u64) -> SliQuery {
    SliQuery {
        name: "sli".to_owned(),
        kind,
        subject: nodes.map_or(Subject::Pool, |name| Subject::Nodes(vec![node(name)])),
        window: Duration::from_secs(30),
        at: Timestamp::from_millis(seconds * 1000),
    }
}

async fn source(pages: Vec<(&str, Vec<Page>)>) -> MetricsSource {
    let mut nodes = Vec::new();
    for (name, pages) in pages {
        let address =
            serve(move |_, n| pages[usize::try_from(n).unwrap().min(pages.len() - 1)].clone()).await;
        nodes.push((node(name), format!("http://{address}/metrics")));
    }
    MetricsSource::new(&MetricsConfig::new(nodes)).unwrap()
}

async fn ask(source: &MetricsSource, query: SliQuery) -> Result<Sample, BackendError> {
    source.sample(&[query]).await.pop().unwrap()
}

fn value(sample: &Sample) -> f64 {
    match &sample.reading {
        Reading::Value { value } => value.value(),
        other => panic!("{other:?} in {sample:?}"),
    }
}

#[tokio::test]
async fn two_scrapes_give_ratio_and_quantile_over_nodes() {
    let page = |ok: u32, bad: u32| {
        text(format!(
            "req_total{{status=\"200\",path=\"/users/{{id}}\"}} {ok}\nreq_total{{status=\"500\"}} {bad}\n\
             lat_bucket{{le=\"0.1\"}} {ok}\nlat_bucket{{le=\"1\"}} {all}\nlat_bucket{{le=\"+Inf\"}} {all}\n",
            all = ok + bad
        ))
    };
    let source =
        source(vec![("a", vec![page(1000, 0), page(1090, 10)]), ("b", vec![page(5, 5), page(105, 5)])]).await;
    assert!(source.by_node());
    let first = source.sample(&[query(errors(), None, 0), query(p95(), None, 0)]).await;
    for sample in first.into_iter().map(Result::unwrap) {
        assert_eq!((&sample.reading, sample.events), (&Reading::NoTraffic, None));
        assert_eq!(sample.queries[0].reply, "series present, no earlier scrape within the window");
    }
    let second = [query(errors(), None, 30), query(errors(), Some("b"), 30), query(p95(), Some("a"), 30)];
    let second: Vec<_> = source.sample(&second).await.into_iter().map(Result::unwrap).collect();
    assert_eq!((value(&second[0]), second[0].events), (0.05, Some(200)));
    assert_eq!((value(&second[1]), second[1].events), (0.0, Some(100)));
    assert_eq!((value(&second[2]), second[2].events), (0.55, Some(100)));
    assert_eq!(second[0].age, Some(Duration::ZERO));
}

#[tokio::test]
async fn a_restarted_node_counts_from_zero() {
    let pages =
        ["req_total{status=\"200\"} 1000\n", "req_total{status=\"200\"} 60\nreq_total{status=\"500\"} 40\n"];
    let source = source(vec![("a", pages.map(text).to_vec())]).await;
    ask(&source, query(errors(), None, 0)).await.unwrap();
    let sample = ask(&source, query(errors(), None, 30)).await.unwrap();
    assert_eq!((value(&sample), sample.events), (0.4, Some(100)));
}

#[tokio::test]
async fn missing_idle_and_old_are_told_apart() {
    let old = "req_total{status=\"200\"} 5 1000\nlat_bucket{le=\"1\"} 3\nlat_bucket{le=\"+Inf\"} 3\n";
    let source = source(vec![("a", vec![text(old)])]).await;
    ask(&source, query(p95(), None, 970)).await.unwrap();
    let idle = ask(&source, query(p95(), None, 1000)).await.unwrap();
    assert_eq!((&idle.reading, idle.events), (&Reading::NoTraffic, Some(0)));
    let missing = SliKind::Quantile { metric: "other".parse().unwrap(), quantile: Ratio::new(0.5).unwrap() };
    assert_eq!(ask(&source, query(missing, None, 1001)).await.unwrap().reading, Reading::Absent);
    assert_eq!(ask(&source, query(errors(), None, 2000)).await.unwrap().reading, Reading::Stale);
}

#[tokio::test]
async fn above_the_largest_bucket_is_at_least() {
    let page = |all: u32| text(format!("lat_bucket{{le=\"0.5\"}} 1\nlat_bucket{{le=\"+Inf\"}} {all}\n"));
    let source = source(vec![("a", vec![page(1), page(100)])]).await;
    ask(&source, query(p95(), None, 0)).await.unwrap();
    let sample = ask(&source, query(p95(), None, 30)).await.unwrap();
    assert!(
        matches!(&sample.reading, Reading::AtLeast { at_least } if at_least.value() == 0.5),
        "{sample:?}"
    );
    let facts = source.describe(&query(p95(), None, 60)).await.unwrap();
    assert_eq!((facts.series, facts.largest_bound.unwrap().value()), (2, 0.5));
    assert_eq!(facts.scrape_interval, Some(Duration::from_secs(30)));
}

#[tokio::test]
async fn unusable_pages_are_errors_with_line_and_reason() {
    let page = |content_type: &str, body: &str| ("200 OK", content_type.to_owned(), body.as_bytes().to_vec());
    let cases = [
        (
            text("req_total 1\nreq_to"),
            "not a usable metrics page: line 2: the page ends in the middle of a line",
        ),
        (
            text("<html>\n"),
            "not a usable metrics page: line 1: a line must start with a metric name, not '<'",
        ),
        (text("req_total 1\nreq_total 2\n"), "not a usable metrics page: series req_total{} is there twice"),
        (page("text/html", "<html>"), "not a usable metrics page: the page is HTML"),
        (page("application/vnd.google.protobuf", "\n"), "not a usable metrics page: the page is protobuf"),
        (("503 Service Unavailable", "text/plain".to_owned(), b"draining".to_vec()), "draining"),
    ];
    for (bad, says) in cases {
        let source = source(vec![("a", vec![bad]), ("b", vec![text("req_total{status=\"200\"} 1\n")])]).await;
        let queries = [query(errors(), None, 0), query(errors(), Some("b"), 0)];
        let mut answers = source.sample(&queries).await;
        assert!(answers.pop().unwrap().is_ok(), "a node that is not asked about must not fail the query");
        let error = answers.pop().unwrap().unwrap_err();
        assert!(error.message().starts_with(says), "{}", error.chain());
        assert!(
            error.chain().contains("node=a") && error.chain().starts_with("metrics: scrape: "),
            "{}",
            error.chain()
        );
    }
}

#[tokio::test]
async fn what_pages_cannot_answer_is_refused() {
    let source = source(vec![("a", vec![text("x 1\n")])]).await;
    let promql = SliKind::Expression { promql: "x".to_owned() };
    assert_eq!(ask(&source, query(promql, None, 0)).await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(ask(&source, query(errors(), Some("z"), 0)).await.unwrap_err().kind(), ErrorKind::NotFound);
    let secret = MetricsConfig::new(vec![(node("a"), "http://u:s3cret@h/metrics".to_owned())]);
    let debug = format!("{secret:?} {:?}", MetricsSource::new(&secret).unwrap());
    assert!(!debug.contains("s3cret"), "{debug}");
    let twice = vec![(node("a"), "http://h".to_owned()), (node("a"), "http://i".to_owned())];
    assert_eq!(
        MetricsSource::new(&MetricsConfig::new(twice)).unwrap_err().to_string(),
        "node a is listed twice"
    );
    assert_eq!(
        MetricsSource::new(&MetricsConfig::new(vec![])).unwrap_err().to_string(),
        "no nodes are listed"
    );
}

#[tokio::test]
async fn pages_of_ten_megabytes_are_read_whole() {
    let mut page = String::from("req_total{status=\"200\"} 7\n");
    while page.len() < 10_000_000 {
        page.push_str("other_total{path=\"/users/{id}\",method=\"GET\",instance=\"backend-api-1\"} 123456\n");
    }
    let source = source(vec![("a", vec![text(page)])]).await;
    let sample = ask(&source, query(errors(), None, 0)).await.unwrap();
    assert_eq!(sample.reading, Reading::NoTraffic, "{sample:?}");
}

#[tokio::test]
async fn counters_are_what_a_page_says_and_one_instant_is_one_scrape() {
    let page = |n: u64| {
        text(format!(
            "req_total{{status=\"200\"}} {}\nreq_total{{status=\"503\"}} {n} 7000\n\
             lat_bucket{{le=\"1\"}} {n}\nlat_bucket{{le=\"+Inf\"}} {}\n",
            9 * n,
            2 * n
        ))
    };
    let source = source(vec![("a", (1..9).map(page).collect()), ("b", (1..9).map(page).collect())]).await;
    let counters = async |kind: SliKind, nodes: &[&str], seconds: u64| {
        let (nodes, at) =
            (nodes.iter().map(|name| node(name)).collect(), Timestamp::from_millis(seconds * 1000));
        source.counters(&[CounterQuery { name: "sli".to_owned(), kind, nodes, at }]).await.pop().unwrap()
    };
    let shown = |counters: Counters| {
        let one = |one: &CounterSeries| {
            format!("{} {} @{} {:?}", one.node, one.series, one.at.as_millis() / 1000, one.values)
        };
        counters.series.iter().map(one).collect::<Vec<_>>()
    };
    assert!(source.counts());
    ask(&source, query(errors(), Some("a"), 10)).await.unwrap();
    // The page of `a` was read for this instant; `b` was not.
    let first = ["a {status=\"200\"} @10 [9, 9]", "a {status=\"503\"} @7 [0, 1]"];
    let both = counters(errors(), &["b", "a"], 10).await.unwrap();
    assert_eq!(both.age, Some(Duration::ZERO));
    assert_eq!(
        shown(both),
        [first, ["b {status=\"200\"} @10 [9, 9]", "b {status=\"503\"} @7 [0, 1]"]].concat()
    );
    assert_eq!(shown(counters(errors(), &["a"], 10).await.unwrap()), first);
    // Another metric was not kept of it.
    let slow = counters(p95(), &["a"], 10).await.unwrap();
    assert_eq!(slow.bounds.iter().map(|bound| bound.value()).collect::<Vec<_>>(), [1.0]);
    assert_eq!(shown(slow), ["a {} @10 [2, 4]"]);
    let later = counters(errors(), &["a"], 11).await.unwrap();
    assert_eq!(shown(later), ["a {status=\"200\"} @11 [27, 27]", "a {status=\"503\"} @7 [0, 3]"]);
    let sample = ask(&source, query(errors(), Some("a"), 11)).await.unwrap();
    assert_eq!((value(&sample), sample.events), (0.1, Some(10)), "the counters' scrapes served it");
    assert_eq!(counters(errors(), &["z"], 12).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(counters(errors(), &[], 12).await.unwrap_err().kind(), ErrorKind::Refused);
}

//! Every state of an SLI, each told apart on a real Prometheus.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use canary_core::analysis::Ratio;
use canary_core::fleet::NodeId;
use canary_core::traits::{ErrorKind, Reading, Retry, Sample, SliKind, SliQuery, SliSource, Subject};
use canary_prom::PrometheusSource;

use crate::pages::{serve, text};
use crate::prometheus::{Job, Prometheus, now, until};

const WINDOW: Duration = Duration::from_secs(5);

fn quantile(metric: &str) -> SliKind {
    SliKind::Quantile { metric: metric.parse().unwrap(), quantile: Ratio::new(0.95).unwrap() }
}

fn errors(metric: &str) -> SliKind {
    SliKind::ErrorRatio { metric: metric.parse().unwrap(), status_label: "status".parse().unwrap() }
}

fn promql(text: &str) -> SliKind {
    SliKind::Expression { promql: text.to_owned() }
}

fn query(kind: SliKind) -> SliQuery {
    SliQuery { name: "sli".to_owned(), kind, subject: Subject::Pool, window: WINDOW, at: now() }
}

fn nodes(names: &[&str]) -> Subject {
    Subject::Nodes(names.iter().map(|name| NodeId::new(name).unwrap()).collect())
}

async fn ask(source: &PrometheusSource, query: &SliQuery) -> Sample {
    let mut answers = source.sample(std::slice::from_ref(query)).await;
    answers.pop().unwrap().unwrap_or_else(|error| panic!("{}", error.chain()))
}

/// The reading in short; values rounded to what floating-point sums keep.
fn shown(sample: &Sample) -> String {
    match &sample.reading {
        Reading::Value { value } => format!("value {:.6}", value.value()),
        Reading::AtLeast { at_least } => format!("at least {at_least}"),
        other => format!("{other:?}"),
    }
}

/// The page of a node at its `n`-th scrape: every kind of metric there is.
fn node_page(errors: u64, n: u64) -> String {
    let (n, slow) = (n + 1, n + 1);
    format!(
        "quick_bucket{{le=\"0.1\"}} {}\nquick_bucket{{le=\"0.5\"}} {q}\nquick_bucket{{le=\"+Inf\"}} {q}\n\
         slow_bucket{{le=\"0.1\"}} 0\nslow_bucket{{le=\"0.5\"}} {slow}\nslow_bucket{{le=\"+Inf\"}} {q}\n\
         idle_bucket{{le=\"0.1\"}} 5\nidle_bucket{{le=\"+Inf\"}} 5\n\
         clean_total{{status=\"200\"}} {n}\n\
         mixed_total{{status=\"200\"}} {}\nmixed_total{{status=\"503\"}} {}\n\
         idle_total{{status=\"200\"}} 5\n\
         gauge_one 0.25\ngauge_nan NaN\ngauge_inf +Inf\ngauge_minus -Inf\ngauge_two{{a=\"1\"}} 1\n\
         gauge_two{{a=\"2\"}} 2\nopen_bucket{{le=\"+Inf\"}} {n}\n",
        8 * n,
        10 * n - errors * n,
        errors * n,
        q = 10 * n,
    )
}

async fn node(name: &str, errors: u64) -> Job {
    let address = serve(move |_, n| text(node_page(errors, n))).await;
    Job { name: name.to_owned(), address, path: "/metrics".to_owned(), instance: format!("{name}:8080") }
}

#[tokio::test]
async fn every_state_is_told_apart() {
    let Some(server) = Prometheus::start(&[node("node-1", 0).await]).await else { return };
    let source = PrometheusSource::new(server.config()).unwrap();
    until("rates exist", async || match ask(&source, &query(quantile("quick"))).await {
        Sample { reading: Reading::Value { .. }, events: Some(1..), .. } => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;

    let cases = [
        (quantile("quick"), "value 0.400000"),
        (quantile("slow"), "at least 0.5"),
        (quantile("idle"), "NoTraffic"),
        (quantile("missing"), "Absent"),
        (quantile("clean_total"), "Absent"),
        (errors("clean_total"), "value 0.000000"),
        (errors("mixed_total"), "value 0.000000"),
        (errors("idle_total"), "NoTraffic"),
        (errors("missing_total"), "Absent"),
        (promql("gauge_one"), "value 0.250000"),
        (promql("sum(rate(clean_total[$window])) * 0 + 3"), "value 3.000000"),
        (promql("scalar(gauge_one)"), "value 0.250000"),
        (promql("gauge_nan"), "NotANumber"),
        (promql("0/0"), "NotANumber"),
        (promql("gauge_inf"), "Infinite"),
        (promql("gauge_minus"), "Infinite"),
        (promql("gauge_two"), "SeveralSeries { count: 2 }"),
        (promql("gauge_one > 1"), "Absent"),
    ];
    let queries: Vec<_> = cases.iter().map(|(kind, _)| query(kind.clone())).collect();
    let answers = source.sample(&queries).await;
    for ((kind, expected), answer) in cases.iter().zip(answers) {
        let sample = answer.unwrap_or_else(|error| panic!("{kind:?}: {}", error.chain()));
        assert_eq!(shown(&sample), *expected, "{kind:?}: {sample:?}");
        assert!(!sample.queries.is_empty() && sample.warnings.is_empty(), "{sample:?}");
    }

    let idle = ask(&source, &query(errors("idle_total"))).await;
    assert_eq!(idle.events, Some(0), "zero requests are known to be zero");
    let short = SliQuery { window: Duration::from_millis(1), ..query(errors("clean_total")) };
    let short = ask(&source, &short).await;
    assert_eq!((shown(&short).as_str(), short.events), ("NoTraffic", None));
    assert_eq!(short.queries[0].reply, "series present, fewer than two samples in the window");
    let mut answers = source.sample(&[query(quantile("open"))]).await;
    let error = answers.pop().unwrap().unwrap_err();
    assert_eq!(
        error.chain(),
        "prometheus: query: unexpected answer: open is not a usable histogram: \
                               no bucket with a finite bound"
    );
}

#[tokio::test]
async fn quantiles_agree_with_the_server_below_the_top_bucket() {
    let Some(server) = Prometheus::start(&[node("node-1", 0).await]).await else { return };
    let source = PrometheusSource::new(server.config()).unwrap();
    let theirs = promql("histogram_quantile(0.95, sum by (le) (rate(quick_bucket[$window])))");
    let (ours, theirs) = until("rates exist", async || {
        let at = now();
        let queries = [quantile("quick"), theirs.clone()].map(|kind| SliQuery { at, ..query(kind) });
        let mut got: Vec<_> = source.sample(&queries).await.into_iter().map(Result::unwrap).collect();
        let (theirs, ours) = (got.pop().unwrap(), got.pop().unwrap());
        if matches!(ours.reading, Reading::Value { .. }) {
            Ok((ours, theirs))
        } else {
            Err(format!("{ours:?}"))
        }
    })
    .await;
    assert_eq!(shown(&ours), shown(&theirs));
}

#[tokio::test]
async fn subjects_are_nodes_with_or_without_a_port() {
    let jobs = [node("node-1", 0).await, node("node-10", 5).await];
    let Some(server) = Prometheus::start(&jobs).await else { return };
    let source = PrometheusSource::new(server.config()).unwrap();
    assert!(source.by_node());
    let ratio =
        async |subject: Subject, kind: SliKind| ask(&source, &SliQuery { subject, ..query(kind) }).await;
    until("both nodes have rates", async || {
        let one = ratio(nodes(&["node-1"]), errors("mixed_total")).await;
        let ten = ratio(nodes(&["node-10"]), errors("mixed_total")).await;
        let both = (shown(&one), shown(&ten));
        if both == ("value 0.000000".to_owned(), "value 0.500000".to_owned()) {
            Ok(())
        } else {
            Err(format!("{both:?}"))
        }
    })
    .await;
    let unknown = ratio(nodes(&["node"]), errors("mixed_total")).await;
    assert_eq!(
        unknown.reading,
        Reading::Absent,
        "a name that is a prefix of others must match none: {unknown:?}"
    );
    let pool = ratio(Subject::Pool, errors("mixed_total")).await;
    assert!(matches!(&pool.reading, Reading::Value { value } if value.value() > 0.0 && value.value() < 0.5));

    let one = promql("gauge_one{instance=~'$nodes'}");
    assert_eq!(shown(&ratio(nodes(&["node-1"]), one.clone()).await), "value 0.250000");
    assert_eq!(shown(&ratio(Subject::Pool, one).await), "SeveralSeries { count: 2 }");
    let without = SliQuery { subject: nodes(&["node-1"]), ..query(promql("gauge_one")) };
    let error = source.sample(&[without]).await.pop().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{}", error.chain());

    let mut no_label = server.config();
    no_label.node_label = None;
    let blind = PrometheusSource::new(no_label).unwrap();
    let asked = SliQuery { subject: nodes(&["node-1"]), ..query(errors("mixed_total")) };
    assert!(!blind.by_node());
    assert_eq!(blind.sample(&[asked]).await.pop().unwrap().unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn series_that_vanished_are_stale_and_not_absent() {
    let gone = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&gone);
    let address = serve(move |_, n| {
        let page = text(node_page(0, n));
        if flag.load(Ordering::Relaxed) { ("500 Internal Server Error", page.1, Vec::new()) } else { page }
    })
    .await;
    let (path, instance) = ("/metrics".to_owned(), "node-1:8080".to_owned());
    let job = Job { name: "node-1".to_owned(), address, path, instance };
    let Some(server) = Prometheus::start(&[job]).await else { return };
    let mut config = server.config();
    config.stale_after = Duration::from_secs(2);
    let source = PrometheusSource::new(config).unwrap();
    let long = |kind| SliQuery { window: Duration::from_secs(600), ..query(kind) };
    let short = |kind| SliQuery { window: Duration::from_secs(1), ..query(kind) };
    // The search for vanished series looks once a second: it must have had two seconds to find it in.
    until("looks a second apart have seen it", async || {
        let promql = "max(count_over_time(timestamp(mixed_total)[1h:1s]))".to_owned();
        match ask(&source, &query(SliKind::Expression { promql })).await.reading {
            Reading::Value { value } if value.value() >= 2.0 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let sample = ask(&source, &long(errors("mixed_total"))).await;
    assert_eq!(shown(&sample), "value 0.000000");
    gone.store(true, Ordering::Relaxed);
    for kind in [errors("mixed_total"), quantile("quick")] {
        let stale = until("vanished series are stale", async || {
            let sample = ask(&source, &long(kind.clone())).await;
            if sample.reading == Reading::Stale { Ok(sample) } else { Err(format!("{sample:?}")) }
        })
        .await;
        assert!(stale.age.unwrap() > Duration::from_secs(2) && stale.queries.len() >= 3, "{stale:?}");
        until("and also when no rate is left", async || {
            let sample = ask(&source, &short(kind.clone())).await;
            let empty = sample.queries[0].reply == "no series";
            if empty && sample.reading == Reading::Stale { Ok(()) } else { Err(format!("{sample:?}")) }
        })
        .await;
    }
}

#[tokio::test]
async fn facts_are_measured_and_unknown_ones_left_out() {
    let jobs = [node("node-1", 0).await, node("node-2", 0).await];
    let Some(server) = Prometheus::start(&jobs).await else { return };
    let source = PrometheusSource::new(server.config()).unwrap();
    let facts = until("samples are spaced", async || {
        let facts = source.describe(&query(quantile("quick"))).await.unwrap();
        if facts.series == 6 && facts.scrape_interval.is_some() {
            Ok(facts)
        } else {
            Err(format!("{facts:?}"))
        }
    })
    .await;
    assert_eq!(facts.largest_bound.map(|bound| bound.to_string()).as_deref(), Some("0.5"));
    let one = SliQuery { subject: nodes(&["node-2"]), ..query(errors("mixed_total")) };
    let facts = source.describe(&one).await.unwrap();
    assert_eq!((facts.series, facts.largest_bound), (2, None));
    let facts = source.describe(&query(quantile("missing"))).await.unwrap();
    assert_eq!((facts.series, facts.largest_bound, facts.scrape_interval), (0, None, None));
    assert_eq!(source.describe(&query(promql("gauge_two"))).await.unwrap().series, 4);
}

#[tokio::test]
async fn bad_expressions_are_refused_in_the_servers_words() {
    let Some(server) = Prometheus::start(&[node("node-1", 0).await]).await else { return };
    let source = PrometheusSource::new(server.config()).unwrap();
    let version = source.ping(now()).await.unwrap().version.unwrap();
    assert!(version.starts_with(|c: char| c.is_ascii_digit()), "{version}");
    until("a scrape happened", async || {
        let sample = ask(&source, &query(promql("gauge_one"))).await;
        if shown(&sample) == "value 0.250000" { Ok(()) } else { Err(format!("{sample:?}")) }
    })
    .await;
    for (text, says) in [
        ("sum(", "bad_data: "),
        ("gauge_two + on() gauge_two", "execution: "),
        ("gauge_two[5m]", "the answer is a matrix, not one number"),
        ("\"text\"", "the answer is a string, not one number"),
        ("rate(gauge_one[$window", "bad_data: "),
    ] {
        let error = source.sample(&[query(promql(text))]).await.pop().unwrap().unwrap_err();
        assert!(error.message().starts_with(says), "{text}: {}", error.chain());
        assert_eq!(error.retry(), Retry::Permanent);
    }
}

#[tokio::test]
async fn hostile_label_values_match_only_themselves() {
    let values = ["a\"} or vector(9) #", "back\\slash\\\\\\n", "line\nfeed", "`$nodes` '$window' é", ".*"];
    let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let page =
        values.map(|v| format!("req_total{{route=\"{}\",status=\"200\"}} NUMBER\n", escaped(v))).concat();
    let address = serve(move |_, n| text(page.replace("NUMBER", &n.to_string()))).await;
    let (path, instance) = ("/metrics".to_owned(), "node-1:8080".to_owned());
    let job = Job { name: "node-1".to_owned(), address, path, instance };
    let Some(server) = Prometheus::start(&[job]).await else { return };
    for value in values {
        let mut config = server.config();
        config.matchers = vec![("route".parse().unwrap(), value.to_owned())];
        let source = PrometheusSource::new(config).unwrap();
        until("exactly one series is found and measured", async || {
            let facts = source.describe(&query(errors("req_total"))).await.unwrap();
            let sample = ask(&source, &query(errors("req_total"))).await;
            let good =
                facts.series == 1 && facts.scrape_interval.is_some() && shown(&sample) == "value 0.000000";
            if good { Ok(()) } else { Err(format!("{value:?}: {facts:?} {sample:?}")) }
        })
        .await;
    }
}

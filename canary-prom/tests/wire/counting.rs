//! Raw counters and what they grew by, exact to the request, from a real Prometheus.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use canary_core::analysis::Ratio;
use canary_core::fleet::NodeId;
use canary_core::time::Timestamp;
use canary_core::traits::{
    BackendError, CounterHistory, CounterQuery, Counters, ErrorKind, NodeGrowth, SliKind, SliSource,
};
use canary_prom::PrometheusSource;

use crate::pages::{serve, text};
use crate::prometheus::{Job, Prometheus, now, until};

const STEP: Duration = Duration::from_secs(1);

fn errors() -> SliKind {
    SliKind::ErrorRatio { metric: "req_total".parse().unwrap(), status_label: "status".parse().unwrap() }
}

fn p95() -> SliKind {
    SliKind::Quantile { metric: "lat".parse().unwrap(), quantile: Ratio::new(0.95).unwrap() }
}

fn query(kind: SliKind, nodes: &[&str], at: Timestamp) -> CounterQuery {
    let nodes = nodes.iter().map(|name| NodeId::new(name).unwrap()).collect();
    CounterQuery { name: "sli".to_owned(), kind, nodes, at }
}

fn before(at: Timestamp, ago: Duration) -> Timestamp {
    Timestamp::from_millis(at.as_millis() - u64::try_from(ago.as_millis()).unwrap())
}

async fn ask(source: &PrometheusSource, query: &CounterQuery) -> Result<Counters, BackendError> {
    source.counters(std::slice::from_ref(query)).await.pop().unwrap()
}

async fn counters(source: &PrometheusSource, query: &CounterQuery) -> Counters {
    ask(source, query).await.unwrap_or_else(|error| panic!("{}", error.chain()))
}

async fn history(source: &PrometheusSource, query: &CounterQuery, steps: u32) -> CounterHistory {
    let history = source.history(query, STEP * steps, STEP).await;
    history.unwrap_or_else(|error| panic!("{}", error.chain()))
}

/// The series' values by node and identity.
fn values(counters: &Counters) -> BTreeMap<(&str, &str), &[u64]> {
    counters.series.iter().map(|s| ((s.node.as_str(), s.series.as_str()), s.values.as_slice())).collect()
}

fn total(growth: &NodeGrowth) -> Vec<u64> {
    let mut total = Vec::new();
    for step in &growth.steps {
        total.resize(total.len().max(step.len()), 0);
        total.iter_mut().zip(step).for_each(|(sum, more)| *sum += more);
    }
    total
}

/// A scrape's page: ten requests more each time, one of them failed, seven fast, one slow.
fn page(n: u64) -> String {
    format!(
        "req_total{{status=\"200\"}} {}\nreq_total{{status=\"503\"}} {n}\n\
         lat_bucket{{le=\"0.1\"}} {}\nlat_bucket{{le=\"0.5\"}} {}\nlat_bucket{{le=\"+Inf\"}} {}\n",
        9 * n,
        7 * n,
        9 * n,
        10 * n,
    )
}

fn job(name: &str, address: String) -> Job {
    let (path, instance) = ("/metrics".to_owned(), format!("{name}:8080"));
    Job { name: name.to_owned(), address, path, instance }
}

#[tokio::test]
async fn counts_are_exact_and_their_time_is_the_scrapes() {
    let n1 = job("n1", serve(|_, n| text(page(n))).await);
    let n10 = job("n10", serve(|_, n| text(page(2 * n))).await);
    let Some(server) = Prometheus::start(&[n1, n10]).await else { return };
    let source = PrometheusSource::new(server.config()).unwrap();
    assert!(source.counts());
    let at = until("both nodes have counted for three steps", async || {
        let then = counters(&source, &query(errors(), &["n1", "n10"], before(now(), 4 * STEP))).await;
        if then.series.len() == 4 { Ok(now()) } else { Err(format!("{then:?}")) }
    })
    .await;
    let both = query(errors(), &["n1", "n10"], at);
    let found = counters(&source, &both).await;
    let names =
        ["{instance=\":8080\",job=\"n1\",status=\"200\"}", "{instance=\":8080\",job=\"n1\",status=\"503\"}"];
    let of_n1 = values(&found);
    let (ok, bad) = (of_n1[&("n1", names[0])], of_n1[&("n1", names[1])]);
    assert_eq!((ok, bad), (&[9 * bad[1], 9 * bad[1]][..], &[0, bad[1]][..]), "{found:?}");
    assert!(found.bounds.is_empty() && found.series.len() == 4, "{found:?}");
    assert!(found.series.iter().all(|one| one.at <= at), "{found:?}");
    assert!(found.age.unwrap() < Duration::from_secs(30) && found.queries.len() == 1, "{found:?}");
    assert_eq!(counters(&source, &both).await.series, found.series, "one instant, one answer");
    // Nothing is scraped in a millisecond: the samples' time stays.
    let later = until("two looks without a scrape between", async || {
        let at = now();
        let one = counters(&source, &query(errors(), &["n1"], at)).await;
        let next = counters(&source, &query(errors(), &["n1"], at.plus(Duration::from_millis(1)))).await;
        if values(&one) == values(&next) { Ok((one, next)) } else { Err("a scrape".to_owned()) }
    })
    .await;
    assert_eq!(later.0.series, later.1.series);

    let slow = counters(&source, &query(p95(), &["n1"], at)).await;
    assert_eq!(slow.bounds.iter().map(|b| b.value()).collect::<Vec<_>>(), [0.1, 0.5]);
    let [one] = slow.series.as_slice() else { panic!("{slow:?}") };
    let n = one.values[2] / 10;
    assert_eq!(one.series, "{instance=\":8080\",job=\"n1\"}");
    assert_eq!(one.values, [7 * n, 9 * n, 10 * n]);
    let past = counters(&source, &query(p95(), &["n1"], before(at, 4 * STEP))).await;
    let grown: Vec<_> = one.values.iter().zip(&past.series[0].values).map(|(now, then)| now - then).collect();
    let told = history(&source, &query(p95(), &["n1"], at), 4).await;
    assert_eq!((told.nodes[0].steps.len(), total(&told.nodes[0])), (4, grown), "{told:?}");
    assert_eq!((told.bounds, told.warnings.len()), (slow.bounds, 0));
}

#[tokio::test]
async fn a_counter_that_began_anew_counts_its_new_value() {
    // From the 31st scrape on the process is another one.
    let reset = |n: u64| page(if n < 30 { n } else { n - 30 });
    let Some(server) = Prometheus::start(&[job("n1", serve(move |_, n| text(reset(n))).await)]).await else {
        return;
    };
    let source = PrometheusSource::new(server.config()).unwrap();
    let requests = async |at| {
        let found = counters(&source, &query(errors(), &["n1"], at)).await;
        found.series.iter().map(|one| one.values[1]).sum::<u64>()
    };
    let (at, last) = until("it began anew and went on", async || {
        let at = now();
        match (requests(at).await, requests(before(at, 4 * STEP)).await) {
            (last, first) if last > 0 && last < first => Ok((at, last)),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let told = history(&source, &query(errors(), &["n1"], at), 4).await;
    let first = requests(before(at, 4 * STEP)).await;
    let sum = total(&told.nodes[0]);
    // It ended at 290; how far it came in the step in which it began anew cannot be known.
    assert!(sum[1] >= last && sum[1] <= last + 290 - first, "{first}, {last}: {told:?}");
    assert!(sum[0] * 10 == sum[1] * 9, "{told:?}");
    let slow = history(&source, &query(p95(), &["n1"], at), 4).await;
    for step in &slow.nodes[0].steps {
        assert_eq!((step[0] * 10, step[1] * 10), (step[2] * 7, step[2] * 9), "{slow:?}");
    }
}

#[tokio::test]
async fn a_node_that_vanished_counts_nothing_more() {
    let gone = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&gone);
    let going = move |_: &str, n| match flag.load(Ordering::SeqCst) {
        true => ("500 Internal Server Error", "text/plain".to_owned(), Vec::new()),
        false => text(page(n)),
    };
    let jobs = [job("n1", serve(going).await), job("n2", serve(|_, n| text(page(n))).await)];
    let Some(server) = Prometheus::start(&jobs).await else { return };
    let mut config = server.config();
    config.stale_after = Duration::from_secs(3);
    let source = PrometheusSource::new(config).unwrap();
    let both = || query(errors(), &["n1", "n2", "n3"], now());
    until("both count", async || match counters(&source, &both()).await {
        found if found.series.len() == 4 => Ok(()),
        found => Err(format!("{found:?}")),
    })
    .await;
    gone.store(true, Ordering::SeqCst);
    let mut last: BTreeSet<Vec<(Timestamp, u64)>> = BTreeSet::new();
    until("the node's series are not there any more", async || {
        let found = counters(&source, &both()).await;
        let of_n1 = found.series.iter().filter(|one| one.node.as_str() == "n1");
        let of_n1: Vec<_> = of_n1.map(|one| (one.at, one.values[1])).collect();
        if of_n1.is_empty() {
            return Ok(());
        }
        last.insert(of_n1);
        Err(format!("{found:?}"))
    })
    .await;
    assert!(last.len() <= 2, "its last samples' time moved: {last:?}");
    let left = counters(&source, &both()).await;
    assert!(left.series.iter().all(|one| one.node.as_str() == "n2") && left.series.len() == 2, "{left:?}");
    let told = history(&source, &both(), 2).await;
    let known =
        told.nodes.iter().map(|n| (n.node.as_str(), n.steps.iter().filter(|s| !s.is_empty()).count()));
    assert_eq!(known.collect::<Vec<_>>(), [("n1", 0), ("n2", 2), ("n3", 0)], "{told:?}");
}

#[tokio::test]
async fn a_gap_and_the_time_before_the_store_are_empty_steps() {
    let (phase, shown) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (gap, count) = (Arc::clone(&phase), Arc::clone(&shown));
    let page = move |_: &str, _| match gap.load(Ordering::SeqCst) {
        true => ("500 Internal Server Error", "text/plain".to_owned(), Vec::new()),
        false => text(page(count.fetch_add(1, Ordering::SeqCst))),
    };
    let Some(server) = Prometheus::start(&[job("n1", serve(page).await)]).await else { return };
    let source = PrometheusSource::new(server.config()).unwrap();
    let known = async |steps: u32| {
        let told = history(&source, &query(p95(), &["n1"], now()), steps).await;
        assert_eq!(told.nodes[0].steps.len(), steps as usize);
        told.nodes[0].steps.iter().map(|step| !step.is_empty()).collect::<Vec<_>>()
    };
    let wait = async |what: &str, wanted: fn(&[bool]) -> bool| {
        until(what, async || match known(3).await {
            seen if wanted(&seen) => Ok(()),
            seen => Err(format!("{seen:?}")),
        })
        .await;
    };
    wait("it counts", |seen| seen == [true, true, true]).await;
    phase.store(true, Ordering::SeqCst);
    wait("the gap is there", |seen| seen == [false, false, false]).await;
    phase.store(false, Ordering::SeqCst);
    wait("it counts again", |seen| seen == [true, true, true]).await;
    // Far more steps than one request has, and most of them before the server began.
    let all = known(500).await;
    let mut changes: Vec<bool> = all.clone();
    changes.dedup();
    assert_eq!(changes, [false, true, false, true], "{all:?}");
    let long_ago = query(p95(), &["n1"], Timestamp::from_millis(1_000_000_000_000));
    let told = history(&source, &long_ago, 5).await;
    assert_eq!((told.nodes[0].steps.clone(), told.bounds), (vec![Vec::new(); 5], Vec::new()));
}

#[tokio::test]
async fn hostile_labels_stay_apart() {
    let hostile = ["a\"} 1 #", "a", "back\\slash\\\\\\n", "line\nfeed", "b\",c=\"d", "", "=", "é{}"];
    let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let line = |v: &&str| format!("req_total{{route=\"{}\",status=\"200\"}} NUMBER\n", escaped(v));
    let page: String = hostile.iter().map(line).collect();
    let address = serve(move |_, n| text(page.replace("NUMBER", &n.to_string()))).await;
    let Some(server) = Prometheus::start(&[job("n1", address)]).await else { return };
    let source = PrometheusSource::new(server.config()).unwrap();
    let found = until("all are counted", async || {
        let found = counters(&source, &query(errors(), &["n1"], now())).await;
        if found.series.len() == hostile.len() { Ok(found) } else { Err(format!("{found:?}")) }
    })
    .await;
    let names: BTreeSet<_> = found.series.iter().map(|one| one.series.as_str()).collect();
    assert_eq!(names.len(), hostile.len(), "{names:?}");
    assert!(
        names.contains("{instance=\":8080\",job=\"n1\",route=\"a\\\"} 1 #\",status=\"200\"}"),
        "{names:?}"
    );
}

#[tokio::test]
async fn thousands_of_buckets_are_counted_whole() {
    const ROUTES: u64 = 250;
    let bounds = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"];
    let page = move |n: u64| {
        let mut page = String::new();
        for route in 0..ROUTES {
            for (i, le) in (1..).zip(bounds) {
                page.push_str(&format!("lat_bucket{{route=\"/{route}\",le=\"{le}\"}} {}\n", n * i));
            }
        }
        page
    };
    let Some(server) = Prometheus::start(&[job("n1", serve(move |_, n| text(page(n))).await)]).await else {
        return;
    };
    let source = PrometheusSource::new(server.config()).unwrap();
    let (at, found) = until("all routes have counted", async || {
        let at = now();
        let then = counters(&source, &query(p95(), &["n1"], before(at, 3 * STEP))).await;
        if then.series.len() == 250 { Ok((at, then)) } else { Err(then.series.len().to_string()) }
    })
    .await;
    let n = found.series[0].values[0];
    let expected: Vec<u64> = (1..=12).map(|i| n * i).collect();
    assert!(found.series.iter().all(|one| one.values == expected), "{n}");
    let last = counters(&source, &query(p95(), &["n1"], at)).await.series[0].values[0];
    let told = history(&source, &query(p95(), &["n1"], at), 3).await;
    let grown: Vec<u64> = (1..=12).map(|i| ROUTES * (last - n) * i).collect();
    assert_eq!(total(&told.nodes[0]), grown, "{n} to {last}");
}

#[tokio::test]
async fn what_cannot_be_counted_says_why() {
    let page = |n: u64| {
        format!(
            "lat_bucket{{le=\"1\"}} {n}\nlat_bucket{{le=\"+Inf\"}} {n}\n\
             lat_bucket{{le=\"2\",r=\"x\"}} {n}\nlat_bucket{{le=\"+Inf\",r=\"x\"}} {n}\nreq_total NaN\n"
        )
    };
    let Some(server) = Prometheus::start(&[job("n1", serve(move |_, n| text(page(n))).await)]).await else {
        return;
    };
    let source = PrometheusSource::new(server.config()).unwrap();
    for (kind, says) in [
        (p95(), "not every series has a bucket le=2: {instance=\":8080\",job=\"n1\"} and others differ"),
        (errors(), "series {instance=\":8080\",job=\"n1\"} holds NaN, not a count"),
    ] {
        let error =
            until("it is scraped", async || match ask(&source, &query(kind.clone(), &["n1"], now())).await {
                Ok(found) => Err(format!("{found:?}")),
                Err(error) => Ok(error),
            })
            .await;
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert!(error.chain().ends_with(says), "{}", error.chain());
    }
    let expression = query(SliKind::Expression { promql: "up".to_owned() }, &["n1"], now());
    assert_eq!(ask(&source, &expression).await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(source.history(&expression, STEP, STEP).await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(ask(&source, &query(p95(), &[], now())).await.unwrap_err().kind(), ErrorKind::Refused);
    let long = source.history(&query(p95(), &["n1"], now()), STEP * 12_000, STEP).await.unwrap_err();
    assert_eq!(long.message(), "a history of 12000s in steps of 1s is not 1 to 2000 steps");
    let mut config = server.config();
    config.node_label = None;
    let blind = PrometheusSource::new(config).unwrap();
    assert!(!blind.counts());
    assert_eq!(ask(&blind, &query(p95(), &["n1"], now())).await.unwrap_err().kind(), ErrorKind::Unsupported);
}

//! The backend's contract, line by line, against the real balancer and against one that misbehaves.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "the helpers of a test fail the test")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use canary_core::fleet::{MetricName, NodeId};
use canary_core::time::Timestamp;
use canary_core::traits::{
    AdminState, BackendError, CallOutcome, Clock as _, ErrorKind, HealthCheck, LoadBalancer as _,
    Operational, Reading, Retry, SliKind, SliQuery, SliSource as _, Subject, SystemClock, Weight,
};
use canary_demo::service::{App, Fault, Trailer, serve};
use canary_examples::edge::Edge;
use canary_examples::edge_backend::EdgeBackend;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const DEADLINE: Duration = Duration::from_secs(30);

/// A server of release v1 with these faults.
async fn server(faults: &[Fault]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let trailer = faults.iter().cloned().fold(Trailer::new("v1"), Trailer::with);
    tokio::spawn(serve(Arc::new(App::new(trailer, "node")), listener, std::future::pending()));
    address
}

fn node(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

fn backend(edge: &Edge) -> EdgeBackend {
    EdgeBackend::new("api".parse().unwrap(), edge.admin(), &edge.url()).unwrap()
}

/// Two good servers behind a balancer, both up.
async fn fleet() -> (Edge, EdgeBackend) {
    let servers = [("api-1".to_owned(), server(&[]).await), ("api-2".to_owned(), server(&[]).await)];
    let edge = Edge::start("api", &servers).await.unwrap();
    let backend = backend(&edge);
    until_up(&backend).await;
    (edge, backend)
}

async fn until_up(backend: &EdgeBackend) {
    let up = async {
        while !backend.servers().await.unwrap().servers.iter().all(|s| s.operational == Operational::Up) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, up).await.expect("the servers come up");
}

fn check() -> HealthCheck {
    HealthCheck { port: 80, path: "/".parse().unwrap(), attempt_timeout: Duration::from_secs(5) }
}

fn told(error: &BackendError) -> (ErrorKind, CallOutcome, bool) {
    (error.kind(), error.outcome(), error.retry() != Retry::Permanent)
}

fn ratio(subject: Subject, window: Duration) -> SliQuery {
    let kind = SliKind::ErrorRatio {
        metric: "edge_requests_total".parse().unwrap(),
        status_label: "status".parse().unwrap(),
    };
    // Slots are counted up to `at`; one second later every request so far lies in the window.
    let at = SystemClock::new().now().plus(Duration::from_secs(1));
    SliQuery { name: "errors".to_owned(), kind, subject, window, at }
}

#[tokio::test]
async fn a_drained_server_gets_no_request_and_is_counted_out() {
    let (_edge, backend) = fleet().await;
    for _ in 0..2 {
        let pool = backend.set_admin(&node("api-1"), AdminState::Drain).await.unwrap();
        assert_eq!(pool.server(&node("api-1")).unwrap().admin, AdminState::Drain);
        assert_eq!((pool.serving_besides(&node("api-1")), pool.serving_besides(&node("api-2"))), (1, 0));
    }
    for _ in 0..10 {
        assert!(backend.check_through(&check()).await.unwrap().healthy);
    }
    let pool = backend.servers().await.unwrap();
    let served: Vec<_> = pool.servers.iter().map(|s| (s.served, s.sessions, s.queued)).collect();
    assert_eq!(served, [(0, 0, 0), (10, 0, 0)]);

    backend.set_admin(&node("api-1"), AdminState::Ready).await.unwrap();
    for _ in 0..10 {
        assert!(backend.check_through(&check()).await.unwrap().healthy);
    }
    assert_eq!(backend.servers().await.unwrap().servers[0].served, 5);
}

#[tokio::test]
async fn weights_are_set_and_read_back() {
    let (_edge, backend) = fleet().await;
    let three = Weight::new(3).unwrap();
    backend.set_weight(&node("api-2"), three).await.unwrap();
    backend.set_weight(&node("api-2"), three).await.unwrap();
    for _ in 0..8 {
        backend.check_through(&check()).await.unwrap();
    }
    let pool = backend.servers().await.unwrap();
    let seen: Vec<_> =
        pool.servers.iter().map(|s| (s.weight.value(), s.configured_weight.value(), s.served)).collect();
    assert_eq!(seen, [(1, 1, 2), (3, 1, 6)]);
}

#[tokio::test]
async fn what_is_not_there_or_cannot_be_done_is_said_so() {
    let (edge, backend) = fleet().await;
    let error = backend.set_admin(&node("api-9"), AdminState::Drain).await.unwrap_err();
    assert_eq!(told(&error), (ErrorKind::NotFound, CallOutcome::NotApplied, false));
    let text = format!("edge: admin api-9 drain: not found: no server api-9 (admin={})", edge.admin());
    assert_eq!(error.chain(), text);
    let error = backend.set_weight(&node("api-9"), Weight::new(1).unwrap()).await.unwrap_err();
    assert_eq!(told(&error), (ErrorKind::NotFound, CallOutcome::NotApplied, false));
    let error = backend.close_sessions(&node("api-1")).await.unwrap_err();
    assert_eq!(told(&error), (ErrorKind::Unsupported, CallOutcome::NotApplied, false));
    assert!(!backend.capabilities().close_sessions);

    let other = EdgeBackend::new("web".parse().unwrap(), edge.admin(), &edge.url()).unwrap();
    let error = other.servers().await.unwrap_err();
    assert_eq!(told(&error), (ErrorKind::NotFound, CallOutcome::NotApplied, false));
    assert_eq!(error.chain(), "edge: pool: not found: there is no such pool; there is api (pool=web)");
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_applied() {
    let (edge, backend) = fleet().await;
    drop(edge);
    let error = backend.set_admin(&node("api-1"), AdminState::Drain).await.unwrap_err();
    assert_eq!(told(&error), (ErrorKind::Unreachable, CallOutcome::NotApplied, true));
    let error = backend.servers().await.unwrap_err();
    assert_eq!(told(&error), (ErrorKind::Unreachable, CallOutcome::NotApplied, true));
    let report = backend.check_through(&check()).await.unwrap();
    assert_eq!((report.healthy, report.status), (false, None));
}

/// A balancer that takes one command a connection and answers with these bytes, in turn; the last again and again.
async fn misbehaving(answers: &'static [&'static str], hang: bool) -> EdgeBackend {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        let mut turn = 0;
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(answers[turn.min(answers.len() - 1)].as_bytes()).await;
            turn += 1;
            if hang {
                open.push(stream);
            }
        }
    });
    EdgeBackend::new("api".parse().unwrap(), address, "http://127.0.0.1:1").unwrap()
}

#[tokio::test]
async fn a_lost_answer_leaves_a_change_unknown_and_a_read_without_effect() {
    for (answers, hang, kind) in [
        (&[""][..], false, ErrorKind::Protocol),
        (&["en"][..], false, ErrorKind::Protocol),
        (&["end"][..], false, ErrorKind::Protocol),
        (&["end\n"][..], true, ErrorKind::TimedOut),
    ] {
        let backend = misbehaving(answers, hang).await;
        let error = backend.set_weight(&node("api-1"), Weight::new(1).unwrap()).await.unwrap_err();
        assert_eq!(told(&error), (kind, CallOutcome::Unknown, true), "{answers:?}");
        let error = backend.servers().await.unwrap_err();
        assert_eq!(told(&error), (kind, CallOutcome::NotApplied, true), "{answers:?}");
    }
}

#[tokio::test]
async fn a_change_that_was_acknowledged_is_applied_even_when_the_pool_cannot_be_read() {
    let backend = misbehaving(&["end\n", "pool api epo"], false).await;
    let error = backend.set_admin(&node("api-1"), AdminState::Drain).await.unwrap_err();
    assert_eq!(told(&error), (ErrorKind::Protocol, CallOutcome::Applied, true));
}

#[tokio::test]
async fn an_answer_that_is_not_understood_completely_is_an_error_and_never_a_shorter_pool() {
    for answer in [
        "end\n",
        "pool api\nend\n",
        "pool api epoch 1\nserver api-1 127.0.0.1:1 ready up 1 1 0\nend\n",
        "pool api epoch 1\nserver api-1 127.0.0.1:1 ready up 1 1 0 -1\nend\n",
        "pool api epoch 1\nserver api-1 127.0.0.1:1 asleep up 1 1 0 1\nend\n",
        "pool api epoch 1\nserver api-1 127.0.0.1:1 ready sick 1 1 0 1\nend\n",
        "pool api epoch 1\nserver api-1 127.0.0.1:1 ready up 257 1 0 1\nend\n",
        "pool api epoch 1\nserver a;b 127.0.0.1:1 ready up 1 1 0 1\nend\n",
    ] {
        let backend = misbehaving(Box::leak(Box::new([answer])), false).await;
        let error = backend.servers().await.unwrap_err();
        assert_eq!(
            (error.kind(), error.outcome()),
            (ErrorKind::Protocol, CallOutcome::NotApplied),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_restart_is_another_epoch_and_forgets_what_was_set() {
    let address = server(&[]).await;
    let servers = [("api-1".to_owned(), address)];
    let edge = Edge::start("api", &servers).await.unwrap();
    let backend = backend(&edge);
    backend.set_admin(&node("api-1"), AdminState::Drain).await.unwrap();
    let before = backend.servers().await.unwrap();
    let (clients, admin) = (edge.address(), edge.admin());
    drop(edge);
    let again = async {
        loop {
            // The old port closes a moment after the drop.
            if let Ok(edge) = Edge::start_on("api", &servers, clients, admin).await {
                return edge;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let _edge = tokio::time::timeout(DEADLINE, again).await.expect("the port is free again");
    let after = backend.servers().await.unwrap();
    assert_ne!(before.epoch, after.epoch);
    assert_eq!(after.servers[0].admin, AdminState::Ready);
}

#[tokio::test]
async fn errors_are_counted_by_server() {
    let servers = [
        ("api-1".to_owned(), server(&[Fault::Errors { rate_ppm: 500_000 }]).await),
        ("api-2".to_owned(), server(&[]).await),
    ];
    let edge = Edge::start("api", &servers).await.unwrap();
    let backend = backend(&edge);
    until_up(&backend).await;
    for _ in 0..8 {
        backend.check_through(&check()).await.unwrap();
    }
    let window = Duration::from_secs(60);
    let of = |name: &str| Subject::Nodes(vec![node(name)]);
    let queries = [
        ratio(of("api-1"), window),
        ratio(of("api-2"), window),
        ratio(Subject::Pool, window),
        ratio(of("api-9"), window),
    ];
    let samples = backend.sample(&queries).await;
    let seen: Vec<_> = samples.into_iter().map(|s| s.unwrap()).map(|s| (s.reading, s.events)).collect();
    let value = |text: &str| Reading::Value { value: text.parse().unwrap() };
    assert_eq!(
        seen,
        [(value("0.5"), Some(4)), (value("0"), Some(4)), (value("0.25"), Some(8)), (Reading::Absent, None)]
    );
    assert!(backend.by_node());
    assert_eq!(backend.describe(&queries[2]).await.unwrap().series, 2);
}

#[tokio::test]
async fn missing_data_is_a_reading_and_never_a_number() {
    let (_edge, backend) = fleet().await;
    let query = ratio(Subject::Pool, Duration::from_millis(100));
    let sample = backend.sample(std::slice::from_ref(&query)).await.remove(0).unwrap();
    assert_eq!((sample.reading, sample.events), (Reading::NoTraffic, Some(0)));

    // The balancer has just begun to count: a minute cannot be told yet.
    let long =
        SliQuery { at: Timestamp::from_millis(60_000), window: Duration::from_secs(60), ..query.clone() };
    assert_eq!(backend.sample(&[long]).await.remove(0).unwrap().warnings.len(), 1);

    let metric: MetricName = "http_requests_total".parse().unwrap();
    let kind = SliKind::ErrorRatio { metric, status_label: "status".parse().unwrap() };
    let error = backend.sample(&[SliQuery { kind, ..query.clone() }]).await.remove(0).unwrap_err();
    assert_eq!(told(&error), (ErrorKind::Unsupported, CallOutcome::NotApplied, false));

    let kind = SliKind::Expression { promql: "up".to_owned() };
    let error = backend.sample(&[SliQuery { kind, ..query }]).await.remove(0).unwrap_err();
    assert_eq!(told(&error), (ErrorKind::Unsupported, CallOutcome::NotApplied, false));
}

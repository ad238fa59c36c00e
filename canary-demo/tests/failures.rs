//! Every way a request can fail, against real sockets, and the one way that is no failure.
#![expect(clippy::unwrap_used, reason = "the helpers of a test fail the test")]

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use canary_demo::load::{FailureKind, Load, LoadOptions, Summary};
use canary_demo::service::{App, Fault, Trailer, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

const DEADLINE: Duration = Duration::from_secs(20);
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn one_by_one() -> LoadOptions {
    LoadOptions { connections: 1, rate_per_second: None, ..LoadOptions::default() }
}

async fn read_request(stream: &mut TcpStream) -> bool {
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut seen).await.unwrap_or(0) == 0 {
            return false;
        }
    }
    true
}

/// A server whose every connection is handled by `handle`, which is told the connection's number from 0.
async fn server<F, Fut>(handle: F) -> String
where
    F: Fn(usize, TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        for number in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(handle(number, stream));
        }
    });
    url
}

async fn summary_of(url: &str, options: LoadOptions, ended: u64) -> Summary {
    let load = Load::start(url, options).await.unwrap();
    load.wait_for(|summary| summary.sent >= ended, DEADLINE).await.unwrap();
    load.stop().await
}

fn kinds(summary: &Summary) -> Vec<FailureKind> {
    let mut kinds: Vec<_> = summary.failed.iter().map(|failure| failure.kind.clone()).collect();
    kinds.sort();
    kinds.dedup();
    kinds
}

async fn app(trailer: Trailer) -> (String, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async move {
        let _ = stopped.await;
    };
    tokio::spawn(serve(Arc::new(App::new(trailer, "node-1")), listener, stopped));
    (url, stop)
}

#[tokio::test]
async fn statuses_are_counted_by_release_and_node() {
    let (url, _stop) = app(Trailer::new("v2").with(Fault::Errors { rate_ppm: 500_000 })).await;
    let options = LoadOptions { paths: vec!["/".into(), "/nowhere".into()], ..one_by_one() };
    let summary = summary_of(&url, options, 40).await;
    let count = |status| summary.by_version["v2"].get(&status).copied().unwrap_or(0);
    assert_eq!(count(200) + count(404) + count(500), summary.sent);
    assert_eq!(summary.by_node["node-1"], summary.by_version["v2"]);
    assert_eq!(summary.failed_total, count(500));
    assert_eq!(summary.ok, count(200) + count(404));
    assert!(count(500) >= 10 && count(404) >= 20, "{summary}");
    assert_eq!(kinds(&summary), [FailureKind::Status(500)]);
    assert_eq!(summary.failed_not_by("v2").count(), 0);
    assert_eq!(summary.failed_not_by("v1").count() as u64, count(500));
}

#[tokio::test]
async fn a_refused_connection_is_a_failure() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let summary = summary_of(&format!("http://{free}"), one_by_one(), 3).await;
    assert_eq!((kinds(&summary), summary.ok), (vec![FailureKind::ConnectRefused], 0));
    assert_eq!(summary.failed_total, summary.sent);
}

#[tokio::test]
async fn an_answer_cut_in_its_body_is_a_failure_even_on_a_used_connection() {
    let url = server(|_, mut stream| async move {
        read_request(&mut stream).await;
        stream.write_all(ANSWER).await.unwrap();
        read_request(&mut stream).await;
        let _ = stream.write_all(&ANSWER[..ANSWER.len() - 1]).await;
    })
    .await;
    let summary = summary_of(&url, one_by_one(), 4).await;
    assert_eq!(kinds(&summary), [FailureKind::ClosedEarly]);
    assert_eq!(summary.retried_idle_close, 0);
    assert!(summary.failed_total >= 2, "{summary}");
}

#[tokio::test]
async fn a_fresh_connection_closed_or_reset_without_an_answer_is_a_failure() {
    let url = server(|_, mut stream| async move {
        read_request(&mut stream).await;
    })
    .await;
    let summary = summary_of(&url, one_by_one(), 3).await;
    assert_eq!((kinds(&summary), summary.retried_idle_close), (vec![FailureKind::ClosedEarly], 0));

    // A close with unread bytes is a reset.
    let url = server(|_, stream| async move {
        stream.peek(&mut [0]).await.unwrap();
    })
    .await;
    let summary = summary_of(&url, one_by_one(), 3).await;
    assert_eq!((kinds(&summary), summary.ok), (vec![FailureKind::Reset], 0));
}

#[tokio::test]
async fn an_idle_connection_closed_under_a_request_is_tried_once_more() {
    let url = server(|number, mut stream| async move {
        while read_request(&mut stream).await {
            if stream.write_all(ANSWER).await.is_err() {
                return;
            }
            if number == 0 {
                // Takes the next request off the wire and closes without a byte.
                read_request(&mut stream).await;
                return;
            }
        }
    })
    .await;
    let summary = summary_of(&url, one_by_one(), 5).await;
    assert_eq!((summary.failed_total, summary.retried_idle_close), (0, 1), "{summary}");
}

#[tokio::test]
async fn a_request_cut_long_after_it_was_sent_is_a_failure() {
    let url = server(|_, mut stream| async move {
        read_request(&mut stream).await;
        stream.write_all(ANSWER).await.unwrap();
        read_request(&mut stream).await;
        tokio::time::sleep(Duration::from_millis(400)).await;
    })
    .await;
    let summary = summary_of(&url, one_by_one(), 2).await;
    assert_eq!(kinds(&summary), [FailureKind::ClosedEarly]);
    assert_eq!(summary.retried_idle_close, 0);
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_a_timeout() {
    let url = server(|_, mut stream| async move {
        read_request(&mut stream).await;
        // Until the client gives up.
        read_request(&mut stream).await;
    })
    .await;
    let options = LoadOptions { request_timeout: Duration::from_millis(50), ..one_by_one() };
    let summary = summary_of(&url, options, 2).await;
    assert_eq!((kinds(&summary), summary.ok), (vec![FailureKind::Timeout], 0));
}

#[tokio::test]
async fn garbage_is_not_http() {
    let url = server(|_, mut stream| async move {
        read_request(&mut stream).await;
        let _ = stream.write_all(b"+PONG\r\n\r\n").await;
        read_request(&mut stream).await;
    })
    .await;
    let summary = summary_of(&url, one_by_one(), 2).await;
    assert!(matches!(kinds(&summary).as_slice(), [FailureKind::Protocol(_)]), "{summary}");
}

#[tokio::test]
async fn a_stop_lets_the_request_in_flight_end() {
    let (url, _stop) = app(Trailer::new("v1").with(Fault::LongRequests { ms: 300 })).await;
    let load = Load::start(&url, one_by_one()).await.unwrap();
    load.wait_for(|summary| summary.sent >= 1, DEADLINE).await.unwrap();
    let summary = load.stop().await;
    assert_eq!((summary.failed_total, summary.ok), (0, summary.sent));
}

#[tokio::test]
async fn a_service_that_stops_well_fails_nothing_it_accepted() {
    let (url, stop) = app(Trailer::new("v1").with(Fault::LongRequests { ms: 20 })).await;
    let load =
        Load::start(&url, LoadOptions { connections: 4, rate_per_second: None, ..LoadOptions::default() })
            .await
            .unwrap();
    load.wait_for(|summary| summary.ok >= 20, DEADLINE).await.unwrap();
    stop.send(()).unwrap();
    load.wait_for(|summary| summary.failed_total > 0, DEADLINE).await.unwrap();
    let summary = load.stop().await;
    assert_eq!(kinds(&summary), [FailureKind::ConnectRefused], "{summary}");
}

#[tokio::test]
async fn the_rate_is_kept_and_requests_never_sent_are_counted() {
    // One connection and answers of 100 ms can carry 10 requests a second, not 200.
    let (url, _stop) = app(Trailer::new("v1").with(Fault::LongRequests { ms: 100 })).await;
    let options = LoadOptions { rate_per_second: Some(200), ..one_by_one() };
    let load = Load::start(&url, options).await.unwrap();
    load.wait_for(|summary| summary.sent >= 5, DEADLINE).await.unwrap();
    let summary = load.stop().await;
    assert!(summary.skipped >= 15 * (summary.sent - 1), "{summary}");
    assert_eq!(summary.failed_total, 0);
}

#[tokio::test]
async fn options_out_of_range_are_refused() {
    let base = LoadOptions::default;
    for (options, message) in [
        (LoadOptions { connections: 0, ..base() }, "connections is 0"),
        (LoadOptions { connections: 1025, ..base() }, "connections is 1025"),
        (LoadOptions { rate_per_second: Some(0), ..base() }, "rate_per_second is 0"),
        (LoadOptions { rate_per_second: Some(20_001), ..base() }, "rate_per_second is 20001"),
        (LoadOptions { paths: Vec::new(), ..base() }, "number of paths is 0"),
        (LoadOptions { max_duration: Duration::from_secs(3601), ..base() }, "max_duration is 3601"),
        (LoadOptions { paths: vec!["x".into()], ..base() }, "not a path"),
    ] {
        let error = Load::start("http://127.0.0.1:1", options).await.unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
}

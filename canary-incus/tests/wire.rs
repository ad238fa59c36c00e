//! Daemons that are not there, or are something else: real sockets, no Incus.

#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on fails it")]

use std::path::Path;
use std::time::Duration;

use canary_core::fleet::NodeId;
use canary_core::traits::{BackendError, CallOutcome, ErrorKind, Retry};
use canary_incus::{Endpoint, IncusClient, IncusConfig, Timeouts};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

fn client(socket: &Path) -> IncusClient {
    let mut config = IncusConfig::new(Endpoint::Unix(socket.to_owned()));
    config.timeouts = Timeouts { call: Duration::from_millis(500), ..Timeouts::default() };
    IncusClient::new(&config).unwrap()
}

async fn exec(socket: &Path) -> BackendError {
    let node = NodeId::new("backend-api-1").unwrap();
    client(socket).exec(&node, "test", &["true"], Duration::from_secs(1)).await.unwrap_err()
}

/// What becomes of a command when the daemon answers every request with `answer`; nothing means silence.
async fn answered(answer: Option<String>) -> BackendError {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("socket");
    let listener = UnixListener::bind(&socket).unwrap();
    let daemon = tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 16 * 1024];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            match &answer {
                Some(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
                None => open.push(stream),
            }
        }
    });
    let error = exec(&socket).await;
    daemon.abort();
    error
}

fn ok(body: &str) -> Option<String> {
    Some(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

#[tokio::test]
async fn a_socket_that_is_missing_or_deserted_says_what_to_look_at() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("unix.socket");
    let missing = exec(&socket).await;
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let deserted = exec(&socket).await;
    for (error, words) in
        [(missing, "Incus is not installed or not started"), (deserted, "the Incus daemon is not running")]
    {
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unreachable, CallOutcome::NotApplied));
        assert!(matches!(error.retry(), Retry::Transient { .. }));
        assert!(error.message().contains(words), "{error}");
    }
}

#[tokio::test]
async fn answers_that_are_not_the_api_are_quoted() {
    let html = "<html><body>502 Bad Gateway</body></html>";
    let cases = [
        (ok(html), html),
        (ok(""), "an empty body"),
        (ok("{\"type\":\"sync\""), "EOF while parsing"),
        (ok("{\"type\":\"sync\",\"metadata\":{}}"), "missing field `id`"),
        (ok("{\"type\":\"async\",\"metadata\":{\"id\":\"../1\",\"status_code\":103}}"), "hex digits"),
    ];
    for (answer, expected) in cases {
        let error = answered(answer).await;
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Protocol, CallOutcome::Unknown), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.to_string().len() < 800, "{error}");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let endless = format!("HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n{}", "x".repeat(1000));
    let error = answered(Some(endless)).await;
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Protocol, CallOutcome::Unknown), "{error}");
}

#[tokio::test]
async fn silence_after_a_command_was_sent_leaves_the_outcome_unknown() {
    let error = answered(None).await;
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::TimedOut, CallOutcome::Unknown), "{error}");
}

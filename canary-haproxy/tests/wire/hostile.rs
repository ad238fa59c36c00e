//! Sockets on which something else than a healthy HAProxy answers.

use std::time::Duration;

use crate::support::{PATIENCE, node, pool};
use canary_core::traits::{AdminState, BackendError, CallOutcome, ErrorKind, LoadBalancer, Retry};
use canary_haproxy::{HaproxyConfig, HaproxyLoadBalancer, TcpTransport, UnixTransport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

/// Serves `replies` in turn, one a connection, then the last one for ever; `None` never answers.
fn serve(replies: &'static [Option<&'static [u8]>]) -> (tempfile::TempDir, UnixTransport) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.sock");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        let mut silent = Vec::new();
        for turn in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut command = Vec::new();
            while !command.ends_with(b"\n") {
                command.push(stream.read_u8().await.unwrap());
            }
            match replies[turn.min(replies.len() - 1)] {
                Some(reply) => stream.write_all(reply).await.unwrap_or_default(),
                None => silent.push(stream),
            }
        }
    });
    (dir, UnixTransport::new(path).deadline(PATIENCE))
}

fn balancer(transport: UnixTransport) -> HaproxyLoadBalancer {
    HaproxyLoadBalancer::new(Box::new(transport), HaproxyConfig::new(pool()))
}

async fn drain(transport: UnixTransport) -> BackendError {
    balancer(transport).set_admin(&node("n1"), AdminState::Drain).await.unwrap_err()
}

fn transient(error: &BackendError) -> bool {
    matches!(error.retry(), Retry::Transient { .. })
}

#[tokio::test]
async fn replies_that_are_none_are_protocol_errors_that_quote_them() {
    let cases: [(&'static [Option<&'static [u8]>], &str); 7] = [
        (&[Some(b"")], "the connection was closed without a reply"),
        (&[Some(b"Name: HAProxy\nVers")], "cut off or is not HAProxy's: \"Name: HAProxy Vers\""),
        (&[Some(b"<html><body>nginx</body></html>")], "speaks HTTP or HTML"),
        (&[Some(b"HTTP/1.1 400 Bad Request\r\n\r\n")], "speaks HTTP or HTML"),
        (&[Some(b"\x00\xff\xfe\x80binary")], "cut off or is not HAProxy's"),
        (&[Some(b"\n")], "there is no \"Version\""),
        (&[Some(b"+OK redis\r\n\n\n")], "there is no \"Version\""),
    ];
    for (replies, words) in cases {
        let (_dir, transport) = serve(replies);
        let error = balancer(transport).servers().await.unwrap_err();
        assert_eq!(
            (error.kind(), error.outcome()),
            (ErrorKind::Protocol, CallOutcome::NotApplied),
            "{error}"
        );
        assert!(error.to_string().starts_with("haproxy: show info: unexpected answer: "), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_write_without_a_whole_reply_may_have_been_applied() {
    let (_dir, transport) = serve(&[Some(b"")]);
    let error = drain(transport).await;
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Protocol, CallOutcome::Unknown), "{error}");
    assert!(transient(&error));

    let (_dir, transport) = serve(&[Some(b"IP changed from 1 to 2\n\n")]);
    let error = drain(transport).await;
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Refused, CallOutcome::Unknown), "{error}");
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    let (_dir, transport) = serve(&[None]);
    let transport = transport.deadline(Duration::from_millis(30));
    let error = drain(transport.clone()).await;
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::TimedOut, CallOutcome::Unknown), "{error}");
    assert!(transient(&error));
    let error = balancer(transport).servers().await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::TimedOut, CallOutcome::NotApplied), "{error}");
}

#[tokio::test]
async fn a_flood_is_cut() {
    static FLOOD: [u8; 100_000] = [b'x'; 100_000];
    static REPLIES: [Option<&[u8]>; 1] = [Some(&FLOOD)];
    let (_dir, transport) = serve(&REPLIES);
    let error = balancer(transport.max_reply(1000)).servers().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    assert!(error.to_string().contains("longer than 1000 bytes"), "{error}");
}

#[tokio::test]
async fn an_old_haproxy_is_refused_with_its_version() {
    let (_dir, transport) =
        serve(&[Some(b"Name: HAProxy\nVersion: 2.2.9-2+deb11u5\nPid: 7\nUptime_sec: 3\n\n")]);
    let error = balancer(transport).servers().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::Unsupported, "HAProxy 2.2.9-2+deb11u5 is too old, 2.4 is the oldest supported")
    );
}

#[tokio::test]
async fn two_processes_that_answer_in_turn_are_not_one_pool() {
    const OLD: &[u8] = b"Version: 2.6.1\nPid: 7\nUptime_sec: 3\nStart_time_sec: 1\n\n";
    const NEW: &[u8] = b"Version: 2.6.1\nPid: 8\nUptime_sec: 0\nStart_time_sec: 2\n\n";
    const STATE: &[u8] = b"1\n# be_id be_name srv_id srv_name\n\n";
    const STAT: &[u8] = b"# pxname,svname,type,-,\napi_pool,BACKEND,1,-,\n\n";
    let (_dir, transport) = serve(&[
        Some(OLD),
        Some(STATE),
        Some(STAT),
        Some(NEW),
        Some(OLD),
        Some(STATE),
        Some(STAT),
        Some(NEW),
    ]);
    let error = balancer(transport).servers().await.unwrap_err();
    assert!(error.kind() == ErrorKind::Protocol && transient(&error), "{error}");
    assert!(error.to_string().contains("another HAProxy process answered"), "{error}");

    let (_dir, transport) = serve(&[
        Some(OLD),
        Some(STATE),
        Some(STAT),
        Some(NEW),
        Some(NEW),
        Some(STATE),
        Some(STAT),
        Some(NEW),
    ]);
    assert_eq!(balancer(transport).servers().await.unwrap().epoch, "8@2");
}

#[tokio::test]
async fn a_missing_socket_and_a_closed_port_are_unreachable() {
    let dir = tempfile::tempdir().unwrap();
    let error = drain(UnixTransport::new(dir.path().join("none.sock"))).await;
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unreachable, CallOutcome::NotApplied), "{error}");
    assert!(transient(&error) && error.chain().contains("no such socket"), "{}", error.chain());

    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let transport = Box::new(TcpTransport::new(port.to_string()));
    let balancer = HaproxyLoadBalancer::new(transport, HaproxyConfig::new(pool()));
    let error = balancer.set_admin(&node("n1"), AdminState::Drain).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unreachable, CallOutcome::NotApplied), "{error}");
    assert!(error.to_string().contains(&format!("socket={port}")), "{error}");
}

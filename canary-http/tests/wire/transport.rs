//! The client against real sockets: what each way of failing means, and what is never shown.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::common::{Seen, answer, client, reply, serve};
use canary_core::traits::{BackendError, CallOutcome, ErrorKind, Retry};
use canary_http::{ConfigError, HttpClient, Method, StatusCode, Tls, reader_body};
use tokio::net::{TcpListener, UnixListener};

fn transient(error: &BackendError) -> bool {
    matches!(error.retry(), Retry::Transient { .. })
}

async fn get(client: &HttpClient) -> Result<canary_http::Reply, BackendError> {
    client.send("read", client.request(Method::GET, "/x")).await
}

#[tokio::test]
async fn every_status_is_a_reply() {
    for status in ["200 OK", "302 Found", "404 Not Found", "503 Service Unavailable"] {
        let (url, _) = serve(reply(status, "text/plain", "words")).await;
        let got = get(&client(&url).build().unwrap()).await.unwrap();
        assert_eq!(format!("{} {}", got.status.as_u16(), got.text()), format!("{} words", &status[..3]));
    }
}

#[tokio::test]
async fn credentials_are_sent_and_never_shown() {
    let (url, seen) = serve(reply("200 OK", "text/html", "<html>login</html>")).await;
    let with_secret = url.replace("http://", "http://deploy:s3cret@");
    let builder = client(&format!("{with_secret}/prefix/")).secret_header("x-api-key", "k3y");
    assert!(!format!("{builder:?}").contains("s3cret"));
    let client = builder.build().unwrap();
    let got = get(&client).await.unwrap();
    let request = seen.lock().unwrap()[0].clone();
    assert!(request.starts_with("GET /prefix/x HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("authorization: Basic ZGVwbG95OnMzY3JldA=="), "{request}");
    assert!(request.contains("x-api-key: k3y"), "{request}");
    let error = got.json::<BTreeMap<String, String>>("read").unwrap_err();
    let all = format!("{client:?} {client} {got:?} {error:?} {}", error.chain());
    assert!(!all.contains("s3cret") && !all.contains("k3y"), "{all}");
    assert!(error.chain().starts_with(&format!(
        "test: read: unexpected answer: not the expected JSON: <html>login</html> (status=200, url={url}/prefix/x, \
         content_type=text/html)"
    )));
}

#[tokio::test]
async fn a_bearer_token_is_sent_and_never_shown() {
    let (url, seen) = serve(reply("200 OK", "text/plain", "")).await;
    let client = client(&url).bearer_token("t0ken").build().unwrap();
    get(&client).await.unwrap();
    assert!(seen.lock().unwrap()[0].contains("authorization: Bearer t0ken"));
    assert!(!format!("{client:?}").contains("t0ken"));
}

#[tokio::test]
async fn no_connection_means_not_applied() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = get(&client(&format!("http://{free}")).build().unwrap()).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unreachable, CallOutcome::NotApplied));
    assert!(transient(&error));

    let unix = HttpClient::builder("test").unix_socket("/nonexistent/incus.sock").build().unwrap();
    let error = get(&unix).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unreachable, CallOutcome::NotApplied));
    assert!(error.chain().contains("url=unix:/nonexistent/incus.sock/x"), "{}", error.chain());

    let nowhere = client("http://no-such-host.invalid").build().unwrap();
    assert_eq!(get(&nowhere).await.unwrap_err().kind(), ErrorKind::Unreachable);
}

#[tokio::test]
async fn silence_times_out_with_an_unknown_outcome() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let client = client(&url).timeout(Duration::from_millis(100)).build().unwrap();
    let error = get(&client).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::TimedOut, CallOutcome::Unknown));
    assert!(transient(&error));
    drop(listener);
}

#[tokio::test]
async fn a_body_that_stops_midway_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        let (mut stream, _) = listener.accept().await.unwrap();
        crate::common::read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await.unwrap();
        std::future::pending::<()>().await;
    });
    let client = client(&url).timeout(Duration::from_millis(300)).build().unwrap();
    let error = get(&client).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (ErrorKind::TimedOut, CallOutcome::Unknown),
        "{}",
        error.chain()
    );
    server.abort();
}

#[tokio::test]
async fn broken_answers_are_protocol_errors_with_an_unknown_outcome() {
    let broken: [&[u8]; 5] = [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-le",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
    ];
    for bytes in broken {
        let (url, _) = serve(bytes).await;
        let error = get(&client(&url).build().unwrap()).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Protocol, CallOutcome::Unknown));
        assert!(transient(&error), "{}", error.chain());
    }
}

#[tokio::test]
async fn bodies_over_the_limit_are_refused_by_its_number() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n";
    for bytes in [reply("200 OK", "text/plain", "hello world"), chunked.into()] {
        let (url, _) = serve(bytes.clone()).await;
        let error = get(&client(&url).max_body(10).build().unwrap()).await.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Protocol, Retry::Permanent));
        assert!(error.message().contains("limit of 10 bytes"), "{}", error.chain());
        let fits = get(&client(&url).max_body(11).build().unwrap()).await.unwrap();
        assert_eq!(fits.text(), "hello world");
    }
}

#[tokio::test]
async fn json_errors_quote_what_came() {
    let cases = [
        ("{\"a\": \"b", "truncated JSON: {\"a\": \"b"),
        ("", "not the expected JSON: an empty body"),
        ("[1]", "not the expected JSON: [1]"),
        ("\u{1b}[31m\n\n  red\0", "not the expected JSON: \\u{1b}[31m red\\u{0}"),
    ];
    for (body, expected) in cases {
        let (url, _) = serve(reply("200 OK", "application/json", body)).await;
        let got = get(&client(&url).build().unwrap()).await.unwrap();
        let error = got.json::<BTreeMap<String, String>>("read").unwrap_err();
        assert_eq!(error.message(), expected);
    }
    let (url, _) = serve(reply("200 OK", "text/html", &"ä".repeat(5000))).await;
    let got = get(&client(&url).build().unwrap()).await.unwrap();
    assert_eq!(got.excerpt().chars().count(), 200);
}

#[tokio::test]
async fn unix_sockets_are_spoken_to() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("api.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let seen = Seen::default();
    let shared = Seen::clone(&seen);
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        answer(stream, &reply("200 OK", "application/json", "{\"type\":\"sync\"}"), &shared).await;
    });
    let client = HttpClient::builder("incus").unix_socket(&path).build().unwrap();
    let got: BTreeMap<String, String> = get(&client).await.unwrap().json("read").unwrap();
    assert_eq!(got["type"], "sync");
    assert!(seen.lock().unwrap()[0].contains("host: localhost"));
    server.await.unwrap();
}

#[tokio::test]
async fn a_path_cannot_lead_to_another_host() {
    let (url, seen) = serve(reply("200 OK", "text/plain", "")).await;
    let client = client(&url).build().unwrap();
    for path in ["@127.0.0.2/", "//127.0.0.2/", ".evil/", "http://127.0.0.2/"] {
        let got = client.send("read", client.request(Method::GET, path)).await.unwrap();
        assert_eq!(got.status, StatusCode::OK);
    }
    assert_eq!(seen.lock().unwrap().len(), 4);

    let whole = crate::common::client(&format!("{url}/metrics")).build().unwrap();
    whole.send("read", whole.request(Method::GET, "")).await.unwrap();
    assert!(seen.lock().unwrap()[4].starts_with("GET /metrics HTTP/1.1"));
}

#[tokio::test]
async fn files_stream_both_ways_and_changed_files_break_off() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("artifact");
    let content = "0123456789".repeat(50_000);
    std::fs::write(&path, &content).unwrap();

    let (url, seen) = serve(reply("200 OK", "text/plain", &content)).await;
    let client = client(&url).max_body(10).build().unwrap();
    let upload = |length| {
        let request = client.request(Method::POST, "/files");
        async move {
            let file = tokio::fs::File::open(&path).await.unwrap();
            let request = request.body(reader_body(file, length));
            client.download("push", request, &mut Vec::new(), 1_000_000).await
        }
    };
    let done = upload.clone()(500_000).await.unwrap();
    assert_eq!(done.bytes, 500_000);
    let request = seen.lock().unwrap()[0].clone();
    assert!(request.to_lowercase().contains("content-length: 500000"), "not a plain length");
    assert!(request.ends_with(&content), "the file did not arrive as it is");
    for wrong in [500_001, 499_999] {
        let error = upload.clone()(wrong).await.unwrap_err();
        assert_eq!(error.outcome(), CallOutcome::Unknown);
        assert!(error.chain().contains("the source "), "{}", error.chain());
    }
}

#[tokio::test]
async fn downloads_have_a_limit_and_errors_keep_their_body() {
    let (url, _) = serve(reply("200 OK", "application/octet-stream", "0123456789")).await;
    let client_ = client(&url).build().unwrap();
    let mut out = Vec::new();
    let error = client_.download("fetch", client_.request(Method::GET, "/"), &mut out, 9).await.unwrap_err();
    assert!(error.message().contains("limit of 9 bytes"));

    let (url, _) = serve(reply("404 Not Found", "application/json", "{}")).await;
    let client_ = client(&url).build().unwrap();
    let mut out = Vec::new();
    let got = client_.download("fetch", client_.request(Method::GET, "/"), &mut out, 9).await.unwrap();
    assert_eq!((got.reply.status, got.bytes, got.reply.text().as_str()), (StatusCode::NOT_FOUND, 0, "{}"));
    assert!(out.is_empty());
}

#[test]
fn unusable_settings_are_refused_with_a_reason() {
    let message = |url: &str| client(url).build().unwrap_err().to_string();
    let cases = [
        ("prom.lxd:9090", "\"prom.lxd:9090\" is not a usable URL: it must start with http:// or https://"),
        ("ftp://u:s3cret@h", "\"ftp://…@h\" is not a usable URL: it must start with http:// or https://"),
        ("http://", "\"http://\" is not a usable URL: empty host"),
        ("http://u:s3cret@h:99999", "\"http://…@h:99999\" is not a usable URL: invalid port number"),
        ("http://h/?a=b", "\"http://h/?a=b\" is not a usable URL: it must not have a query or a fragment"),
        ("", "\"\" is not a usable URL: relative URL without a base"),
    ];
    for (url, expected) in cases {
        assert_eq!(message(url), expected);
    }
    let none = HttpClient::builder("test").build().unwrap_err();
    assert_eq!(none.to_string(), "neither a URL nor a Unix socket was given");
    let header = client("http://h").bearer_token("a\nb").build().unwrap_err();
    assert!(matches!(header, ConfigError::Header { .. }) && !header.to_string().contains("a\nb"));
    let pinned = Tls { pinned_server_pem: Some(b"not PEM".to_vec()), ..Tls::default() };
    let error = client("https://h").tls(pinned.clone()).build().unwrap_err();
    assert_eq!(error.to_string(), "the pinned server certificate is not usable: it holds no PEM certificate");
    assert!(matches!(client("http://h").tls(pinned).build(), Err(ConfigError::TlsWithoutHttps { .. })));
}

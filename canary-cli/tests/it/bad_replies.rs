//! What servers may answer, and the whole message that comes of it.
//!
//! Each reply comes from a real socket; the messages are kept in one snapshot.

#![expect(clippy::unwrap_used, reason = "a test stops where its set-up fails")]

use std::fmt::Write as _;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use canary_core::analysis::{Ratio, judge};
use canary_core::fleet::{MetricName, NodeId, PoolName, RemotePath, UnitName};
use canary_core::spec::{Bound, Sli, SliJudging};
use canary_core::time::Timestamp;
use canary_core::traits::{
    AdminState, LoadBalancer as _, NodeRuntime as _, SliKind, SliQuery, SliSource, Subject,
};
use canary_haproxy::{HaproxyConfig, HaproxyLoadBalancer, TcpTransport};
use canary_incus::{Endpoint, IncusClient, IncusConfig, IncusNodeRuntime, ServiceConfig};
use canary_prom::{MetricsConfig, MetricsSource, PrometheusConfig, PrometheusSource};

/// Answers every connection with the same bytes once a request came, and closes it.
fn answer(mut stream: impl std::io::Read + std::io::Write, reply: &[u8]) {
    let mut request = [0_u8; 64 * 1024];
    // A peer that goes away early is part of the game.
    let _ = stream.read(&mut request);
    let _ = stream.write_all(reply);
}

/// A TCP server with one answer; gives its address.
fn tcp(reply: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || listener.incoming().flatten().for_each(|stream| answer(stream, &reply)));
    address
}

fn unix(path: &Path, reply: Vec<u8>) {
    let listener = UnixListener::bind(path).unwrap();
    std::thread::spawn(move || listener.incoming().flatten().for_each(|stream| answer(stream, &reply)));
}

/// An HTTP answer.
fn http(status: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let mut reply = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    reply.extend(body);
    reply
}

fn json(status: &str, body: &str) -> Vec<u8> {
    http(status, "application/json", body.as_bytes())
}

/// Takes out what differs from run to run, and cuts lines that a person would not read to their end.
fn stable(text: &str, address: &str) -> String {
    let text = text.replace(address, "ADDRESS");
    let short: String = text.chars().take(600).collect();
    if short.len() < text.len() { format!("{short}…") } else { short }
}

fn node() -> NodeId {
    NodeId::new("backend-api-2").unwrap()
}

async fn haproxy(reply: &[u8]) -> String {
    let address = tcp(reply.to_vec());
    let transport = TcpTransport::new(&address).deadline(Duration::from_secs(5)).max_reply(1 << 20);
    let balancer =
        HaproxyLoadBalancer::new(Box::new(transport), HaproxyConfig::new(PoolName::new("api_pool").unwrap()));
    let read = balancer.servers().await.unwrap_err();
    let write = balancer.set_admin(&node(), AdminState::Drain).await;
    let write = write.map_or_else(|e| e.chain(), |_| "accepted".to_owned());
    stable(&format!("read:  {}\nwrite: {write}", read.chain()), &address)
}

fn error_ratio() -> Sli {
    let kind = SliKind::ErrorRatio {
        metric: MetricName::new("requests_total").unwrap(),
        status_label: MetricName::new("status").unwrap(),
    };
    Sli {
        name: "error_ratio".to_owned(),
        kind,
        bound: Bound::Below("0.005".parse().unwrap()),
        min_requests: 1,
        judging: SliJudging::default(),
    }
}

fn p95() -> SliKind {
    SliKind::Quantile {
        metric: MetricName::new("latency_seconds").unwrap(),
        quantile: Ratio::new(0.95).unwrap(),
    }
}

async fn judged(source: &dyn SliSource, kind: SliKind) -> String {
    let sli = Sli { kind, ..error_ratio() };
    let query = SliQuery {
        name: sli.name.clone(),
        kind: sli.kind.clone(),
        subject: Subject::Pool,
        window: Duration::from_secs(60),
        at: Timestamp::from_millis(1_800_000_000_000),
    };
    let answer = source.sample(&[query]).await.remove(0);
    judge(&sli, answer.map_err(|e| e.chain()), false).to_string()
}

async fn prometheus(reply: &[u8]) -> String {
    let address = tcp(reply.to_vec());
    let source = PrometheusSource::new(PrometheusConfig::new(format!("http://{address}"))).unwrap();
    stable(&judged(&source, error_ratio().kind).await, &address)
}

async fn metrics(reply: &[u8], kind: SliKind) -> String {
    let address = tcp(reply.to_vec());
    let pages = vec![(node(), format!("http://{address}/metrics"))];
    let source = MetricsSource::new(&MetricsConfig::new(pages)).unwrap();
    judged(&source, kind.clone()).await;
    stable(&judged(&source, kind).await, &address)
}

async fn incus(reply: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("incus.socket");
    unix(&path, reply.to_vec());
    let service = ServiceConfig {
        target: RemotePath::new("/opt/veza/veza-api").unwrap(),
        unit: UnitName::new("veza-backend-api").unwrap(),
    };
    let client = IncusClient::new(&IncusConfig::new(Endpoint::Unix(path.clone()))).unwrap();
    let error = IncusNodeRuntime::new(client, service).installed(&node()).await.unwrap_err();
    stable(&error.chain(), &path.display().to_string())
}

const HTML: &str =
    "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body>oops</body></html>";

fn haproxy_replies() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("nothing at all", Vec::new()),
        ("binary noise", vec![0xff, 0x00, 0x80, 0x0a, 0x1b, 0x5b, 0x32, 0x4a]),
        ("an HTML page", HTML.into()),
        (
            "an unknown command",
            b"Unknown command: 'show', but maybe one of the following ones is a better match:\n\n".into(),
        ),
        ("no permission", b"Permission denied\n\n".into()),
        ("a table cut off", b"1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_ad".into()),
        ("a line feed", b"\n".into()),
        ("2 MB without an end", vec![b'x'; 2 << 20]),
        ("no such server", b"No such server.\n\n".into()),
        ("no such backend", b"Can't find backend.\n\n".into()),
    ]
}

fn prometheus_replies() -> Vec<(&'static str, Vec<u8>)> {
    let vector = |result: &str| {
        json(
            "200 OK",
            &format!(r#"{{"status":"success","data":{{"resultType":"vector","result":{result}}}}}"#),
        )
    };
    vec![
        ("nothing at all", Vec::new()),
        ("an HTML page with 200", http("200 OK", "text/html", HTML.as_bytes())),
        ("an HTML page with 502", http("502 Bad Gateway", "text/html", HTML.as_bytes())),
        ("truncated JSON", json("200 OK", r#"{"status":"success","data":{"resultType":"vec"#)),
        (
            "a body shorter than announced",
            b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{\"status\"".into(),
        ),
        ("another JSON", json("200 OK", r#"{"hello":"world"}"#)),
        ("an empty body", json("200 OK", "")),
        (
            "bad data",
            json(
                "400 Bad Request",
                r#"{"status":"error","errorType":"bad_data","error":"parse error at char 5"}"#,
            ),
        ),
        (
            "an execution error",
            json(
                "422 Unprocessable Entity",
                r#"{"status":"error","errorType":"execution","error":"found duplicate series"}"#,
            ),
        ),
        (
            "a timeout there",
            json(
                "503 Service Unavailable",
                r#"{"status":"error","errorType":"timeout","error":"query timed out"}"#,
            ),
        ),
        ("too many requests", http("429 Too Many Requests", "text/plain", b"slow down")),
        ("no credentials", http("401 Unauthorized", "text/plain", b"Unauthorized")),
        (
            "a redirect",
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/login\r\nContent-Length: 0\r\n\r\n".into(),
        ),
        ("a matrix", json("200 OK", r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#)),
        ("a value that is no number", vector(r#"[{"metric":{},"value":[1800000000,"abc"]}]"#)),
        ("NaN", vector(r#"[{"metric":{},"value":[1800000000,"NaN"]}]"#)),
        ("infinity", vector(r#"[{"metric":{},"value":[1800000000,"+Inf"]}]"#)),
        (
            "several series",
            vector(
                r#"[{"metric":{"a":"1"},"value":[1800000000,"1"]},{"metric":{"a":"2"},"value":[1800000000,"2"]}]"#,
            ),
        ),
        ("no series", vector("[]")),
        ("20 MB", http("200 OK", "application/json", &vec![b' '; 20 << 20])),
    ]
}

fn metrics_pages() -> Vec<(&'static str, Vec<u8>)> {
    let text = "text/plain; version=0.0.4";
    let protobuf =
        "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
    let ten_megabytes: String = "requests_total{status=\"200\"} 1 ".repeat((10 << 20) / 31);
    vec![
        ("nothing at all", Vec::new()),
        ("an HTML page", http("200 OK", "text/html", HTML.as_bytes())),
        ("not found", http("404 Not Found", "text/plain", b"404 page not found")),
        ("a line cut off", http("200 OK", text, b"requests_total{status=\"200\"} 12\nrequests_total{sta")),
        ("no number", http("200 OK", text, b"requests_total{status=\"200\"} many\n")),
        ("binary noise", http("200 OK", text, &[0xff, 0xfe, 0x00, 0x0a])),
        ("protobuf", http("200 OK", protobuf, &[0x0a, 0x05])),
        ("10 MB on one line", http("200 OK", text, ten_megabytes.as_bytes())),
        ("an empty page", http("200 OK", text, b"")),
    ]
}

fn incus_replies() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("nothing at all", Vec::new()),
        ("an HTML page", http("200 OK", "text/html", HTML.as_bytes())),
        ("truncated JSON", json("200 OK", r#"{"type":"async","status":"Operation cre"#)),
        ("another JSON", json("200 OK", r#"[1,2,3]"#)),
        (
            "no such instance",
            json(
                "404 Not Found",
                r#"{"type":"error","error":"Instance not found","error_code":404,"metadata":null}"#,
            ),
        ),
        (
            "no permission",
            json(
                "403 Forbidden",
                r#"{"type":"error","error":"not authorized","error_code":403,"metadata":null}"#,
            ),
        ),
        (
            "an error of its own",
            json(
                "500 Internal Server Error",
                r#"{"type":"error","error":"disk I/O error","error_code":500,"metadata":null}"#,
            ),
        ),
        (
            "a synchronous answer",
            json("200 OK", r#"{"type":"sync","status":"Success","status_code":200,"metadata":{}}"#),
        ),
    ]
}

#[tokio::test]
async fn every_bad_reply_has_a_message_that_says_what_came() {
    let mut text = String::new();
    let mut add = |server: &str, reply: &str, message: &str| {
        write!(text, "{server} answers with {reply}:\n{message}\n\n").unwrap();
    };
    for (name, reply) in haproxy_replies() {
        add("HAProxy", name, &haproxy(&reply).await);
    }
    for (name, reply) in prometheus_replies() {
        add("Prometheus", name, &prometheus(&reply).await);
    }
    for (name, page) in metrics_pages() {
        add("a metrics page", name, &metrics(&page, error_ratio().kind).await);
    }
    let native = b"# TYPE latency_seconds histogram\nlatency_seconds {count:1,sum:2}\n";
    add("a metrics page", "a native histogram", &metrics(&http("200 OK", "text/plain", native), p95()).await);
    for (name, reply) in incus_replies() {
        add("Incus", name, &incus(&reply).await);
    }
    assert!(!text.contains('\u{1b}'), "a control sequence of the server's would reach the terminal");
    insta::assert_snapshot!(text);
}

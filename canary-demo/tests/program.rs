//! The program itself: what each fault does, and that a stop cuts nothing.
#![expect(clippy::unwrap_used, reason = "the helpers of a test fail the test")]

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use canary_demo::service::{Fault, Trailer, stamp};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, Command};

const DEADLINE: Duration = Duration::from_secs(20);

struct Running {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
    address: String,
    _dir: TempDir,
}

fn release(trailer: &Trailer) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("veza-api");
    stamp(Path::new(env!("CARGO_BIN_EXE_veza-api")), &path, trailer).unwrap();
    (dir, path)
}

/// Another test's fork may hold the new file open for writing until its own exec: then it is busy for a moment.
async fn spawn(path: &Path) -> Child {
    for _ in 0..500 {
        match Command::new(path)
            .args(["--listen", "127.0.0.1:0"])
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
        {
            Ok(child) => return child,
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("{} stays busy", path.display());
}

async fn start(trailer: &Trailer) -> Running {
    let (dir, path) = release(trailer);
    let mut child = spawn(&path).await;
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = tokio::time::timeout(DEADLINE, log.next_line()).await.unwrap().unwrap().unwrap();
    let (said, address) = line.split_once(" listens on ").unwrap();
    assert_eq!(said, format!("release {}", trailer.version));
    Running { child, log, address: address.to_owned(), _dir: dir }
}

impl Running {
    async fn send(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    /// Status and body.
    async fn fetch(&self, path: &str) -> (u16, String) {
        read(self.send(path).await).await
    }

    /// Sends SIGTERM and waits until the program has said that it stops.
    async fn terminate(&mut self) {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
        let line = tokio::time::timeout(DEADLINE, self.log.next_line()).await.unwrap().unwrap();
        assert_eq!(line.as_deref(), Some("stopping: finishing the requests in flight"));
    }

    async fn exit_code(&mut self) -> Option<i32> {
        tokio::time::timeout(DEADLINE, self.child.wait()).await.unwrap().unwrap().code()
    }
}

async fn read(mut stream: TcpStream) -> (u16, String) {
    let mut text = String::new();
    tokio::time::timeout(DEADLINE, stream.read_to_string(&mut text)).await.unwrap().unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[tokio::test]
async fn a_good_release_answers_and_counts() {
    let service = start(&Trailer::new("v7")).await;
    assert_eq!(service.fetch("/api/v1/health").await, (200, "ok\n".to_owned()));
    let (status, body) = service.fetch("/").await;
    assert_eq!(status, 200);
    assert!(body.starts_with("v7 on "), "{body}");
    assert_eq!(service.fetch("/work?ms=1").await.0, 200);
    assert_eq!(service.fetch("/work?ms=120001").await.0, 400);
    assert_eq!(service.fetch("/nowhere").await.0, 404);
    let (_, metrics) = service.fetch("/metrics").await;
    for line in [
        "veza_gin_http_requests_total{status=\"200\"} 3",
        "veza_gin_http_requests_total{status=\"400\"} 1",
        "veza_gin_http_requests_total{status=\"404\"} 1",
        "veza_gin_http_request_duration_seconds_count 5",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} not in:\n{metrics}");
    }
    assert!(!metrics.contains("status=\"500\""));
}

#[tokio::test]
async fn a_stop_lets_the_request_in_flight_end() {
    let mut service = start(&Trailer::new("v1").with(Fault::LongRequests { ms: 700 })).await;
    let idle = TcpStream::connect(&service.address).await.unwrap();
    let in_flight = service.send("/").await;
    // A health check on another connection is answered after the request above was accepted.
    assert_eq!(service.fetch("/api/v1/health").await.0, 200);
    service.terminate().await;
    assert_eq!(read(in_flight).await.0, 200);
    assert_eq!(service.exit_code().await, Some(0));
    assert!(TcpStream::connect(&service.address).await.is_err());
    drop(idle);
}

#[tokio::test]
async fn errors_hit_requests_at_their_rate_and_never_health() {
    let service = start(&Trailer::new("v2").with(Fault::Errors { rate_ppm: 250_000 })).await;
    let mut statuses = Vec::new();
    for _ in 0..8 {
        statuses.push(service.fetch("/").await.0);
        assert_eq!(service.fetch("/api/v1/health").await.0, 200);
    }
    assert_eq!(statuses, [200, 200, 200, 500, 200, 200, 200, 500]);
}

#[tokio::test]
async fn latency_is_in_the_histogram() {
    let service = start(&Trailer::new("v2").with(Fault::Latency { rate_ppm: 1_000_000, ms: 300 })).await;
    assert_eq!(service.fetch("/").await.0, 200);
    let (_, metrics) = service.fetch("/metrics").await;
    assert!(metrics.contains("_bucket{le=\"0.25\"} 0\n"), "{metrics}");
    assert!(metrics.contains("_count 1\n"), "{metrics}");
}

#[tokio::test]
async fn a_release_with_bad_health_still_works() {
    let service = start(&Trailer::new("v2").with(Fault::Health)).await;
    assert_eq!(service.fetch("/api/v1/health").await.0, 500);
    assert_eq!(service.fetch("/").await.0, 200);
}

#[tokio::test]
async fn a_slow_start_opens_the_port_late_and_can_be_stopped() {
    let (_dir, path) = release(&Trailer::new("v2").with(Fault::SlowStart { ms: 120_000 }));
    let mut child = spawn(&path).await;
    let pid = child.id().unwrap().to_string();
    // Until the handler is in place a SIGTERM ends the process by the signal; either way it ends without ever listening.
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    let mut log = String::new();
    let mut stderr = child.stderr.take().unwrap();
    tokio::time::timeout(DEADLINE, stderr.read_to_string(&mut log)).await.unwrap().unwrap();
    assert_eq!(log, "");
    tokio::time::timeout(DEADLINE, child.wait()).await.unwrap().unwrap();

    let service = start(&Trailer::new("v2").with(Fault::SlowStart { ms: 200 })).await;
    assert_eq!(service.fetch("/api/v1/health").await.0, 200);
}

#[tokio::test]
async fn a_crash_and_a_cut_trailer_end_with_code_1_and_say_why() {
    let (_dir, crash) = release(&Trailer::new("v2").with(Fault::Crash));
    let (_dir2, cut) = release(&Trailer::new("v2"));
    let bytes = std::fs::read(&cut).unwrap();
    std::fs::write(&cut, &bytes[..bytes.len() - 4]).unwrap();
    for (path, message) in [(crash, "release v2 crashes at start"), (cut, "not a valid trailer")] {
        let mut child = spawn(&path).await;
        let mut log = String::new();
        let mut stderr = child.stderr.take().unwrap();
        tokio::time::timeout(DEADLINE, stderr.read_to_string(&mut log)).await.unwrap().unwrap();
        let status = tokio::time::timeout(DEADLINE, child.wait()).await.unwrap().unwrap();
        assert_eq!(status.code(), Some(1));
        assert!(log.contains(message), "{log}");
    }
}

#[tokio::test]
async fn the_stamp_command_line_makes_the_same_artifact() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("v3");
    let status = Command::new(env!("CARGO_BIN_EXE_veza-api"))
        .arg("--stamp")
        .arg(&out)
        .args([
            "--version",
            "v3",
            "--fault",
            "errors",
            "--fault",
            "slow-start",
            "--rate-ppm",
            "50000",
            "--start-ms",
            "10",
        ])
        .status()
        .await
        .unwrap();
    assert!(status.success());
    let trailer =
        Trailer::new("v3").with(Fault::Errors { rate_ppm: 50_000 }).with(Fault::SlowStart { ms: 10 });
    let (_dir, same) = release(&trailer);
    assert_eq!(std::fs::read(&out).unwrap(), std::fs::read(same).unwrap());
}

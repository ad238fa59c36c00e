//! A real Prometheus with samples of the test's own: what a query answers is known beforehand.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What no working start takes.
const DEADLINE: Duration = Duration::from_secs(120);
/// The head of a readiness answer.
const READY: &[u8] = b"HTTP/1.1 200";

/// A running Prometheus that scrapes nothing; dropping it ends it.
#[derive(Debug)]
pub struct StoredPrometheus {
    /// Its base URL.
    pub url: String,
    /// Its process.
    pub pid: u32,
    child: Child,
    directory: tempfile::TempDir,
}

impl StoredPrometheus {
    /// Starts one with the samples of an OpenMetrics text; nothing (and says so) where `prometheus` or `promtool` is not installed,
    /// but in CI, where both must be.
    ///
    /// # Panics
    /// When it cannot be started, or does not answer within two minutes.
    #[must_use]
    pub fn start(openmetrics: &str) -> Option<Self> {
        let (server, tool) = (program("prometheus")?, program("promtool")?);
        let directory = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary directory: {error}"));
        let at = |name: &str| directory.path().join(name);
        write(&at("samples.om"), openmetrics);
        write(&at("prometheus.yml"), "scrape_configs: []\n");
        let load = Command::new(tool)
            .args(["tsdb", "create-blocks-from", "openmetrics"])
            .args([at("samples.om"), at("data")])
            .output()
            .unwrap_or_else(|error| panic!("cannot start promtool: {error}"));
        assert!(load.status.success(), "promtool: {}", String::from_utf8_lossy(&load.stderr));
        let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let address = free.unwrap_or_else(|error| panic!("no free port: {error}")).to_string();
        let log =
            std::fs::File::create(at("log")).unwrap_or_else(|error| panic!("cannot write a log: {error}"));
        let child = Command::new(server)
            .arg(format!("--web.listen-address={address}"))
            .arg(format!("--config.file={}", at("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", at("data").display()))
            .arg("--storage.tsdb.retention.time=100y")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start prometheus: {error}"));
        let started = Self { url: format!("http://{address}"), pid: child.id(), child, directory };
        started.wait(&address);
        Some(started)
    }

    fn wait(&self, address: &str) {
        let began = Instant::now();
        while !ready(address) {
            let log = || std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            assert!(began.elapsed() < DEADLINE, "prometheus is not ready:\n{}", log());
            std::thread::sleep(Duration::from_millis(25));
        }
    }
}

impl Drop for StoredPrometheus {
    fn drop(&mut self) {
        // Whoever has ended already cannot be ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ready(address: &str) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        write!(stream, "GET /-/ready HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
        let mut head = [0; 12];
        stream.read_exact(&mut head)?;
        Ok(head == READY)
    };
    ask().unwrap_or(false)
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
}

#[expect(clippy::print_stdout, reason = "a test that did not run says so")]
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "no {name} in PATH: CI must have it");
        println!("skipped: no {name} in PATH");
    }
    found
}

//! A Docker Engine of a test's own: data, sockets and processes under one directory, no bridge, no firewall.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What no working start takes.
const DEADLINE: Duration = Duration::from_secs(60);
/// What no working end takes.
const END: Duration = Duration::from_secs(30);

/// A running engine; dropping it ends it with all that it started.
#[derive(Debug)]
pub struct DockerEngine {
    process: Child,
    root: tempfile::TempDir,
}

impl DockerEngine {
    /// Starts one and waits until it answers; nothing (and says so) where that needs root or `dockerd` is not installed, but in CI, where it must work.
    ///
    /// # Panics
    /// When it cannot be started, or does not answer within a minute.
    #[must_use]
    #[expect(clippy::print_stdout, reason = "a test that did not run says so")]
    pub fn start() -> Option<Self> {
        if let Some(why) = missing() {
            assert!(std::env::var_os("CI").is_none(), "{why}");
            println!("skipped: {why}");
            return None;
        }
        let root = tempfile::Builder::new().prefix("canary-docker-").tempdir();
        let root = root.unwrap_or_else(|error| panic!("no temporary directory: {error}"));
        let at = |name: &str| root.path().join(name).display().to_string();
        let log = fs::File::create(at("log")).unwrap_or_else(|error| panic!("cannot write a log: {error}"));
        let errors = log.try_clone().unwrap_or_else(|error| panic!("cannot write a log: {error}"));
        let process = Command::new("dockerd")
            .args(["--data-root", &at("data"), "--exec-root", &at("exec"), "--pidfile", &at("pid")])
            .args(["--host", &format!("unix://{}", at("sock")), "--cgroup-parent", &parent(root.path())])
            .args(["--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"])
            .args(["--ip-masq=false", "--userland-proxy=false"])
            .stdout(log)
            .stderr(errors)
            .stdin(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start dockerd: {error}"));
        let engine = Self { process, root };
        let begun = Instant::now();
        while !answers(&engine.socket()) {
            let log = || fs::read_to_string(engine.root.path().join("log")).unwrap_or_default();
            assert!(begun.elapsed() < DEADLINE, "dockerd does not answer:\n{}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(engine)
    }

    /// Where it listens, as `unix:///path`.
    #[must_use]
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    fn socket(&self) -> PathBuf {
        self.root.path().join("sock")
    }
}

/// Why none can be started here.
fn missing() -> Option<String> {
    let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    let there = ["/usr/sbin/dockerd", "/usr/bin/dockerd"].iter().any(|path| Path::new(path).exists());
    match (root, there) {
        (false, _) => Some("starting a Docker Engine needs root".to_owned()),
        (_, false) => Some("dockerd is not installed (Debian: docker.io)".to_owned()),
        _ => None,
    }
}

fn answers(socket: &Path) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /_ping HTTP/1.1\r\nhost: docker\r\nconnection: close\r\n\r\n")?;
        let mut head = [0; 12];
        stream.read_exact(&mut head)?;
        Ok(&head == b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}

/// The folder of its containers among the control groups.
fn parent(root: &Path) -> String {
    format!("/{}", root.file_name().unwrap_or_default().display())
}

impl Drop for DockerEngine {
    fn drop(&mut self) {
        // By its id; it ends its containerd itself.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let begun = Instant::now();
        while self.process.try_wait().is_ok_and(|ended| ended.is_none()) {
            if begun.elapsed() > END {
                let _ = self.process.kill();
                let _ = self.process.wait();
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        // What it leaves: mounts below its directories, and empty folders of control groups.
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let own = self.root.path().display().to_string();
        for mount in
            mounts.lines().rev().filter_map(|line| line.split(' ').nth(1)).filter(|at| at.starts_with(&own))
        {
            let _ = Command::new("umount").arg(mount).status();
        }
        let name = parent(self.root.path());
        let groups = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten().map(|entry| entry.path());
        for group in groups.chain([PathBuf::from("/sys/fs/cgroup")]) {
            let _ = fs::remove_dir(group.join(name.trim_start_matches('/')));
        }
    }
}

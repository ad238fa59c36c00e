//! A Docker Engine of the test's own: data, sockets and processes under one directory, no bridge, no firewall.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bollard::{API_DEFAULT_VERSION, Docker};

pub(crate) struct Engine {
    process: Child,
    root: tempfile::TempDir,
}

/// Why the tests cannot run here; in CI that is a failure.
pub(crate) fn missing() -> Option<String> {
    let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    let there = ["/usr/sbin/dockerd", "/usr/bin/dockerd"].iter().any(|path| Path::new(path).exists());
    match (root, there) {
        (false, _) => Some("starting a Docker Engine needs root".to_owned()),
        (_, false) => Some("dockerd is not installed (Debian: docker.io)".to_owned()),
        _ => None,
    }
}

impl Engine {
    /// Starts one and waits until it answers.
    pub(crate) async fn start() -> Self {
        let root = tempfile::Builder::new().prefix("canary-docker-").tempdir().unwrap();
        let own = root.path().to_owned();
        let at = |name: &str| own.join(name).to_str().unwrap().to_owned();
        let log = fs::File::create(at("log")).unwrap();
        let process = Command::new("dockerd")
            .args(["--data-root", &at("data"), "--exec-root", &at("exec"), "--pidfile", &at("pid")])
            .args(["--host", &format!("unix://{}", at("sock")), "--cgroup-parent", &parent(root.path())])
            .args([
                "--bridge=none",
                "--iptables=false",
                "--ip6tables=false",
                "--ip-forward=false",
                "--ip-masq=false",
            ])
            .arg("--userland-proxy=false")
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let engine = Self { process, root };
        let begun = Instant::now();
        loop {
            let answers = match Docker::connect_with_unix(&engine.host(), 10, API_DEFAULT_VERSION) {
                Ok(docker) => docker.ping().await.is_ok(),
                Err(_) => false,
            };
            if answers {
                return engine;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{}", fs::read_to_string(at("log")).unwrap());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.root.path().join("sock").display())
    }

    pub(crate) async fn client(&self) -> Docker {
        Docker::connect_with_unix(&self.host(), 60, API_DEFAULT_VERSION)
            .unwrap()
            .negotiate_version()
            .await
            .unwrap()
    }
}

/// The folder of its containers among the control groups.
fn parent(root: &Path) -> String {
    format!("/{}", root.file_name().unwrap().to_str().unwrap())
}

impl Drop for Engine {
    fn drop(&mut self) {
        // By its id; it ends its containerd itself.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let begun = Instant::now();
        while self.process.try_wait().is_ok_and(|ended| ended.is_none()) {
            if begun.elapsed() > Duration::from_secs(30) {
                let _ = self.process.kill();
                let _ = self.process.wait();
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        // What it leaves: mounts below its directories, and empty folders of control groups.
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let own = self.root.path().to_str().unwrap().to_owned();
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

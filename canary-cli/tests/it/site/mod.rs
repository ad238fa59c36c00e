//! A service of several processes on this host with its configuration and releases, by the real program.

#![expect(clippy::unwrap_used, reason = "a test stops where its set-up fails")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use canary_core::traits::LoadBalancer as _;
use canary_demo::load::{Load, LoadOptions};
use canary_demo::service::{Fault, Trailer, stamp};
use canary_local::{LocalClient, LocalClientConfig};
use canary_testkit::free_address;

pub(crate) mod service;

const PROGRAM: &str = env!("CARGO_BIN_EXE_canary-cli");
const DEADLINE: Duration = Duration::from_secs(90);

pub(crate) async fn until<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(begun.elapsed() < DEADLINE, "{what} did not come true");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A directory with a configuration that `init` wrote, and releases.
pub(crate) struct Site {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) url: String,
}

impl Site {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listen = free_address().to_string();
        let site = Self { dir, url: format!("http://{listen}") };
        site.release("v1", &[]);
        let nodes = ["api-1", "api-2", "api-3"].map(|name| format!("{name}={}", free_address())).join(" ");
        let state = site.path("state").display().to_string();
        let flags = [
            ["--backend", "local"],
            ["--pool", "api"],
            ["--state-dir", &state],
            ["--local-nodes", &nodes],
            ["--local-listen", &listen],
            ["--local-first-binary", "v1"],
            ["--local-args", "demo-service --listen {address}"],
            ["--local-check-interval", "100ms"],
            ["--window", "3s"],
            ["--interval", "1s"],
            ["--rate-window", "2s"],
            ["--watch-subject", "canary"],
            ["-o", "canary.toml"],
        ];
        let (code, text) = site.run(&[&["init"], flags.as_flattened()].concat());
        assert_eq!(code, Some(0), "{text}");
        site
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A release of the program's own sample service.
    pub(crate) fn release(&self, version: &str, faults: &[Fault]) {
        let trailer = faults.iter().cloned().fold(Trailer::new(version), Trailer::with);
        stamp(Path::new(PROGRAM), &self.path(version), &trailer).unwrap();
    }

    /// A command with nothing but a home, and a name to find its processes by.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.env_clear().env("HOME", self.dir.path()).current_dir(self.dir.path()).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        said(&self.command(arguments).output().unwrap())
    }

    pub(crate) fn client(&self) -> LocalClient {
        LocalClient::new(LocalClientConfig::new(self.path("state/api/control.sock"))).unwrap()
    }

    /// Starts `serve` and waits until `up` servers are up.
    pub(crate) async fn serve(&self, up: usize) -> Holder {
        let log = std::fs::File::create(self.path("serve.log")).unwrap();
        let mut command = self.command(&["serve"]);
        let child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let holder = Holder(child);
        until("the servers to be up", async || {
            let pool = self.client().servers().await.ok()?;
            (pool.servers.iter().filter(|server| server.serving()).count() >= up).then_some(())
        })
        .await;
        holder
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // What a failed test left; after a good one there is nothing.
        for pid in self.left_running() {
            kill("KILL", pid);
        }
    }
}

impl Site {
    /// The processes whose executed file or working directory lies in the directory.
    pub(crate) fn left_running(&self) -> Vec<u32> {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let inside = |link: PathBuf| std::fs::read_link(link).is_ok_and(|to| to.starts_with(self.dir.path()));
        processes
            .filter(|one| inside(one.path().join("exe")) || inside(one.path().join("cwd")))
            .filter_map(|one| one.file_name().to_str()?.parse().ok())
            .collect()
    }
}

/// A `serve` in the background.
pub(crate) struct Holder(pub(crate) Child);

impl Holder {
    /// Ends it and gives how it ended.
    pub(crate) fn end(mut self, signal: &str) -> std::process::ExitStatus {
        kill(signal, self.0.id());
        self.0.wait().unwrap()
    }
}

pub(crate) fn kill(signal: &str, pid: u32) {
    let _ = Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).status();
}

pub(crate) fn said(output: &Output) -> (Option<i32>, String) {
    let text = [output.stdout.clone(), output.stderr.clone()].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

/// Clients that have begun to be answered.
pub(crate) async fn load(site: &Site, paths: &[&str]) -> Load {
    let options = LoadOptions {
        connections: 8,
        rate_per_second: Some(100),
        paths: paths.iter().map(|&path| path.to_owned()).collect(),
        ..LoadOptions::default()
    };
    let load = Load::start(&site.url, options).await.unwrap();
    load.wait_for(|summary| summary.ok > 20, DEADLINE).await.unwrap();
    load
}

//! A service of several processes on this host, by the real program: `serve` holds it, the other commands roll it.

#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on fails it")]

use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use canary_core::fleet::NodeId;
use canary_core::traits::{AdminState, LoadBalancer as _, NodeRuntime as _, PoolState};
use canary_demo::load::{Load, LoadOptions};
use canary_demo::service::{Fault, Trailer, stamp};
use canary_local::{LocalClient, LocalClientConfig};

const PROGRAM: &str = env!("CARGO_BIN_EXE_canary-cli");
const DEADLINE: Duration = Duration::from_secs(90);

/// Addresses below those that systems give to outgoing connections: a node's must be free while it restarts.
fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let offset = u16::try_from(std::process::id() % 9_000).unwrap();
    loop {
        let port = 9_000 + (offset + NEXT.fetch_add(1, Ordering::Relaxed)) % 9_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return ([127, 0, 0, 1], port).into();
        }
    }
}

async fn until<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
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
struct Site {
    dir: tempfile::TempDir,
    url: String,
}

impl Site {
    fn new() -> Self {
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

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A release of the program's own sample service.
    fn release(&self, version: &str, faults: &[Fault]) {
        let trailer = faults.iter().cloned().fold(Trailer::new(version), Trailer::with);
        stamp(Path::new(PROGRAM), &self.path(version), &trailer).unwrap();
    }

    /// A command with nothing but a home, and a name to find its processes by.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.env_clear().env("HOME", self.dir.path()).current_dir(self.dir.path()).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        said(&self.command(arguments).output().unwrap())
    }

    fn client(&self) -> LocalClient {
        LocalClient::new(LocalClientConfig::new(self.path("state/api/control.sock"))).unwrap()
    }

    /// Starts `serve` and waits until `up` servers are up.
    async fn serve(&self, up: usize) -> Holder {
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

    async fn pids(&self) -> Vec<u32> {
        let mut pids = Vec::new();
        for name in ["api-1", "api-2", "api-3"] {
            pids.push(self.client().service(&node(name)).await.unwrap().pid.unwrap());
        }
        pids
    }

    async fn admin(&self, name: &str) -> Option<AdminState> {
        let pool: PoolState = self.client().servers().await.ok()?;
        Some(pool.server(&node(name))?.admin)
    }

    /// Every node has this release, is ready and up.
    async fn all_have(&self, version: &str) {
        let expected = canary_core::fleet::Artifact::read(self.path(version)).unwrap().facts;
        let client = self.client();
        for server in client.servers().await.unwrap().servers {
            assert!(server.serving(), "{server:?}");
            let installed = client.installed(&server.node).await.unwrap();
            assert_eq!(installed.current, Some(expected), "{}", server.node);
        }
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
    fn left_running(&self) -> Vec<u32> {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let inside = |link: PathBuf| std::fs::read_link(link).is_ok_and(|to| to.starts_with(self.dir.path()));
        processes
            .filter(|one| inside(one.path().join("exe")) || inside(one.path().join("cwd")))
            .filter_map(|one| one.file_name().to_str()?.parse().ok())
            .collect()
    }
}

/// A `serve` in the background.
struct Holder(Child);

impl Holder {
    /// Ends it and gives how it ended.
    fn end(mut self, signal: &str) -> std::process::ExitStatus {
        kill(signal, self.0.id());
        self.0.wait().unwrap()
    }
}

fn kill(signal: &str, pid: u32) {
    let _ = Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).status();
}

fn node(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

fn said(output: &Output) -> (Option<i32>, String) {
    let text = [output.stdout.clone(), output.stderr.clone()].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

async fn load(site: &Site, paths: &[&str]) -> Load {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_release_and_a_bad_one_under_load() {
    let site = Site::new();
    let holder = site.serve(3).await;
    let (code, text) = site.run(&["doctor"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("ok    holder "), "{text}");
    let load = load(&site, &["/", "/work?ms=5"]).await;

    site.release("v2", &[]);
    let (code, text) = site.run(&["plan", "--artifact", "v2"]);
    assert!(code == Some(0) && text.contains("api-3  now "), "{text}");
    let (code, text) = site.run(&["run", "--artifact", "v2"]);
    assert!(code == Some(0) && text.contains("\ncompleted\n"), "{text}");
    site.all_have("v2").await;

    site.release("v3", &[Fault::Errors { rate_ppm: 300_000 }]);
    let (code, text) = site.run(&["run", "--artifact", "v3"]);
    assert!(code == Some(20) && text.contains("\nrolled back: api-3: watch: error_ratio "), "{text}");
    site.all_have("v2").await;

    let (code, text) = site.run(&["rollback", "--rollback-binary", "v1"]);
    assert_eq!(code, Some(0), "{text}");
    site.all_have("v1").await;
    let summary = load.stop().await;
    assert_eq!(summary.failed_not_by("v3").count(), 0, "{summary}");
    assert!(summary.failed_total > 0 && summary.answers_of_version("v2") > 0, "{summary}");

    assert_eq!(holder.end("TERM").code(), Some(0));
    assert_eq!(site.left_running(), [0_u32; 0]);
    assert!(!site.path("state/api/control.sock").exists());
    let log = std::fs::read_to_string(site.path("serve.log")).unwrap();
    assert!(log.contains("api-3: active (running), process ") && log.ends_with("\nstopped\n"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_that_is_killed_twice_does_not_end_the_rollout() {
    let site = Site::new();
    let holder = site.serve(3).await;
    let before = site.pids().await;
    // Requests that take a while, so that a drain does.
    let load = load(&site, &["/work?ms=400"]).await;
    site.release("v2", &[]);
    let run = site.command(&["run", "--artifact", "v2", "--output", "plain"]).spawn().unwrap();

    until("a drain", async || (site.admin("api-3").await? == AdminState::Drain).then_some(())).await;
    assert_eq!(holder.end("KILL").signal(), Some(9));
    let saved = std::fs::read_to_string(site.path("state/api/nodes/balancer.json")).unwrap();
    assert!(saved.contains(r#""api-3":{"admin":"drain""#), "{saved}");
    assert_eq!(site.left_running().iter().filter(|pid| before.contains(pid)).count(), 3);
    let holder = site.serve(2).await;
    assert_eq!(site.pids().await[..2], before[..2]);

    let new = canary_core::fleet::Artifact::read(site.path("v2")).unwrap().facts;
    until("the watch", async || {
        let there = site.client().installed(&node("api-3")).await.ok()?.current == Some(new);
        let ready = site.admin("api-3").await? == AdminState::Ready;
        let journal = std::fs::read_to_string(site.path("state/api/journal.jsonl")).ok()?;
        (there && ready && journal.contains("\"observed\"")).then_some(())
    })
    .await;
    assert_eq!(holder.end("KILL").signal(), Some(9));
    let holder = site.serve(3).await;

    let (code, text) = said(&run.wait_with_output().unwrap());
    assert!(code == Some(0) && text.contains("\ncompleted\n"), "{text}");
    site.all_have("v2").await;
    load.stop().await;
    assert_eq!(holder.end("INT").code(), Some(0));
    assert_eq!(site.left_running(), [0_u32; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_run_is_resumed_without_a_lost_request() {
    let site = Site::new();
    let holder = site.serve(3).await;
    let load = load(&site, &["/work?ms=400"]).await;
    site.release("v2", &[]);
    let mut run = site.command(&["run", "--artifact", "v2"]).spawn().unwrap();
    until("a drain", async || (site.admin("api-3").await? == AdminState::Drain).then_some(())).await;
    kill("KILL", run.id());
    assert_eq!(run.wait().unwrap().signal(), Some(9));
    let (_, text) = site.run(&["status"]);
    assert!(text.contains("`canary-cli resume` goes on"), "{text}");
    let (code, text) = site.run(&["resume"]);
    assert!(code == Some(0) && text.contains("\ncompleted\n"), "{text}");
    site.all_have("v2").await;
    let summary = load.stop().await;
    assert_eq!(summary.failed_total, 0, "{summary}");
    assert_eq!(holder.end("TERM").code(), Some(0));
    assert_eq!(site.left_running(), [0_u32; 0]);
}

#[test]
fn without_a_holder_the_command_that_starts_one_is_named() {
    let site = Site::new();
    let mut text = String::new();
    for arguments in [
        &["doctor"][..],
        &["run", "--artifact", "v1"],
        &["status"],
        &["serve", "--backend", "haproxy-incus", "--window", "0"],
    ] {
        let (code, said) = site.run(arguments);
        text += &format!("=== {} ({code:?})\n{said}", arguments.join(" "));
    }
    let text = text.replace(site.dir.path().to_str().unwrap(), "[DIR]");
    assert!(
        text.contains(
            "nobody listens at [DIR]/state/api/control.sock: start the fleet with `canary-cli serve`"
        )
    );
    insta::assert_snapshot!(text);
}

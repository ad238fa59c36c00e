//! The real program on the engine, killed while its containers run: the next start removes what it left.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use bollard::Docker;
use canary_testkit::DockerEngine;

use super::{Service, containers};

/// What a step of this may take on a busy machine.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);

/// The program as it was built beside this test, or the one that `CANARY_CLI` names.
pub(super) fn cli() -> Option<PathBuf> {
    let beside = || std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join("canary-cli");
    let cli = std::env::var_os("CANARY_CLI").map_or_else(beside, PathBuf::from);
    if cli.is_file() {
        return Some(cli);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is not built: CI must have it", cli.display());
    println!("skipped: {} is not built (cargo build -p canary-cli --all-features)", cli.display());
    None
}

struct Site<'s> {
    cli: PathBuf,
    directory: &'s Path,
    host: String,
}

impl Site<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.cli);
        command
            .args(arguments)
            .args(["--probes", "docker", "--probe-program", "canary-probe", "--docker-host", &self.host])
            .args(["--state-dir", "state"])
            .current_dir(self.directory)
            .env_clear()
            .env("HOME", self.directory)
            .stdin(Stdio::null());
        command
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }
}

pub(super) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

pub(super) async fn killed(directory: &Path, engine: &DockerEngine, docker: &Docker, service: &Service) {
    let Some(cli) = cli() else { return };
    let site = Site { cli, directory, host: engine.host() };
    let tenants: String = (0..30).map(|n| format!("  t{n:02}: {{}}\n")).collect();
    let policy = format!(
        "version: sla/v1\nsources: [{{name: eu, kind: prometheus, url: \"http://127.0.0.1:9\"}}]\nobjectives:\n\
         \x20 up: {{kind: probe, url: \"{}\", limit: 30s, tries: 1}}\ntenants:\n{tenants}",
        service.url
    );
    std::fs::write(directory.join("sla.yaml"), policy).unwrap();

    let waiting = || service.waiting.load(Ordering::SeqCst);
    service.holds.store(true, Ordering::SeqCst);
    let mut held = site.command(&["tenants", "probe"]);
    let mut child = held.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("all requests of both containers wait", || {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was killed");
        waiting() == 30
    })
    .await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!((containers(docker).await.len(), waiting()), (2, 30), "kill -9 leaves what it started, alive");

    // The next start removes them first, and decides by containers of its own.
    service.holds.store(false, Ordering::SeqCst);
    let next = site.run(&["tenants", "check"]).await;
    let text = said(&next);
    assert_eq!(containers(docker).await, Vec::<String>::new(), "{text}");
    until("the connections of what was removed end", || waiting() == 0).await;
    let by = format!("containers of the Docker Engine at {}", site.host);
    assert!(next.status.code() == Some(0), "{text}");
    assert!(text.contains(&format!("30 probe(s) by {by}: 30 healthy")), "{text}");
    let recorded = Command::new("grep")
        .args(["-rlF", &format!("\"probes_by\":\"{by}\"")])
        .arg(directory.join("state"))
        .output()
        .unwrap();
    assert!(!recorded.stdout.is_empty(), "the evidence says where from");
}

async fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let wait = async {
        while !reached() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

//! A rollout by the real program whose watch asks tenants in containers of the engine, because its file says so.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bollard::Docker;
use bollard::query_parameters::EventsOptions;
use canary_demo::load::{Load, LoadOptions};
use canary_demo::service::{Trailer, stamp};
use canary_testkit::{DockerEngine, free_address};
use futures_util::StreamExt as _;

use super::killed::{DEADLINE, cli, said};
use super::{Service, containers};

/// One service of two processes, in a directory of its own.
struct Site<'s> {
    cli: &'s Path,
    directory: &'s Path,
}

impl Site<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.cli);
        command.args(arguments).current_dir(self.directory).env_clear().env("HOME", self.directory);
        command.stdin(Stdio::null());
        command
    }

    async fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = self.command(arguments);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        (output.status.code(), said(&output))
    }
}

/// A `serve`, with all that it started; dropping it ends it as its user would.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

pub(super) async fn watched(directory: &Path, engine: &DockerEngine, docker: &Docker, service: &Service) {
    let Some(cli) = cli() else { return };
    let home = directory.join("watched");
    fs::create_dir(&home).unwrap();
    let site = Site { cli: &cli, directory: &home };
    // Releases are copied and hashed many times: what only debuggers read is left out of them.
    let service_of = home.join("service");
    let stripped = Command::new("strip").arg("-o").args([&service_of, &cli]).status();
    assert!(stripped.is_ok_and(|status| status.success()), "strip(1), of the linker's package, is needed");
    for version in ["v1", "v2"] {
        stamp(&service_of, &home.join(version), &Trailer::new(version)).unwrap();
    }
    let listen = free_address().to_string();
    let nodes = ["api-1", "api-2"].map(|name| format!("{name}={}", free_address())).join(" ");
    let settings = [
        ["--backend", "local"],
        ["--pool", "api"],
        ["--state-dir", "state"],
        ["--local-nodes", &nodes],
        ["--local-listen", &listen],
        ["--local-first-binary", "v1"],
        ["--local-args", "demo-service --listen {address}"],
        ["--local-check-interval", "100ms"],
        ["--window", "60s"],
        ["--interval", "4s"],
        ["--watch-subject", "canary"],
        ["-o", "canary.toml"],
    ];
    let (code, text) = site.run(&[&["init"], settings.as_flattened()].concat()).await;
    assert_eq!(code, Some(0), "{text}");
    let _serving = Serving(site.command(&["serve"]).stdout(Stdio::null()).spawn().unwrap());
    whole(&site).await;
    by_tenants(&home, &directory.join("canary-probe"), engine, service);

    let load = LoadOptions { connections: 4, rate_per_second: Some(50), ..LoadOptions::default() };
    let load = Load::start(&format!("http://{listen}"), load).await.unwrap();
    load.wait_for(|summary| summary.ok > 20, DEADLINE).await.unwrap();
    let begun = now();
    let (code, text) = site.run(&["run", "--artifact", "v2"]).await;
    load.stop().await;
    assert!(code == Some(20) && text.contains("tenants: t2-down: up: "), "{code:?} {text}");
    // Before anything was touched, and in the watch: a container of the three tenants each time.
    assert!(created(docker, begun).await >= 2, "{text}");
    assert_eq!(containers(docker).await, Vec::<String>::new());
    let (code, text) = site.run(&["log", "explain", "--decisions"]).await;
    let by = format!("probes    by containers of the Docker Engine at {}\n", engine.host());
    assert!(code == Some(0) && text.contains("ROLLBACK") && text.contains(&by), "{text}");
}

/// Waits until nothing stands in the way of a rollout.
async fn whole(site: &Site<'_>) {
    let wait = async {
        while site.run(&["doctor", "--artifact", "v2"]).await.0 != Some(0) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    if tokio::time::timeout(DEADLINE, wait).await.is_err() {
        panic!("the service is not whole: {:?}", site.run(&["doctor", "--artifact", "v2"]).await);
    }
}

/// Has the service's file say that tenants are promised an answer, and where they are asked from.
fn by_tenants(home: &Path, program: &Path, engine: &DockerEngine, service: &Service) {
    let policy = format!(
        "version: sla/v1\nsources: [{{name: eu, kind: prometheus, url: \"http://127.0.0.1:9\"}}]\nobjectives:\n\
         \x20 up: {{kind: probe, url: \"{}\", limit: 30s, tries: 1}}\ntenants: {{t0: , t1: , t2-down: }}\n",
        service.url
    );
    fs::write(home.join("sla.yaml"), policy).unwrap();
    let path = home.join("canary.toml");
    let text = fs::read_to_string(&path).unwrap();
    let text: Vec<_> = text.lines().filter(|line| !["[tenants]", "[probes]"].contains(line)).collect();
    let (text, program, host) = (text.join("\n"), program.display(), engine.host());
    let more = format!(
        "[tenants]\npolicy = \"sla.yaml\"\nversion = \"v2\"\n[probes]\nrunner = \"docker\"\nprogram = \"{program}\"\ndocker_host = \"{host}\"\n"
    );
    fs::write(path, text + "\n" + &more).unwrap();
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// How many containers the engine has made since then, by its own word.
async fn created(docker: &Docker, since: Duration) -> usize {
    let told = |at: Duration| format!("{}.{:09}", at.as_secs(), at.subsec_nanos());
    let filters = [("type", "container"), ("event", "create")];
    let filters = filters.map(|(key, value)| (key.to_owned(), vec![value.to_owned()]));
    let options =
        EventsOptions { since: Some(told(since)), until: Some(told(now())), filters: Some(filters.into()) };
    docker.events(Some(options)).map(|event| event.unwrap()).count().await
}

//! A real Prometheus of the test's own: a free port, a temporary directory, gone with the test.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

use canary_core::time::Timestamp;
use canary_prom::{PrometheusConfig, PrometheusSource};
use tokio::process::{Child, Command};

/// What no working condition takes.
const DEADLINE: Duration = Duration::from_secs(60);

/// A running server; dropping it ends it.
pub(crate) struct Prometheus {
    pub(crate) url: String,
    _child: Child,
    _dir: tempfile::TempDir,
}

/// One scrape job: its name, `host:port`, path, and the `instance` label.
pub(crate) struct Job {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) path: String,
    pub(crate) instance: String,
}

/// The moment, as queries take it.
pub(crate) fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

/// Waits until `look` gives something.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(last) if start.elapsed() > DEADLINE => {
                panic!("{what}: not within {DEADLINE:?}; last: {last}")
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

fn binary() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join("prometheus")).find(|file| file.is_file());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "no prometheus in PATH: CI must have it");
        println!("skipped: no prometheus in PATH");
    }
    found
}

impl Prometheus {
    /// Starts a server that scrapes `jobs` four times a second; nothing (and says so) when it is not installed.
    pub(crate) async fn start(jobs: &[Job]) -> Option<Self> {
        let binary = binary()?;
        let dir = tempfile::tempdir().unwrap();
        let mut config =
            "global: {scrape_interval: 250ms, scrape_timeout: 250ms}\nscrape_configs:\n".to_owned();
        for Job { name, address, path, instance } in jobs {
            config.push_str(&format!(
                "- {{job_name: {name}, metrics_path: {path}, static_configs: \
                 [{{targets: [\"{address}\"], labels: {{instance: \"{instance}\"}}}}]}}\n"
            ));
        }
        std::fs::write(dir.path().join("prometheus.yml"), config).unwrap();
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let child = Command::new(binary)
            .arg(format!("--web.listen-address={free}"))
            .arg(format!("--config.file={}", dir.path().join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(dir.path().join("log")).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let url = format!("http://{free}");
        let source = PrometheusSource::new(PrometheusConfig::new(&url)).unwrap();
        let log = dir.path().join("log");
        until("prometheus answers", async || {
            let log = || std::fs::read_to_string(&log).unwrap_or_default();
            source.ping(now()).await.map_err(|error| format!("{}\n{}", error.chain(), log()))
        })
        .await;
        Some(Self { url, _child: child, _dir: dir })
    }

    /// Settings for this server with `instance` as the node label.
    pub(crate) fn config(&self) -> PrometheusConfig {
        let mut config = PrometheusConfig::new(&self.url);
        config.node_label = Some("instance".parse().unwrap());
        config
    }
}

//! The sample service's releases, waiting for conditions, and what `/proc` says.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use canary_core::fleet::{Artifact, NodeId, ServiceName};
use canary_demo::service::{Fault, Trailer, stamp};
use canary_local::{Sandbox, SandboxConfig};

pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// An example of this crate, which cargo builds beside the tests.
pub(crate) fn example(name: &str) -> PathBuf {
    let me = std::env::current_exe().unwrap();
    let path = me.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(path.exists(), "first: cargo build -p canary-local --examples");
    path
}

/// A release of the sample service.
pub(crate) fn release(dir: &Path, version: &str, faults: &[Fault]) -> Artifact {
    let path = dir.join(format!("release-{version}"));
    let trailer = faults.iter().cloned().fold(Trailer::new(version), Trailer::with);
    stamp(&example("sample_service"), &path, &trailer).unwrap();
    Artifact::read(path).unwrap()
}

/// Three nodes that run `v1`.
pub(crate) async fn sandbox(dir: &Path) -> Sandbox {
    let first = release(dir, "v1", &[]);
    let service = ServiceName::new("api").unwrap();
    Sandbox::start(SandboxConfig::new(service, first.path, &["{address}", "{node}"])).await.unwrap()
}

pub(crate) fn node(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

/// Waits until a condition gives something.
pub(crate) async fn until<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(begun.elapsed() < DEADLINE, "{what} did not come true");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Processes that lead or belong to this group and have not ended.
pub(crate) fn group(leader: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some((_, rest)) = stat.rsplit_once(')') else { continue };
        let fields: Vec<&str> = rest.split_whitespace().collect();
        if fields[2] == leader.to_string() && !matches!(fields[0], "Z" | "X") {
            found.push(pid);
        }
    }
    found
}

/// Sends a signal by `kill(1)`.
pub(crate) fn signal(name: &str, pid: u32) {
    let status = std::process::Command::new("kill").args([format!("-{name}"), pid.to_string()]).status();
    assert!(status.unwrap().success());
}

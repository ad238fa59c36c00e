//! Processes as nodes: started, watched, found again, never confused, gone.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use canary_core::fleet::{Artifact, HttpPath, RemotePath};
use canary_core::traits::{ActiveState, ErrorKind, HealthCheck, NodeRuntime, RunningBinary};
use canary_demo::service::Fault;
use canary_local::{Lifetime, LocalError, LocalNodeRuntime, LocalNodesConfig, NodeConfig};

use crate::support::{group, node, release, signal, until};

/// One node that runs a program of the system.
fn config(root: &Path, args: &[&str]) -> LocalNodesConfig {
    let nodes = vec![NodeConfig::new(node("n-1"), "127.0.0.1:9".parse().unwrap())];
    let mut config = LocalNodesConfig::new(root, "service", nodes);
    config.args = args.iter().map(|&arg| arg.to_owned()).collect();
    config
}

async fn with(root: &Path, program: &str, args: &[&str]) -> LocalNodeRuntime {
    let runtime = LocalNodeRuntime::open(config(root, args)).await.unwrap();
    runtime.install(&node("n-1"), &Artifact::read(program).unwrap()).await.unwrap();
    runtime
}

#[tokio::test]
async fn a_node_from_its_first_binary_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let n = node("n-1");
    let runtime = LocalNodeRuntime::open(config(dir.path(), &["1000"])).await.unwrap();
    let before = runtime.service(&n).await.unwrap();
    assert_eq!(
        (before.active, before.pid, before.running),
        (ActiveState::Inactive, None, RunningBinary::None)
    );
    let refused = runtime.restart(&n).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Refused);
    assert!(refused.chain().contains("No such file"), "{}", refused.chain());
    assert_eq!(runtime.service(&n).await.unwrap().active, ActiveState::Failed);

    let sleep = Artifact::read("/bin/sleep").unwrap();
    assert!(runtime.install(&n, &sleep).await.unwrap().changed);
    assert!(!runtime.install(&n, &sleep).await.unwrap().changed);
    let first = runtime.restart(&n).await.unwrap();
    assert_eq!(
        (first.active, first.running, first.restarts),
        (ActiveState::Active, RunningBinary::InPlace, 0)
    );
    assert_eq!(runtime.start(&n).await.unwrap().pid, first.pid);

    let installed = runtime.installed(&n).await.unwrap();
    assert_eq!((installed.current, installed.previous), (Some(sleep.facts), None));
    let previous = installed.path.with_suffix(".previous").unwrap();
    fs::write(previous.as_str(), "old").unwrap();
    let facts = runtime.installed(&n).await.unwrap().previous.unwrap().facts;
    let copy = dir.path().join("copy");
    assert_eq!(runtime.fetch(&n, &previous, &copy).await.unwrap(), facts);
    assert_eq!(fs::read_to_string(&copy).unwrap(), "old");
    let none = RemotePath::new("/no/such/file").unwrap();
    assert_eq!(runtime.inspect(&n, &none).await.unwrap(), None);

    runtime.install(&n, &Artifact::read("/bin/cat").unwrap()).await.unwrap();
    assert_eq!(runtime.service(&n).await.unwrap().running, RunningBinary::Replaced);
    runtime.shutdown().await;
    assert_eq!(group(first.pid.unwrap()), [0_u32; 0]);
    assert_eq!(runtime.restart(&n).await.unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!(runtime.service(&node("other")).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_killed_process_comes_back_and_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let n = node("n-1");
    let runtime = with(dir.path(), "/bin/sleep", &["1000"]).await;
    let mut pid = runtime.start(&n).await.unwrap().pid.unwrap();
    for restarts in 1..=2 {
        signal("KILL", pid);
        let state = until("another process", async || {
            let state = runtime.service(&n).await.unwrap();
            (state.pid.is_some_and(|new| new != pid) && state.active == ActiveState::Active).then_some(state)
        })
        .await;
        assert_eq!((state.restarts, state.running), (restarts, RunningBinary::InPlace));
        pid = state.pid.unwrap();
    }
    assert_eq!(runtime.restart(&n).await.unwrap().restarts, 0);
}

#[tokio::test]
async fn a_crash_loop_ends_failed_with_its_words_in_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let n = node("n-1");
    let crashing = release(dir.path(), "v2", &[Fault::Crash]);
    let mut config = config(&dir.path().join("nodes"), &["{address}", "{node}"]);
    config.restart.delay = Duration::from_millis(1);
    let runtime = LocalNodeRuntime::open(config).await.unwrap();
    runtime.install(&n, &crashing).await.unwrap();
    runtime.restart(&n).await.unwrap();
    let state = until("the end of the crash loop", async || {
        let state = runtime.service(&n).await.unwrap();
        (state.active == ActiveState::Failed).then_some(state)
    })
    .await;
    assert_eq!((state.restarts, state.pid), (4, None));
    assert_eq!(state.detail, "start-limit-hit, exit status: 1");
    let logs = runtime.logs(&n, 100).await.unwrap();
    assert_eq!(logs.iter().filter(|line| line.contains("release v2 crashes at start")).count(), 5);
    assert_eq!(runtime.logs(&n, 1).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_process_that_ignores_sigterm_is_killed_with_its_children() {
    let dir = tempfile::tempdir().unwrap();
    let n = node("n-1");
    let mut config = config(dir.path(), &["-c", "trap '' TERM; sleep 1000 & echo ready; wait; sleep 1000"]);
    config.stop_timeout = Duration::from_millis(50);
    let runtime = LocalNodeRuntime::open(config).await.unwrap();
    runtime.install(&n, &Artifact::read("/bin/bash").unwrap()).await.unwrap();
    let leader = runtime.start(&n).await.unwrap().pid.unwrap();
    until("both processes", async || (group(leader).len() == 2).then_some(())).await;
    until("its word", async || (runtime.logs(&n, 9).await.unwrap() == ["ready"]).then_some(())).await;
    runtime.stop(&n).await.unwrap();
    assert_eq!(runtime.service(&n).await.unwrap().active, ActiveState::Inactive);
    until("the end of the group", async || group(leader).is_empty().then_some(())).await;
}

#[tokio::test]
async fn what_a_dead_process_leaves_in_its_group_goes_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let n = node("n-1");
    let runtime = with(dir.path(), "/bin/bash", &["-c", "sleep 1000 & wait"]).await;
    let leader = runtime.start(&n).await.unwrap().pid.unwrap();
    until("both processes", async || (group(leader).len() == 2).then_some(())).await;
    signal("KILL", leader);
    until("the end of the group", async || group(leader).is_empty().then_some(())).await;
}

#[tokio::test]
async fn nothing_runs_after_a_drop() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = with(dir.path(), "/bin/sleep", &["1000"]).await;
    let pid = runtime.start(&node("n-1")).await.unwrap().pid.unwrap();
    assert_eq!(group(pid), [pid]);
    drop(runtime);
    assert_eq!(group(pid), [0_u32; 0]);
}

#[tokio::test]
async fn a_later_runtime_finds_the_process_again_and_looks_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let n = node("n-1");
    let mut detached = config(dir.path(), &["1000"]);
    detached.lifetime = Lifetime::Detached;
    let runtime = LocalNodeRuntime::open(detached.clone()).await.unwrap();
    runtime.install(&n, &Artifact::read("/bin/sleep").unwrap()).await.unwrap();
    let pid = runtime.start(&n).await.unwrap().pid.unwrap();
    let second = LocalNodeRuntime::open(detached.clone()).await.unwrap_err();
    assert!(matches!(second, LocalError::InUse(_)), "{second}");
    drop(runtime);
    assert_eq!(group(pid), [pid]);

    let runtime = LocalNodeRuntime::open(config(dir.path(), &["1000"])).await.unwrap();
    let found = runtime.service(&n).await.unwrap();
    assert_eq!(
        (found.pid, found.active, found.running),
        (Some(pid), ActiveState::Active, RunningBinary::InPlace)
    );
    signal("KILL", pid);
    let again =
        until("another process", async || runtime.service(&n).await.unwrap().pid.filter(|new| *new != pid))
            .await;
    drop(runtime);
    assert_eq!(group(again), [0_u32; 0]);
}

#[tokio::test]
async fn a_recycled_number_is_never_taken_for_the_service() {
    let dir = tempfile::tempdir().unwrap();
    let n = node("n-1");
    let mut detached = config(dir.path(), &["1000"]);
    detached.lifetime = Lifetime::Detached;
    let runtime = LocalNodeRuntime::open(detached.clone()).await.unwrap();
    runtime.install(&n, &Artifact::read("/bin/sleep").unwrap()).await.unwrap();
    let pid = runtime.start(&n).await.unwrap().pid.unwrap();
    drop(runtime);

    // A state file as it stands when the number went to another process: same number, another start, or another file.
    let other = tempfile::tempdir().unwrap();
    drop(with(other.path(), "/bin/sleep", &["1000"]).await);
    let path = dir.path().join("n-1/state.json");
    let saved = fs::read_to_string(&path).unwrap();
    let value: serde_json::Value = serde_json::from_str(&saved).unwrap();
    let started = value["process"]["started"].as_u64().unwrap();
    let inode = value["process"]["exe"]["inode"].as_u64().unwrap();
    let cases = [
        saved.replace(&format!("\"started\":{started}"), &format!("\"started\":{}", started - 1)),
        saved.replace(&format!("\"inode\":{inode}"), "\"inode\":1"),
        saved.replace(&format!("\"pid\":{pid}"), "\"pid\":1"),
        "{\"process\":".to_owned(),
    ];
    for case in cases {
        assert_ne!(case, saved);
        fs::write(other.path().join("n-1/state.json"), case).unwrap();
        let runtime = LocalNodeRuntime::open(config(other.path(), &["1000"])).await.unwrap();
        assert_eq!(runtime.service(&n).await.unwrap().pid, None);
        runtime.shutdown().await;
        drop(runtime);
        assert_eq!(group(pid), [pid]);
    }
    // In its own directory it is found, also where what was noted down is of no use.
    for saved in [saved, "{\"process\":".to_owned()] {
        fs::write(&path, saved).unwrap();
        let runtime = LocalNodeRuntime::open(detached.clone()).await.unwrap();
        assert_eq!(runtime.service(&n).await.unwrap().pid, Some(pid));
    }
    let runtime = LocalNodeRuntime::open(config(dir.path(), &["1000"])).await.unwrap();
    runtime.shutdown().await;
    until("its end", async || group(pid).is_empty().then_some(())).await;
}

#[tokio::test]
async fn health_is_what_the_service_answers() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = crate::support::sandbox(dir.path()).await;
    let nodes: Arc<LocalNodeRuntime> = Arc::clone(sandbox.nodes());
    let n = &sandbox.names()[0];
    let check = |path: &str| HealthCheck {
        port: 1,
        path: HttpPath::new(path).unwrap(),
        attempt_timeout: Duration::from_secs(5),
    };
    let good = nodes.check(n, &check("/api/v1/health")).await.unwrap();
    assert_eq!((good.healthy, good.status, good.detail.as_str()), (true, Some(200), "200 OK"));
    assert_eq!(good.via, format!("http://{} from here", nodes.address(n).unwrap()));
    let bad = nodes.check(n, &check("/nothing")).await.unwrap();
    assert_eq!(
        (bad.healthy, bad.status, bad.detail.as_str()),
        (false, Some(404), "404 Not Found: not found")
    );
    nodes.stop(n).await.unwrap();
    let down = nodes.check(n, &check("/api/v1/health")).await.unwrap();
    assert_eq!((down.healthy, down.status, down.detail.as_str()), (false, None, "connection refused"));
    let path = sandbox.dir().to_owned();
    sandbox.shutdown().await.unwrap();
    assert!(!path.exists());
}

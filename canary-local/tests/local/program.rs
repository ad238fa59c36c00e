//! A program that embeds a fleet, ended from outside: by Ctrl-C, and in the one way it cannot prepare for.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use canary_core::fleet::NodeId;
use canary_core::traits::{ActiveState, NodeRuntime as _};
use canary_local::{LocalNodeRuntime, LocalNodesConfig, NodeConfig};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::support::{DEADLINE, example, group, node, release, signal, until};

struct Program {
    child: Child,
    pids: Vec<u32>,
    dir: PathBuf,
}

impl Program {
    async fn start(dir: &Path) -> Self {
        let first = release(dir, "v1", &[]);
        let mut child = Command::new(example("sandbox"))
            .arg(first.path)
            .args(["{address}", "{node}"])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut pids = Vec::new();
        loop {
            let line = tokio::time::timeout(DEADLINE, lines.next_line()).await.unwrap().unwrap().unwrap();
            if let Some((_, pid)) = line.split_once(" is active, process ") {
                pids.push(pid.parse().unwrap());
            } else if let Some(dir) = line.strip_prefix("everything is in ") {
                assert_eq!(pids.len(), 3);
                return Self { child, pids, dir: dir.into() };
            }
        }
    }

    async fn end(&mut self, name: &str) -> ExitStatus {
        signal(name, self.child.id().unwrap());
        tokio::time::timeout(DEADLINE, self.child.wait()).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn ctrl_c_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut program = Program::start(dir.path()).await;
    assert!(program.pids.iter().all(|pid| group(*pid) == [*pid]));
    assert!(program.end("INT").await.success());
    assert!(program.pids.iter().all(|pid| group(*pid).is_empty()));
    assert!(!program.dir.exists());
}

#[tokio::test]
async fn what_a_killed_program_left_is_found_and_ended_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let mut program = Program::start(dir.path()).await;
    assert!(!program.end("KILL").await.success());
    assert!(program.pids.iter().all(|pid| group(*pid) == [*pid]));

    let names: Vec<NodeId> = (1..=3).map(|i| node(&format!("api-{i}"))).collect();
    let nodes =
        names.iter().zip(1..).map(|(name, i)| NodeConfig::new(name.clone(), ([127, 0, 0, 1], i).into()));
    let config = LocalNodesConfig::new(program.dir.join("nodes"), "api", nodes.collect());
    let runtime = LocalNodeRuntime::open(config).await.unwrap();
    for (name, pid) in names.iter().zip(&program.pids) {
        let state = runtime.service(name).await.unwrap();
        assert_eq!((state.pid, state.active), (Some(*pid), ActiveState::Active));
    }
    runtime.shutdown().await;
    for pid in &program.pids {
        until("its end", async || group(*pid).is_empty().then_some(())).await;
    }
    std::fs::remove_dir_all(&program.dir).unwrap();
}

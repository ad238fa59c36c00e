//! The conformance suite on a real Incus daemon, in an instance of its own. Needs the lab: `eval "$(lab/lab env)"`.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a bench fails its case")]

#[expect(dead_code, reason = "the lab's other tests use all of it")]
#[path = "lab/fixture.rs"]
mod fixture;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use canary_core::fleet::{Artifact, HttpPath, NodeId};
use canary_core::traits::{HealthCheck, NodeRuntime};
use canary_testkit::conformance::{self, RuntimeBench, RuntimeSkills, node_runtime};
use fixture::{Lab, lab, program, sleeps};

/// A service of its own in the instance that all cases share.
struct Bench {
    lab: Lab,
    runtime: Arc<dyn NodeRuntime>,
    name: String,
    dir: tempfile::TempDir,
}

impl Bench {
    async fn start() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("conformance-{}", NEXT.fetch_add(1, Ordering::SeqCst));
        let lab = lab().await.expect("main has looked for it");
        let runtime = lab.service(&name, &sleeps(&name)).await;
        let dir = tempfile::tempdir().unwrap();
        runtime.install(&lab.node, &program(dir.path(), "1")).await.unwrap();
        lab.restarted(&runtime).await;
        Self { lab, runtime: Arc::new(runtime), name, dir }
    }
}

#[async_trait(?Send)]
impl RuntimeBench for Bench {
    fn runtime(&self) -> Arc<dyn NodeRuntime> {
        Arc::clone(&self.runtime)
    }

    fn node(&self) -> NodeId {
        self.lab.node.clone()
    }

    fn artifact(&self, version: u32) -> Artifact {
        program(self.dir.path(), &version.to_string())
    }

    fn check(&self) -> HealthCheck {
        let path = HttpPath::new("/").unwrap();
        HealthCheck { port: 9, path, attempt_timeout: std::time::Duration::from_secs(1) }
    }

    async fn stop_service(&self) {
        self.lab.sh(&format!("systemctl stop {}", self.name)).await;
    }

    async fn fill_disk(&self) {
        unreachable!("the pool is the lab's")
    }

    fn scratch(&self) -> PathBuf {
        self.dir.path().to_owned()
    }
}

fn main() -> ExitCode {
    if std::env::var_os("CANARY_LAB").is_none() {
        let in_ci = std::env::var_os("CI").is_some();
        return conformance::main(conformance::skipped("incus", "no lab (see lab/README.md)", in_ci));
    }
    // The instance lives as long as the first handle to it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let instance = runtime.block_on(lab());
    let skills = RuntimeSkills { health: false, stop_service: true, fill_disk: false };
    let suite = node_runtime(skills, || async { Box::new(Bench::start().await) as Box<dyn RuntimeBench> });
    let code = conformance::main(suite.trials("incus::"));
    drop(instance);
    code
}

//! A bench over [`LocalNodeRuntime`](canary_local::LocalNodeRuntime) with real processes of the sample service.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use canary_core::fleet::{Artifact, NodeId};
use canary_core::traits::{HealthCheck, NodeRuntime};
use canary_local::Sandbox;
use canary_testkit::conformance::{RuntimeBench, RuntimeSkills, Suite, node_runtime};

use crate::support::{release, sandbox};

struct Bench {
    sandbox: Sandbox,
    dir: tempfile::TempDir,
}

#[async_trait(?Send)]
impl RuntimeBench for Bench {
    fn runtime(&self) -> Arc<dyn NodeRuntime> {
        Arc::clone(self.sandbox.nodes()) as _
    }

    fn node(&self) -> NodeId {
        self.sandbox.names()[0].clone()
    }

    fn artifact(&self, version: u32) -> Artifact {
        release(self.dir.path(), &format!("v{version}"), &[])
    }

    fn check(&self) -> HealthCheck {
        self.sandbox.spec().health.check
    }

    async fn stop_service(&self) {
        self.sandbox.nodes().stop(&self.node()).await.unwrap();
    }

    async fn fill_disk(&self) {
        unreachable!("the disk is this host's")
    }

    fn scratch(&self) -> PathBuf {
        self.dir.path().to_owned()
    }
}

pub(crate) fn suite() -> Suite {
    let skills = RuntimeSkills { health: true, stop_service: true, fill_disk: false };
    node_runtime(skills, || async {
        let dir = tempfile::tempdir().unwrap();
        Box::new(Bench { sandbox: sandbox(dir.path()).await, dir }) as Box<dyn RuntimeBench>
    })
}

//! The conformance suites on real git repositories, and on a real server.
#![expect(clippy::unwrap_used, reason = "a bench fails its case")]

#[cfg(feature = "live")]
mod schemas;

use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use async_trait::async_trait;
use canary_core::fleet::Digest;
use canary_core::traits::{MigrationGate, Release};
use canary_postgres::{GateConfig, MigrationFilesGate};
use canary_testkit::conformance::{self, GateBench, GateSkills, migration_gate};

/// A repository whose branch `running` is what is deployed.
struct Bench {
    dir: tempfile::TempDir,
}

fn git(directory: &Path, arguments: &[&str]) {
    let done = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args(["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "init.defaultBranch=main"])
        .args(["-c", "commit.gpgSign=false"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(done.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

impl Bench {
    fn new() -> Self {
        let bench = Self { dir: tempfile::tempdir().unwrap() };
        bench.write("1_users.sql", "CREATE TABLE users (id int, email text);\n");
        for arguments in
            [&["init", "-q"][..], &["add", "-A"], &["commit", "-q", "-m", "first"], &["branch", "running"]]
        {
            git(bench.dir.path(), arguments);
        }
        bench
    }

    fn write(&self, name: &str, text: &str) {
        let dir = self.dir.path().join("migrations");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join(name), text).unwrap();
    }
}

#[async_trait(?Send)]
impl GateBench for Bench {
    fn gate(&self) -> Arc<dyn MigrationGate> {
        let mut config = GateConfig::new(self.dir.path(), "migrations");
        config.base = "running".into();
        Arc::new(MigrationFilesGate::new(config))
    }

    fn release(&self) -> Release {
        Release::new("api".parse().unwrap(), Digest::of(b"new"))
    }

    async fn add_compatible(&self, number: u32) {
        self.write(&format!("2_{number}.sql"), &format!("ALTER TABLE users ADD COLUMN c{number} text;\n"));
    }

    async fn add_breaking(&self) {
        self.write("3_drop.sql", "ALTER TABLE users DROP COLUMN email;\n");
    }

    async fn confuse(&self) {
        git(self.dir.path(), &["branch", "-D", "running"]);
    }
}

fn main() -> ExitCode {
    let suite = migration_gate(GateSkills { confuse: true }, || async {
        Box::new(Bench::new()) as Box<dyn GateBench>
    });
    let trials = suite.trials("migration_files::");
    // Stopped when the last case is done.
    #[cfg(feature = "live")]
    let server = schemas::Server::default();
    #[cfg(feature = "live")]
    let trials = trials.into_iter().chain(schemas::suite(&server).trials("live_schemas::")).collect();
    conformance::main(trials)
}

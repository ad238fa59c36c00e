//! Git repositories made by each test.
#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(missing_docs, unreachable_pub, reason = "helpers of tests")]

use std::fs;
use std::path::Path;
use std::process::Command;

use canary_core::fleet::Digest;
use canary_core::traits::{GateVerdict, MigrationGate as _, Release, Review, Severity};
use canary_postgres::{GateConfig, MigrationFilesGate};

/// A repository whose branch `running` is what is deployed.
pub struct Repository {
    dir: tempfile::TempDir,
}

impl Repository {
    /// One commit with these files, on `main`; `running` stays there.
    pub fn with(files: &[(&str, &str)]) -> Self {
        let repository = Self { dir: tempfile::tempdir().unwrap() };
        repository.git(&["init", "-q"]);
        repository.write("README.md", "x");
        for (path, text) in files {
            repository.write(path, text);
        }
        repository.commit("first");
        repository.git(&["branch", "running"]);
        repository
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn git(&self, arguments: &[&str]) {
        git(self.path(), arguments);
    }

    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn remove(&self, path: &str) {
        fs::remove_file(self.path().join(path)).unwrap();
    }

    /// The commit that is checked out.
    pub fn revision(&self) -> String {
        let mut git = Command::new("git");
        let told = git.arg("-C").arg(self.path()).args(["rev-parse", "HEAD"]).output().unwrap();
        String::from_utf8(told.stdout).unwrap().trim().to_owned()
    }

    pub fn commit(&self, message: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
    }

    pub fn config(&self) -> GateConfig {
        let mut config = GateConfig::new(self.path(), "migrations");
        config.base = "running".into();
        config
    }

    pub fn review(&self) -> Review {
        review(self.config())
    }
}

pub fn git(directory: &Path, arguments: &[&str]) {
    let done = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args(["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "init.defaultBranch=main"])
        .args(["-c", "commit.gpgSign=false", "-c", "protocol.file.allow=always", "-c", "core.autocrlf=false"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(done.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

pub fn review(config: GateConfig) -> Review {
    let release = Release::new("api".parse().unwrap(), Digest::of(b"new"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(MigrationFilesGate::new(config).review(&release)).unwrap()
}

/// `rule file:line`, refusals only.
pub fn refused(review: &Review) -> Vec<String> {
    let refusals = review.findings.iter().filter(|finding| finding.severity == Severity::Refuse);
    refusals.map(|finding| format!("{} {}:{}", finding.rule, finding.file, finding.line)).collect()
}

pub fn nothing_new(review: &Review) -> &str {
    match &review.verdict {
        GateVerdict::NothingNew { why } => why,
        other => panic!("{other:?} {:?}", review.findings),
    }
}

pub fn undecided(review: &Review) -> &str {
    match &review.verdict {
        GateVerdict::Undecided { why } => why,
        other => panic!("{other:?} {:?}", review.findings),
    }
}

pub const USERS: (&str, &str) = ("migrations/1_users.sql", "CREATE TABLE users (id int, email text);\n");

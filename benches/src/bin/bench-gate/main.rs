//! Measures the static gate: a repository with many new migrations, judged whole, and how much of it is git.

#![expect(clippy::print_stdout, reason = "it prints what it measures")]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use canary_core::fleet::Digest;
use canary_core::traits::{MigrationGate as _, Release};
use canary_postgres::{Convention, GateConfig, MigrationFilesGate};

/// How often each is done; the median counts.
const ROUNDS: usize = 9;

/// A migration as services have them.
fn migration(n: usize) -> String {
    format!(
        "-- step {n}\nSET lock_timeout = '2s';\nCREATE TABLE orders_{n} (\n    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,\n    \
         customer bigint NOT NULL REFERENCES customers (id),\n    total numeric(12, 2) NOT NULL DEFAULT 0 CHECK (total >= 0),\n    \
         created_at timestamptz NOT NULL DEFAULT now()\n);\nCREATE INDEX orders_{n}_customer ON orders_{n} (customer);\n\
         ALTER TABLE customers ADD COLUMN note_{n} text;\nDO $$ BEGIN\n    IF NOT EXISTS (SELECT 1 FROM orders_{n}) THEN\n        \
         INSERT INTO orders_{n} (customer) VALUES (1);\n    END IF;\nEND $$;\n"
    )
}

fn git(directory: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let done = Command::new("git")
        .args(["-c", "user.name=b", "-c", "user.email=b@example.org", "-c", "commit.gpgSign=false"])
        .args(arguments)
        .current_dir(directory)
        .output()?;
    ensure!(done.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let files: usize = std::env::args().nth(1).map_or(Ok(1_000), |n| n.parse()).context("how many files")?;
    let directory = tempfile::tempdir()?;
    let migrations = directory.path().join("migrations");
    std::fs::create_dir(&migrations)?;
    std::fs::write(
        migrations.join("000000_customers.sql"),
        "CREATE TABLE customers (id bigint PRIMARY KEY);",
    )?;
    git(directory.path(), &["init", "-q"])?;
    git(directory.path(), &["add", "."])?;
    git(directory.path(), &["commit", "-q", "-m", "base"])?;
    git(directory.path(), &["tag", "running"])?;
    for n in 1..=files {
        std::fs::write(migrations.join(format!("{n:06}_orders.sql")), migration(n))?;
    }
    let mut config = GateConfig::new(directory.path(), "migrations");
    config.base = "running".into();
    config.convention = Some(Convention::Sqlx);
    let gate = MigrationFilesGate::new(config.clone());
    let mut empty = config;
    empty.dir = "elsewhere".into();
    std::fs::create_dir(directory.path().join("elsewhere"))?;
    let only_git = MigrationFilesGate::new(empty);
    let release = Release::new("bench".parse()?, Digest::of(b"bench"));
    let (mut whole, mut of_git) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let review = gate.review(&release).await?;
        whole.push(begun.elapsed());
        // Each file adds a column to an old table; everything else in it is new.
        ensure!(review.findings.len() == files, "{} findings", review.findings.len());
        let begun = Instant::now();
        only_git.review(&release).await?;
        of_git.push(begun.elapsed());
    }
    let (whole, of_git) = (median(whole), median(of_git));
    println!(
        "{files} new migrations: {} ms, of which git takes about {} ms and the static stage {} ms",
        whole.as_millis(),
        of_git.as_millis(),
        whole.saturating_sub(of_git).as_millis()
    );
    Ok(())
}

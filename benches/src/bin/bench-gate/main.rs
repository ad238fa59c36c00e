//! Measures the static gate: a repository with many new migrations, judged whole, and how much of it is git; then one file of
//! rows, of several sizes, whose time must grow as the file does.

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

/// The sizes of the file of rows, in bytes; none of them with the word `files` after the number of files.
const SIZES: [usize; 3] = [2_200_000, 4_450_000, 8_900_000];

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

/// A file of rows for a table that is in use, each in a statement of its own, of about so many bytes.
fn rows(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 200);
    let mut row = 0_u64;
    while text.len() < bytes {
        row += 1;
        text.push_str(&format!(
            "INSERT INTO customers (id, name, note) VALUES ({row}, 'customer {row}', 'a note that is as long as notes are');\n"
        ));
    }
    text
}

/// A repository of one old migration, at the tag `running`.
fn repository() -> anyhow::Result<tempfile::TempDir> {
    let directory = tempfile::tempdir()?;
    let migrations = directory.path().join("migrations");
    std::fs::create_dir(&migrations)?;
    std::fs::write(
        migrations.join("000000_customers.sql"),
        "CREATE TABLE customers (id bigint PRIMARY KEY, name text, note text);",
    )?;
    git(directory.path(), &["init", "-q"])?;
    git(directory.path(), &["add", "."])?;
    git(directory.path(), &["commit", "-q", "-m", "base"])?;
    git(directory.path(), &["tag", "running"])?;
    Ok(directory)
}

/// One file of rows, with a convention whose transactions depend on how many statements there are, and one whose do not.
async fn large(bytes: usize) -> anyhow::Result<()> {
    let directory = repository()?;
    let text = rows(bytes);
    std::fs::write(directory.path().join("migrations/000001_rows.up.sql"), &text)?;
    let release = Release::new("bench".parse()?, Digest::of(b"bench"));
    for convention in [Convention::Sqlx, Convention::GolangMigrate] {
        let mut config = GateConfig::new(directory.path(), "migrations");
        config.base = "running".into();
        config.convention = Some(convention);
        let gate = MigrationFilesGate::new(config);
        let mut times = Vec::new();
        for _ in 0..ROUNDS.min(5) {
            let begun = Instant::now();
            gate.review(&release).await?;
            times.push(begun.elapsed());
        }
        let time = median(times);
        println!(
            "one file of {:.1} MB, {} statements, {convention}: {} ms, {:.0} ms a MB",
            text.len() as f64 / 1e6,
            text.lines().count(),
            time.as_millis(),
            time.as_secs_f64() * 1e9 / text.len() as f64
        );
    }
    Ok(())
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
    let directory = repository()?;
    let migrations = directory.path().join("migrations");
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
    // By itself the first is what a profile is to see.
    let sizes: &[usize] =
        if std::env::args().nth(2).is_some_and(|word| word == "files") { &[] } else { &SIZES };
    for bytes in sizes {
        large(*bytes).await?;
    }
    Ok(())
}

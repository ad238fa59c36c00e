//! The migration gate in front of a roll.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use canary_core::journal::Entry;
use canary_core::plan::Action;
use canary_core::traits::GateVerdict;
use canary_lab_e2e::Trial;
use tokio::process::Command;

async fn git(directory: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let done = Command::new("git")
        .args(["-c", "user.name=Dev", "-c", "user.email=dev@example.org", "-c", "init.defaultBranch=main"])
        .args(arguments)
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdout(Stdio::null())
        .status()
        .await?;
    ensure!(done.success(), "git {arguments:?}: {done}");
    Ok(())
}

/// A service's repository: one migration that is running, and a new one that drops a column.
async fn repository(directory: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(directory.join("migrations"))?;
    std::fs::write(
        directory.join("migrations/0001_users.sql"),
        "CREATE TABLE users (id int, email text);\n",
    )?;
    git(directory, &["init", "-q"]).await?;
    git(directory, &["add", "."]).await?;
    git(directory, &["commit", "-q", "-m", "users"]).await?;
    git(directory, &["update-ref", "refs/remotes/origin/main", "HEAD"]).await?;
    std::fs::write(directory.join("migrations/0002_no_email.sql"), "ALTER TABLE users DROP COLUMN email;\n")?;
    git(directory, &["add", "."]).await?;
    git(directory, &["commit", "-q", "-m", "no email"]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_column_refuses_the_roll_and_changes_nothing_unless_forced_by_name() -> anyhow::Result<()> {
    let Some(trial) = Trial::begin("gate refusal").await? else { return Ok(()) };
    let service = trial.directory().join("service");
    repository(&service).await?;
    let release = trial.release("v2", &[])?;
    let before = [trial.lab.process(Trial::CANARY).await?, trial.lab.process(Trial::PEER).await?];

    let ended = trial.ship(&release)?.inside(&service).run("run").await?.expect(10)?;
    for words in ["drop-column", "migrations/0002_no_email.sql"] {
        ensure!(ended.said().contains(words), "expected {words:?} in:\n{}", ended.said());
    }
    let journal = trial.journal()?;
    ensure!(!journal.began(Action::Drain) && !journal.began(Action::Install), "no step was begun");
    trial.expect_everywhere(trial.lab.first_binary()).await?;
    let after = [trial.lab.process(Trial::CANARY).await?, trial.lab.process(Trial::PEER).await?];
    ensure!(before == after, "the processes are the same: {before:?}, {after:?}");

    let forced = trial
        .ship(&release)?
        .inside(&service)
        .set("FORCE_MIGRATE", 1)
        .set("CANARY_ACTOR", "ada@deploy-1")
        .set("CANARY_REASON", "nobody reads email since v0");
    forced.run("run").await?.expect(0)?;
    trial.expect_everywhere(&release.path).await?;
    let journal = trial.journal()?;
    let review = journal.records.iter().rev().find_map(|record| match &record.entry {
        Entry::GateReviewed { actor, review, .. } => Some((record.time, actor, review)),
        _ => None,
    });
    let (time, actor, review) = review.context("the review is on record")?;
    ensure!(time.as_millis() > 0 && actor == "ada@deploy-1", "who and when: {actor} at {time}");
    let GateVerdict::Bypassed { grants } = &review.verdict else {
        anyhow::bail!("expected a bypass, got {:?}", review.verdict);
    };
    ensure!(grants.iter().any(|grant| grant.rule == "drop-column"), "{grants:?}");
    ensure!(grants.iter().all(|grant| grant.actor == "ada@deploy-1"), "{grants:?}");
    trial.nothing_lost().await?;
    Ok(())
}

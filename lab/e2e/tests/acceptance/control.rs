//! What people ask of a roll from another terminal.

use anyhow::ensure;
use canary_core::engine::Outcome;
use canary_core::journal::{Entry, Wish};
use canary_core::plan::{Action, Direction};
use canary_lab_e2e::Trial;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planned_pause_keeps_the_peers_until_it_is_promoted() -> anyhow::Result<()> {
    let Some(trial) = Trial::begin("pause and promote").await? else { return Ok(()) };
    let release = trial.release("v2", &[])?;
    let cli = trial.ship(&release)?.set("SLI_WINDOW", 3).set("CANARY_PAUSE_AFTER", "canary");
    let mut running = cli.start("run")?;
    running.wait_for_step(Trial::CANARY, Action::Pause, Direction::Forward).await?;
    // Watched on: a probe of the pause itself.
    let probed =
        |entry: &Entry| matches!(entry, Entry::Observed { step, .. } if step.action == Action::Pause);
    running.wait_for("a probe in the pause", probed).await?;
    let status = cli.run("status").await?.expect(0)?;
    ensure!(status.said().contains("\"in_progress\":true"), "{}", status.said());
    trial.expect_on(Trial::PEER, trial.lab.first_binary()).await?;

    let twice = cli.clone().set("CANARY_ACTOR", "ben").run("pause").await?;
    twice.expect(0)?;
    cli.clone()
        .set("CANARY_ACTOR", "ben")
        .set("CANARY_REASON", "looks good")
        .run("promote")
        .await?
        .expect(0)?;
    running.end().await?.expect(0)?;
    trial.expect_everywhere(&release.path).await?;
    let journal = trial.journal()?;
    let promoted = journal.entries().any(|entry| {
        matches!(entry, Entry::Asked { request, refused: None, .. }
            if request.wish == Wish::Promote && request.actor == "ben" && request.reason.as_deref() == Some("looks good"))
    });
    ensure!(promoted, "who promoted it, and why, is on record");

    let nothing = cli.run("promote").await?.expect(10)?;
    ensure!(nothing.said().contains("no rollout in progress"), "{}", nothing.said());
    trial.nothing_lost().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abort_in_the_watch_takes_the_canary_back_at_once() -> anyhow::Result<()> {
    let Some(trial) = Trial::begin("abort in the watch").await? else { return Ok(()) };
    let release = trial.release("v2", &[])?;
    let cli = trial.ship(&release)?.set("SLI_WINDOW", 600);
    let mut running = cli.start("run")?;
    running.wait_for_step(Trial::CANARY, Action::Watch, Direction::Forward).await?;
    cli.clone().set("CANARY_ACTOR", "ben").run("abort").await?.expect(0)?;
    let ended = running.end().await?.expect(20)?;
    ensure!(matches!(ended.outcome(), Some(Outcome::RolledBack { .. })), "{}", ended.said());
    trial.expect_everywhere(trial.lab.first_binary()).await?;
    trial.nothing_lost().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abort_of_what_was_killed_takes_it_back_by_itself() -> anyhow::Result<()> {
    let Some(trial) = Trial::begin("abort after kill -9").await? else { return Ok(()) };
    let release = trial.release("v2", &[])?;
    let cli = trial.ship(&release)?.set("SLI_WINDOW", 5);
    let mut running = cli.start("run")?;
    running.wait_for_step(Trial::CANARY, Action::Restart, Direction::Forward).await?;
    running.signal("KILL").await?;
    running.end().await?;
    let paused = cli.run("pause").await?.expect(10)?;
    ensure!(paused.said().contains("nobody is at work on it"), "{}", paused.said());
    cli.run("abort").await?.expect(20)?;
    trial.expect_everywhere(trial.lab.first_binary()).await?;
    trial.nothing_lost().await?;
    Ok(())
}

//! Two at once, and rolls that end in the middle.

use anyhow::ensure;
use canary_core::engine::Outcome;
use canary_core::journal::Entry;
use canary_core::plan::{Action, Direction};
use canary_lab_e2e::Trial;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_run_is_refused_and_names_the_first() -> anyhow::Result<()> {
    let Some(trial) = Trial::begin("two runs at once").await? else { return Ok(()) };
    let release = trial.release("v2", &[])?;
    let mut first = trial.ship(&release)?.set("SLI_WINDOW", 6).start("run")?;
    first.wait_for_step(Trial::CANARY, Action::Watch, Direction::Forward).await?;
    let pid = first.pid()?;

    let other = trial.release("v3", &[])?;
    let second = trial.ship(&other)?.run("run").await?.expect(41)?;
    let journal = trial.journal()?;
    let opened = journal.records.iter().rev().find_map(|record| match &record.entry {
        Entry::Opened { host, .. } => Some((host.clone(), record.time.to_string())),
        _ => None,
    });
    let Some((host, time)) = opened else { anyhow::bail!("the first has opened the journal") };
    for words in [format!("process {pid} on {host}"), time] {
        ensure!(second.said().contains(&words), "expected {words:?} in:\n{}", second.said());
    }

    first.end().await?.expect(0)?;
    trial.expect_everywhere(&release.path).await?;
    trial.nothing_lost().await?;
    Ok(())
}

/// `kill -9` when this step has begun, then one command to the end.
async fn killed(name: &'static str, at: (&str, Action), command: &str) -> anyhow::Result<()> {
    let Some(trial) = Trial::begin(name).await? else { return Ok(()) };
    let release = trial.release("v2", &[])?;
    let cli = trial.ship(&release)?.set("SLI_WINDOW", 5);
    let mut running = cli.start("run")?;
    running.wait_for_step(at.0, at.1, Direction::Forward).await?;
    running.signal("KILL").await?;
    let ended = running.end().await?;
    ensure!(ended.code.is_none(), "a signal ended it, not {:?}", ended.code);

    cli.run(command).await?.expect(0)?;
    trial.expect_everywhere(&release.path).await?;
    let journal = trial.journal()?;
    let begun = journal.entries().filter(|entry| matches!(entry, Entry::Started { .. })).count();
    ensure!(begun == 1, "the same rollout went on: {begun} were started");
    trial.nothing_lost().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_drain_run_goes_on() -> anyhow::Result<()> {
    killed("kill -9 in the drain", (Trial::CANARY, Action::Drain), "run").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_installation_resume_goes_on() -> anyhow::Result<()> {
    killed("kill -9 in the installation", (Trial::CANARY, Action::Install), "resume").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_a_peer_s_restart_resume_goes_on() -> anyhow::Result<()> {
    killed("kill -9 at a peer's restart", (Trial::PEER, Action::Restart), "resume").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_watch_run_goes_on() -> anyhow::Result<()> {
    killed("kill -9 in the watch", (Trial::CANARY, Action::Watch), "run").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupt_in_the_watch_stops_with_130_and_resume_completes() -> anyhow::Result<()> {
    let Some(trial) = Trial::begin("interrupt in the watch").await? else { return Ok(()) };
    let release = trial.release("v2", &[])?;
    let cli = trial.ship(&release)?.set("SLI_WINDOW", 5);
    let mut running = cli.start("run")?;
    running.wait_for_step(Trial::CANARY, Action::Watch, Direction::Forward).await?;
    running.signal("INT").await?;
    let ended = running.end().await?.expect(130)?;
    ensure!(matches!(ended.outcome(), Some(Outcome::Interrupted { .. })), "{}", ended.said());
    trial.expect_on(Trial::PEER, trial.lab.first_binary()).await?;
    ensure!(trial.lab.servers().await?.values().all(|server| server.serving()), "no node is left drained");

    cli.run("resume").await?.expect(0)?;
    trial.expect_everywhere(&release.path).await?;
    trial.nothing_lost().await?;
    Ok(())
}

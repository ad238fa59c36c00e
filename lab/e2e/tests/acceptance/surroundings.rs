//! What the rollout depends on goes away and comes back under way.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use canary_core::analysis::Verdict;
use canary_core::engine::{AfterHold, Outcome};
use canary_core::journal::Entry;
use canary_core::plan::{Action, Direction};
use canary_demo::load::LoadOptions;
use canary_lab_e2e::{Trial, clients};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn haproxy_reloaded_during_the_watch_costs_nothing() -> anyhow::Result<()> {
    let Some(trial) = Trial::begin("HAProxy reloaded during the watch").await? else { return Ok(()) };
    let release = trial.release("v2", &[])?;
    let mut running = trial.ship(&release)?.set("SLI_WINDOW", 10).start("run")?;
    running.wait_for_step(Trial::CANARY, Action::Watch, Direction::Forward).await?;
    trial.lab.exec("haproxy", "systemctl reload haproxy").await?;
    running.still_in(Action::Watch)?;
    running.end().await?.expect(0)?;
    trial.expect_everywhere(&release.path).await?;
    trial.nothing_lost().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn haproxy_restarted_hard_during_the_watch_costs_what_the_restart_itself_does() -> anyhow::Result<()> {
    let Some(trial) = Trial::begin("HAProxy restarted during the watch").await? else { return Ok(()) };
    let release = trial.release("v2", &[])?;
    let mut running = trial.ship(&release)?.set("SLI_WINDOW", 10).start("run")?;
    running.wait_for_step(Trial::CANARY, Action::Watch, Direction::Forward).await?;
    let from = Instant::now();
    trial.lab.exec("haproxy", "systemctl restart haproxy").await?;
    let to = Instant::now();
    running.still_in(Action::Watch)?;
    running.end().await?.expect(0)?;
    trial.expect_everywhere(&release.path).await?;
    trial.lost_only_between("while HAProxy itself restarted", from, to).await?;
    Ok(())
}

/// A restarted HAProxy has forgotten the drain; the node must not be touched while it takes requests again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn haproxy_restarted_during_a_drain_is_asked_for_the_drain_again() -> anyhow::Result<()> {
    let long = LoadOptions {
        connections: 12,
        rate_per_second: None,
        paths: vec!["/work?ms=3000".to_owned(), "/work?ms=100".to_owned()],
        ..clients()
    };
    let Some(trial) = Trial::begin_with("HAProxy restarted during a drain", long).await? else {
        return Ok(());
    };
    trial.lab.kill_on_restart().await?;
    let release = trial.release("v2", &[])?;
    let mut running = trial.ship(&release)?.start("run")?;
    running.wait_for_step(Trial::CANARY, Action::Drain, Direction::Forward).await?;
    canary_lab_e2e::until("the canary is drained", std::time::Duration::from_secs(10), async || {
        Ok(trial.lab.server(Trial::CANARY).await?.drained())
    })
    .await?;
    let from = Instant::now();
    trial.lab.exec("haproxy", "systemctl restart haproxy").await?;
    let to = Instant::now();
    running.end().await?.expect(0)?;
    let journal = trial.journal()?;
    let drain = journal.finished(Trial::CANARY, Action::Drain, Direction::Forward).next();
    let asked = drain.and_then(|step| step.facts.get("drain_asked").cloned()).context("drain_asked")?;
    ensure!(asked.parse::<u32>()? >= 2, "the drain was asked for again, not only {asked} times");
    trial.expect_everywhere(&release.path).await?;
    trial.lost_only_between("while HAProxy itself restarted", from, to).await?;
    Ok(())
}

/// Counts the probes that decided nothing.
fn holds(wanted: usize) -> impl FnMut(&Entry) -> bool {
    let mut seen = 0;
    move |entry| {
        let held =
            matches!(entry, Entry::Observed { observation, .. } if observation.verdict == Verdict::Hold);
        seen += usize::from(held);
        seen >= wanted
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_stopped_during_the_watch_and_started_again_only_delays_it() -> anyhow::Result<()> {
    let Some(trial) = Trial::begin("Prometheus stopped for a while").await? else { return Ok(()) };
    let release = trial.release("v2", &[])?;
    let mut running = trial.ship(&release)?.set("SLI_WINDOW", 10).start("run")?;
    running
        .wait_for("a green probe", |entry| {
            matches!(entry, Entry::Observed { observation, .. } if observation.verdict == Verdict::Green)
        })
        .await?;
    trial.lab.exec("prom", "systemctl stop prometheus").await?;
    let source_down = |entry: &Entry| {
        matches!(entry, Entry::Observed { observation, .. }
            if observation.verdict == Verdict::Hold && observation.reason().contains("source down"))
    };
    running.wait_for("a probe that found the source down", source_down).await?;
    trial.lab.exec("prom", "systemctl start prometheus").await?;
    let ended = running.end().await?.expect(0)?;
    let red = ended.entries().any(
        |entry| matches!(entry, Entry::Observed { observation, .. } if observation.verdict == Verdict::Red),
    );
    ensure!(!red, "no probe was red");
    trial.expect_everywhere(&release.path).await?;
    trial.nothing_lost().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_gone_for_longer_than_the_budget_is_inconclusive_and_keeps_the_canary()
-> anyhow::Result<()> {
    let Some(trial) = Trial::begin("Prometheus stopped for good").await? else { return Ok(()) };
    let release = trial.release("v2", &[])?;
    let cli = trial.ship(&release)?.set("SLI_WINDOW", 120).set("CANARY_HOLD_BUDGET", "6s");
    let mut running = cli.start("run")?;
    running.wait_for_step(Trial::CANARY, Action::Watch, Direction::Forward).await?;
    trial.lab.exec("prom", "systemctl stop prometheus").await?;
    running.wait_for("two probes without data", holds(2)).await?;
    let ended = running.end().await?.expect(22)?;
    let Some(Outcome::Inconclusive { then: AfterHold::Kept, .. }) = ended.outcome() else {
        anyhow::bail!("expected an inconclusive end that keeps the canary:\n{}", ended.said());
    };
    trial.expect_on(Trial::CANARY, &release.path).await?;
    trial.expect_on(Trial::PEER, trial.lab.first_binary()).await?;
    ensure!(trial.lab.servers().await?.values().all(|server| server.serving()), "both serve");
    trial.nothing_lost().await?;
    Ok(())
}

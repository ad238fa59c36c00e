//! Releases that are bad, or arrive badly: each is taken back by itself, and the reason is on record.

use std::path::Path;

use anyhow::{Context as _, ensure};
use canary_core::analysis::Verdict;
use canary_core::engine::Outcome;
use canary_core::journal::{Entry, StepResult};
use canary_core::plan::{Action, Direction};
use canary_demo::service::Fault;
use canary_lab_e2e::{Ended, Tamper, TamperingProxy, Trial};

/// The reason of a rollout that was rolled back.
fn reason(ended: &Ended) -> anyhow::Result<String> {
    match ended.outcome() {
        Some(Outcome::RolledBack { reason }) => Ok(reason),
        other => anyhow::bail!("expected a rollback, got {other:?}:\n{}", ended.said()),
    }
}

/// Ships a release that the watch must find red on this indicator, and checks that it did.
async fn breach(trial: &Trial, version: &str, fault: Fault, sli: &str) -> anyhow::Result<()> {
    let bad = trial.release(version, &[fault])?;
    let ended = trial.ship(&bad)?.set("SLI_WINDOW", 30).run("run").await?.expect(20)?;
    ensure!(reason(&ended)?.contains(sli), "{sli} is named: {}", reason(&ended)?);
    let red: Vec<_> = ended
        .entries()
        .filter_map(|entry| match entry {
            Entry::Observed { observation, .. } if observation.verdict == Verdict::Red => Some(observation),
            _ => None,
        })
        .collect();
    ensure!(red.len() == 1, "the first red probe ends the watch: {red:?}");
    trial.expect_everywhere(trial.lab.first_binary()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_rate_breach_in_the_window_is_rolled_back() -> anyhow::Result<()> {
    let Some(trial) = Trial::begin("error rate breach").await? else { return Ok(()) };
    breach(&trial, "v2-errors", Fault::Errors { rate_ppm: 50_000 }, "error_ratio").await?;
    let summary = trial.lost_only_to("v2-errors").await?;
    ensure!(summary.failed_total > 0, "the bad release did answer badly");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_p95_breach_in_the_window_is_rolled_back() -> anyhow::Result<()> {
    let Some(trial) = Trial::begin("p95 breach").await? else { return Ok(()) };
    breach(&trial, "v2-slow", Fault::Latency { rate_ppm: 1_000_000, ms: 700 }, "p95").await?;
    trial.nothing_lost().await?;
    Ok(())
}

/// The loop of crashes is told by systemd's counter, long before the health deadline.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_that_crashes_at_start_is_rolled_back_without_waiting_for_the_health_deadline()
-> anyhow::Result<()> {
    let Some(trial) = Trial::begin("crash at start").await? else { return Ok(()) };
    let bad = trial.release("v2-crash", &[Fault::Crash])?;
    let ended = trial.ship(&bad)?.set("HEALTH_TIMEOUT", 120).run("run").await?.expect(20)?;
    ensure!(reason(&ended)?.contains("crashes"), "{}", reason(&ended)?);
    let journal = trial.journal()?;
    let logs: Vec<_> = [Action::Restart, Action::CheckHealth]
        .into_iter()
        .flat_map(|action| journal.finished(Trial::CANARY, action, Direction::Forward))
        .flat_map(|step| step.logs.to_vec())
        .collect();
    ensure!(logs.iter().any(|line| line.contains("crashes at start")), "its last words are kept: {logs:?}");
    trial.expect_everywhere(trial.lab.first_binary()).await?;
    trial.nothing_lost().await?;
    Ok(())
}

async fn arrives_short(trial: Trial, tamper: Tamper, words: &str) -> anyhow::Result<()> {
    let release = trial.release("v2", &[])?;
    let daemon = Path::new(trial.lab.variable("INCUS_SOCKET"));
    let proxy = TamperingProxy::start(trial.directory(), daemon, tamper)?;
    let before = trial.lab.process(Trial::CANARY).await?;
    let cli = trial.ship(&release)?.path("INCUS_SOCKET", proxy.path()).set("CANARY_RETRY_BUDGET", "2s");
    let ended = cli.run("run").await?.expect(20)?;
    ensure!(proxy.harmed() > 0, "an upload was harmed");
    ensure!(reason(&ended)?.contains(words), "expected {words:?} in: {}", reason(&ended)?);
    trial.expect_everywhere(trial.lab.first_binary()).await?;
    ensure!(trial.lab.process(Trial::CANARY).await? == before, "the old process was never stopped");
    let left = trial.lab.exec(Trial::CANARY, "ls -A /opt/veza/backend-api").await?;
    ensure!(left.trim() == "veza-api", "nothing is left beside the binary: {left:?}");
    trial.nothing_lost().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_artifact_cut_off_in_transfer_never_takes_the_old_binary_s_place() -> anyhow::Result<()> {
    let Some(trial) = Trial::begin("transfer cut off").await? else { return Ok(()) };
    arrives_short(trial, Tamper::CutOff, "install").await
}

/// The worst of proxies: half the file arrives, and the daemon answers that all is well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_artifact_that_arrives_short_with_a_good_answer_is_told_by_its_digest() -> anyhow::Result<()> {
    let Some(trial) = Trial::begin("transfer shortened").await? else { return Ok(()) };
    arrives_short(trial, Tamper::Shorten, "digest").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_in_the_container_leaves_the_old_binary_and_is_named() -> anyhow::Result<()> {
    let Some(trial) = Trial::begin("disk full").await? else { return Ok(()) };
    trial.lab.fill(Trial::CANARY).await?;
    let release = trial.release("v2", &[])?;
    let ended = trial.ship(&release)?.run("run").await?.expect(20)?;
    ensure!(reason(&ended)?.contains("no space left on device"), "{}", reason(&ended)?);
    let journal = trial.journal()?;
    let install = journal.finished(Trial::CANARY, Action::Install, Direction::Forward).next();
    let install = install.context("the installation is on record")?;
    ensure!(matches!(install.result, StepResult::Failed { .. }), "{install:?}");
    trial.expect_everywhere(trial.lab.first_binary()).await?;
    trial.nothing_lost().await?;
    Ok(())
}

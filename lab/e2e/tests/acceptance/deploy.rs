//! What every day needs: good releases that ship, and one that is caught.

use anyhow::ensure;
use canary_core::engine::Outcome;
use canary_core::journal::StepResult;
use canary_core::plan::{Action, Direction};
use canary_demo::service::Fault;
use canary_lab_e2e::Trial;

/// The runbook's acceptance bar.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_deploys_two_normal_and_one_whose_health_answers_500_is_rolled_back() -> anyhow::Result<()> {
    let Some(trial) = Trial::begin("three deploys, the last answers 500 on health").await? else {
        return Ok(());
    };
    let good = [trial.release("v2", &[])?, trial.release("v3", &[])?];
    let bad = trial.release("v4", &[Fault::Health])?;
    for release in &good {
        trial.ship(release)?.set("SLI_WINDOW", 6).run("run").await?.expect(0)?;
        trial.expect_everywhere(&release.path).await?;
    }
    let ended = trial.ship(&bad)?.set("SLI_WINDOW", 6).run("run").await?.expect(20)?;
    ensure!(matches!(ended.outcome(), Some(Outcome::RolledBack { .. })), "{}", ended.said());
    trial.expect_everywhere(&good[1].path).await?;

    let journal = trial.journal()?;
    let failed: Vec<_> = journal
        .finished(Trial::CANARY, Action::CheckHealth, Direction::Forward)
        .filter(|step| matches!(step.result, StepResult::Failed { .. }))
        .collect();
    ensure!(failed.len() == 1, "one failed health check, not {failed:?}");
    let StepResult::Failed { message, .. } = failed[0].result else { unreachable!("filtered") };
    ensure!(message.contains("500"), "the status is named: {message}");
    let logs = failed[0].logs.join("\n");
    ensure!(logs.contains("release v4 listens"), "the service's own words are kept: {logs}");
    // Health is asked inside the instance, so no client ever saw the bad release.
    trial.nothing_lost().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn run_again_after_success_changes_nothing_and_says_so() -> anyhow::Result<()> {
    let Some(trial) = Trial::begin("run again after success").await? else { return Ok(()) };
    let release = trial.release("v2", &[])?;
    trial.ship(&release)?.run("run").await?.expect(0)?;
    let before = [trial.lab.process(Trial::CANARY).await?, trial.lab.process(Trial::PEER).await?];

    let ended = trial.ship(&release)?.run("run").await?.expect(0)?;
    ensure!(ended.outcome() == Some(Outcome::Completed { changed: false }), "{}", ended.said());
    let after = [trial.lab.process(Trial::CANARY).await?, trial.lab.process(Trial::PEER).await?];
    ensure!(before == after, "the processes are the same: {before:?}, {after:?}");
    trial.expect_everywhere(&release.path).await?;
    trial.nothing_lost().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_command_rolls_every_node_back() -> anyhow::Result<()> {
    let Some(trial) = Trial::begin("rollback by order").await? else { return Ok(()) };
    let release = trial.release("v2", &[])?;
    trial.ship(&release)?.run("run").await?.expect(0)?;
    trial.expect_everywhere(&release.path).await?;
    trial.lab.kill_on_restart().await?;

    let ended = trial.cli()?.run("rollback").await?.expect(0)?;
    ensure!(ended.outcome() == Some(Outcome::Completed { changed: true }), "{}", ended.said());
    trial.expect_everywhere(trial.lab.first_binary()).await?;
    trial.nothing_lost().await?;
    Ok(())
}

/// No socket of this machine: the daemon over HTTPS with certificates on both sides, HAProxy's Runtime API over TCP.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_roll_over_https_and_tcp() -> anyhow::Result<()> {
    let Some(trial) = Trial::begin("Incus over HTTPS, HAProxy over TCP").await? else { return Ok(()) };
    let release = trial.release("v2", &[])?;
    let address = format!("tcp:{}", trial.lab.variable("CANARY_LAB_HAPROXY_TCP"));
    let cli = trial
        .ship(&release)?
        .path("INCUS_SOCKET", &trial.directory().join("no-such-socket"))
        .set("CANARY_INCUS_URL", trial.lab.variable("CANARY_LAB_INCUS_HTTPS"))
        .set("CANARY_INCUS_CLIENT_CERT", trial.lab.variable("CANARY_LAB_TLS_CLIENT_CERT"))
        .set("CANARY_INCUS_CLIENT_KEY", trial.lab.variable("CANARY_LAB_TLS_CLIENT_KEY"))
        .set("CANARY_INCUS_SERVER_CERT", trial.lab.variable("CANARY_LAB_TLS_SERVER_CERT"))
        .set("CANARY_HAPROXY_ADDRESS", address)
        .set("SLI_WINDOW", 5);
    cli.run("run").await?.expect(0)?;
    trial.expect_everywhere(&release.path).await?;
    trial.nothing_lost().await?;
    Ok(())
}

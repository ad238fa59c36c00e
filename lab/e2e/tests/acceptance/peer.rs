//! A peer that fails after the canary has proved the release.

use anyhow::ensure;
use canary_core::engine::Outcome;
use canary_lab_e2e::Trial;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_peer_halts_the_roll_and_a_run_after_the_repair_completes_it() -> anyhow::Result<()> {
    let Some(trial) = Trial::begin("peer failure").await? else { return Ok(()) };
    trial.lab.fill(Trial::PEER).await?;
    let release = trial.release("v2", &[])?;
    let ended = trial.ship(&release)?.run("run").await?.expect(21)?;
    let Some(Outcome::Halted { reason }) = ended.outcome() else {
        anyhow::bail!("expected a halt:\n{}", ended.said())
    };
    ensure!(reason.contains(Trial::PEER) && reason.contains("no space left"), "{reason}");
    trial.expect_on(Trial::CANARY, &release.path).await?;
    trial.expect_on(Trial::PEER, trial.lab.first_binary()).await?;
    ensure!(trial.lab.server(Trial::CANARY).await?.serving(), "the canary serves");
    ensure!(trial.lab.server(Trial::PEER).await?.drained(), "the peer stays drained");

    trial.lab.unfill(Trial::PEER).await?;
    trial.ship(&release)?.run("run").await?.expect(0)?;
    trial.expect_everywhere(&release.path).await?;
    trial.nothing_lost().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_option_a_failing_peer_takes_every_node_back() -> anyhow::Result<()> {
    let Some(trial) = Trial::begin("peer failure, peers rolled back").await? else { return Ok(()) };
    trial.lab.fill(Trial::PEER).await?;
    let release = trial.release("v2", &[])?;
    let ended = trial.ship(&release)?.set("CANARY_ROLL_BACK_PEERS", true).run("run").await?.expect(20)?;
    ensure!(matches!(ended.outcome(), Some(Outcome::RolledBack { .. })), "{}", ended.said());
    trial.expect_everywhere(trial.lab.first_binary()).await?;
    trial.nothing_lost().await?;
    Ok(())
}

//! A canary whose weight grows in steps: what its clients see of it, by the clients' own count.

use anyhow::ensure;
use canary_core::engine::Outcome;
use canary_core::journal::Entry;
use canary_core::plan::{Action, Step};
use canary_demo::load::Summary;
use canary_demo::service::Fault;
use canary_lab_e2e::{Cli, Trial};

/// The program with two steps, each watched for some seconds.
fn stepwise(trial: &Trial, cli: Cli) -> anyhow::Result<Cli> {
    let text = "[weights]\nsteps = [\"10%\", \"50%\"]\nwindow = \"6s\"\n";
    std::fs::write(trial.directory().join("canary.toml"), text)?;
    Ok(cli.set("SLI_WINDOW", 6).set("PROM_NODE_LABEL", "node"))
}

/// The part of the answers that a version gave between two looks.
fn share(version: &str, before: &Summary, after: &Summary) -> f64 {
    let given = |summary: &Summary| summary.answers_of_version(version) as f64;
    (given(after) - given(before)) / (after.ok - before.ok) as f64
}

/// Whether an entry is the beginning or the end of a stage's watch.
fn of_watch(step: &Step, stage: u32) -> bool {
    step.action == Action::Watch
        && step.stage == stage
        && step.node.as_ref().is_some_and(|n| n.as_str() == Trial::CANARY)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canarys_share_grows_step_by_step() -> anyhow::Result<()> {
    let Some(trial) = Trial::begin("growing weight").await? else { return Ok(()) };
    let release = trial.release("v2", &[])?;
    let mut running = stepwise(&trial, trial.ship(&release)?)?.start("run")?;
    // Of two nodes of weight 100: 10 of 110, 50 of 150, 100 of 200.
    for (stage, weight, wanted) in [(1, 10, 0.0909), (2, 50, 0.3333), (0, 100, 0.5)] {
        let begins =
            |entry: &Entry| matches!(entry, Entry::StepStarted { step, .. } if of_watch(step, stage));
        running.wait_for("a watch begins", begins).await?;
        let before = trial.load().snapshot();
        ensure!(trial.lab.server(Trial::CANARY).await?.weight == weight, "step {stage} has weight {weight}");
        let ends = |entry: &Entry| matches!(entry, Entry::StepFinished { step, .. } if of_watch(step, stage));
        running.wait_for("the watch ends", ends).await?;
        let seen = share("v2", &before, &trial.load().snapshot());
        ensure!((seen - wanted).abs() < 0.05, "step {stage}: {seen:.3} of the answers, expected {wanted}");
    }
    running.end().await?.expect(0)?;
    trial.expect_everywhere(&release.path).await?;
    let servers = trial.lab.servers().await?;
    ensure!(servers.values().all(|server| server.weight == 100), "{servers:?}");
    trial.nothing_lost().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_canary_is_taken_back_at_its_first_step_and_has_its_weight_again() -> anyhow::Result<()> {
    let Some(trial) = Trial::begin("bad at the first step").await? else { return Ok(()) };
    let bad = trial.release("v2-errors", &[Fault::Errors { rate_ppm: 200_000 }])?;
    let ended = stepwise(&trial, trial.ship(&bad)?)?.run("run").await?.expect(20)?;
    let Some(Outcome::RolledBack { reason }) = ended.outcome() else {
        anyhow::bail!("expected a rollback:\n{}", ended.said());
    };
    ensure!(reason.contains("step 1") && reason.contains("error_ratio"), "{reason}");
    trial.expect_everywhere(trial.lab.first_binary()).await?;
    let server = trial.lab.server(Trial::CANARY).await?;
    ensure!(server.weight == 100, "{server:?}");
    let summary = trial.lost_only_to("v2-errors").await?;
    let all = summary.sent as f64;
    let bad = summary.answers_of_version("v2-errors") as f64;
    ensure!(bad / all < 0.09, "{bad} of {all} requests met the bad release");
    Ok(())
}

//! What the judges of a watch decide with real counters of real nodes.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use canary_core::analysis::odds::OddsVerdict;
use canary_core::analysis::{Observation, Verdict, Whose};
use canary_core::engine::{AfterHold, Outcome};
use canary_core::journal::Entry;
use canary_demo::load::{Load, LoadOptions};
use canary_demo::service::Fault;
use canary_lab_e2e::{Cli, Ended, Trial, clients};

/// The probes of a rollout.
fn probes(ended: &Ended) -> Vec<Observation> {
    let observed = |entry| match entry {
        Entry::Observed { observation, .. } => Some(observation),
        _ => None,
    };
    ended.entries().filter_map(observed).collect()
}

/// The program with nodes told apart, and judges as in a file.
fn judged(trial: &Trial, cli: Cli, watch: &str) -> anyhow::Result<Cli> {
    std::fs::write(trial.directory().join("canary.toml"), format!("[watch]\n{watch}\n"))?;
    Ok(cli.set("PROM_NODE_LABEL", "node"))
}

/// Two in a hundred on one of two nodes are one in a hundred in the pool: far below the bound of 5 %, for both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_worse_than_its_peer_is_found_by_comparison_while_every_bound_holds() -> anyhow::Result<()> {
    let Some(trial) = Trial::begin("worse than its peer").await? else { return Ok(()) };
    trial.lab.backfill(trial.directory(), Duration::from_secs(40 * 60)).await?;
    let bad = trial.release("v2-errors", &[Fault::Errors { rate_ppm: 20_000 }])?;
    let cli = trial.ship(&bad)?.set("SLI_WINDOW", 90).set("SLI_PROBE_INTERVAL", 2);
    let watch = "judge = [\"threshold\", \"odds\"]\nerror_ratio_threshold = 0.05\nwarm_up = \"0s\"\nhistory = \"40m\"";
    let ended = judged(&trial, cli, watch)?.run("run").await?.expect(20)?;
    let Some(Outcome::RolledBack { reason }) = ended.outcome() else {
        anyhow::bail!("expected a rollback:\n{}", ended.said());
    };
    ensure!(reason.contains("worse than the baseline: error_ratio: canary "), "{reason}");
    let probes = probes(&ended);
    let bounds: Vec<_> = probes.iter().flat_map(|probe| &probe.slis).collect();
    ensure!(
        bounds.iter().all(|sli| sli.value.is_none_or(|value| sli.bound.holds(value.value()))),
        "{bounds:?}"
    );
    let beside = bounds.iter().any(|sli| sli.beside.contains_key(&Whose::Baseline));
    ensure!(beside, "the baseline's value is told beside the canary's: {bounds:?}");
    let last = probes.last().and_then(|probe| probe.compared.as_ref()).context("a comparison")?;
    ensure!(last.judgement.verdict == OddsVerdict::Red, "{last:?}");
    let calibrated = ended
        .entries()
        .any(|entry| matches!(entry, Entry::Calibrated { comparison, .. } if comparison.remarks.is_empty()));
    ensure!(calibrated, "the past was read:\n{}", ended.said());
    trial.expect_everywhere(trial.lab.first_binary()).await?;
    trial.lost_only_to("v2-errors").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_that_hits_all_nodes_alike_does_not_roll_a_good_canary_back() -> anyhow::Result<()> {
    let Some(trial) = Trial::begin("a common fault").await? else { return Ok(()) };
    trial.lab.backfill(trial.directory(), Duration::from_secs(40 * 60)).await?;
    let release = trial.release("v2", &[])?;
    let cli = trial.ship(&release)?.set("SLI_WINDOW", 30).set("SLI_PROBE_INTERVAL", 2);
    let watch = "judge = [\"threshold\", \"odds\"]\nwarm_up = \"0s\"\nhistory = \"40m\"";
    let mut running = judged(&trial, cli, watch)?.start("run")?;
    let green = |entry: &Entry| matches!(entry, Entry::Observed { observation, .. } if observation.verdict == Verdict::Green);
    running.wait_for("a green probe", green).await?;
    // About one in five of all requests fails. At a rate that divides the clients', round robin would send all of them to one node.
    let fault = LoadOptions {
        connections: 2,
        rate_per_second: Some(67),
        paths: vec!["/fail".to_owned()],
        max_duration: Duration::from_secs(8),
        ..LoadOptions::default()
    };
    let fault = Load::start(trial.lab.variable("CANARY_LAB_URL"), fault).await?;
    let shared = |entry: &Entry| {
        matches!(entry, Entry::Observed { observation, .. }
            if observation.verdict == Verdict::Hold && observation.reason().contains("all nodes share"))
    };
    running.wait_for("a probe that found a common fault", shared).await?;
    let ended = running.end().await?.expect(0)?;
    let failed = fault.stop().await.failed_total;
    ensure!(failed > 100, "the fault was there: {failed} requests failed");
    ensure!(probes(&ended).iter().all(|probe| probe.verdict != Verdict::Red), "no probe was red");
    trial.expect_everywhere(&release.path).await?;
    trial.nothing_lost().await?;
    Ok(())
}

/// Nobody calls but the balancer's own health checks, some in a probe's window.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_that_nobody_calls_holds_and_says_so() -> anyhow::Result<()> {
    let silent_soon = LoadOptions { max_duration: Duration::from_secs(12), ..clients() };
    let Some(trial) = Trial::begin_with("no traffic", silent_soon).await? else { return Ok(()) };
    let release = trial.release("v2", &[])?;
    let cli = trial.ship(&release)?.set("SLI_WINDOW", 60).set("CANARY_HOLD_BUDGET", "6s");
    let ended = judged(&trial, cli, "min_requests = 20")?.run("run").await?.expect(22)?;
    let Some(Outcome::Inconclusive { why, then: AfterHold::Kept }) = ended.outcome() else {
        anyhow::bail!("expected an inconclusive end that keeps the canary:\n{}", ended.said());
    };
    ensure!(why.contains("too few requests ("), "{why}");
    trial.expect_on(Trial::CANARY, &release.path).await?;
    trial.nothing_lost().await?;
    Ok(())
}

//! Services that take their time: to start, and to answer.

use std::time::Duration;

use anyhow::ensure;
use canary_core::plan::{Action, Direction};
use canary_demo::load::LoadOptions;
use canary_demo::service::Fault;
use canary_lab_e2e::{Trial, clients, until};

/// Many clients, so that a moment without a server costs many requests.
async fn under_high_load(name: &'static str) -> anyhow::Result<Option<Trial>> {
    let high = LoadOptions {
        connections: 64,
        rate_per_second: Some(3000),
        paths: vec!["/".to_owned()],
        ..LoadOptions::default()
    };
    let Some(trial) = Trial::begin_with(name, high).await? else { return Ok(None) };
    trial.lab.kill_on_restart().await?;
    Ok(Some(trial))
}

/// Where the same steps as a shell script lost 133 142 of 336 561 requests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_takes_3_s_to_start_loses_nothing_without_a_watch_under_high_load()
-> anyhow::Result<()> {
    let Some(trial) = under_high_load("start of 3 s").await? else { return Ok(()) };
    let release = trial.release("v2-slow-start", &[Fault::SlowStart { ms: 3000 }])?;
    trial.ship(&release)?.set("HEALTH_TIMEOUT", 30).run("run").await?.expect(0)?;
    trial.expect_everywhere(&release.path).await?;
    trial.nothing_lost().await?;
    Ok(())
}

/// Long enough for HAProxy's checks (`inter 2s`, `fall 3`, `rise 2`) to find each node down: healthy is then not up yet,
/// and `ready` not either. The next node must not be drained meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_haproxy_finds_down_while_it_starts_loses_nothing() -> anyhow::Result<()> {
    let Some(trial) = under_high_load("start of 8 s").await? else { return Ok(()) };
    let release = trial.release("v2-slow-start", &[Fault::SlowStart { ms: 8000 }])?;
    let mut running = trial.ship(&release)?.set("HEALTH_TIMEOUT", 30).start("run")?;
    for node in [Trial::CANARY, Trial::PEER] {
        running.wait_for_step(node, Action::CheckHealth, Direction::Forward).await?;
        let down = async || Ok(trial.lab.server(node).await?.operational == 0);
        until("HAProxy finds it down", Duration::from_secs(10), down).await?;
    }
    running.end().await?.expect(0)?;
    trial.expect_everywhere(&release.path).await?;
    trial.nothing_lost().await?;
    Ok(())
}

/// The service is killed at its restart and cannot finish anything: only the drain stands between a request and its loss.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_8_s_in_progress_are_never_cut_by_a_drain() -> anyhow::Result<()> {
    let long = LoadOptions {
        connections: 12,
        rate_per_second: None,
        paths: vec!["/work?ms=8000".to_owned(), "/work?ms=200".to_owned(), "/work?ms=50".to_owned()],
        ..clients()
    };
    let Some(trial) = Trial::begin_with("requests of 8 s", long).await? else { return Ok(()) };
    trial.lab.kill_on_restart().await?;
    let release = trial.release("v2", &[])?;
    let ended = trial.ship(&release)?.run("run").await?.expect(0)?;
    trial.expect_everywhere(&release.path).await?;
    trial.nothing_lost().await?;
    ensure!(ended.said().contains("no request in progress"), "a drain waited:\n{}", ended.said());
    Ok(())
}

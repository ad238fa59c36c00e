//! Services that take their time: to start, and to answer.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use canary_core::plan::{Action, Direction};
use canary_lab_e2e::{Trial, clients};
use canary_lab_load::LoadOptions;
use canary_lab_service::Fault;

/// Where the same steps as a shell script lost 133 142 of 336 561 requests: HAProxy's `ready` is not yet `up`, and the next
/// node was drained meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_takes_3_s_to_start_loses_nothing_without_a_watch_under_high_load()
-> anyhow::Result<()> {
    let high = LoadOptions {
        connections: 64,
        rate_per_second: Some(3000),
        paths: vec!["/".to_owned()],
        ..LoadOptions::default()
    };
    let Some(trial) = Trial::begin_with("slow start, high load", high).await? else { return Ok(()) };
    trial.lab.kill_on_restart().await?;
    let release = trial.release("v2-slow-start", &[Fault::SlowStart { ms: 3000 }])?;
    trial.ship(&release)?.set("HEALTH_TIMEOUT", 30).run("run").await?.expect(0)?;
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
    trial.ship(&release)?.run("run").await?.expect(0)?;
    trial.expect_everywhere(&release.path).await?;
    let journal = trial.journal()?;
    for node in [Trial::CANARY, Trial::PEER] {
        let drained = journal.finished(node, Action::Drain, Direction::Forward).next();
        ensure!(drained.is_some(), "{node} was drained");
    }
    let longest = journal.times().into_iter().filter(|time| time.step.action == Action::Drain);
    let longest = longest.map(|time| time.took()).max().context("there were drains")?;
    ensure!(longest > Duration::from_secs(1), "a drain waited for a long request, not {longest:?} only");
    trial.nothing_lost().await?;
    Ok(())
}

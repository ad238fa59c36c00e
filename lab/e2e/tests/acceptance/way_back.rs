//! Where the last known good binary comes from, and that it is said which was taken.

use anyhow::{Context as _, ensure};
use canary_core::fleet::Artifact;
use canary_core::journal::Entry;
use canary_core::plan::{Action, Origin};
use canary_demo::service::Fault;
use canary_lab_e2e::{Cli, Trial};

/// Ships a release that crashes; gives where the binary came from that took its place.
async fn taken_back(trial: &Trial, cli: &Cli) -> anyhow::Result<Origin> {
    let ended = cli.run("run").await?.expect(20)?;
    let journal = trial.journal()?;
    let origin = journal.entries().rev().find_map(|entry| match entry {
        Entry::Started { plan, .. } => plan.way_back.as_ref().map(|back| back.origin.clone()),
        _ => None,
    });
    let origin = origin.context("the plan names the way back")?;
    ensure!(ended.said().contains(&origin.to_string()), "{origin:?} is said:\n{}", ended.said());
    Ok(origin)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_back_is_found_on_the_host_in_the_instance_or_running_and_is_said() -> anyhow::Result<()> {
    let Some(trial) = Trial::begin("three ways back").await? else { return Ok(()) };
    let bad = trial.release("v2-crash", &[Fault::Crash])?;
    let ship = || trial.ship(&bad);

    // Neither named nor kept anywhere: the binary that runs is copied out before it is replaced.
    let origin = taken_back(&trial, &ship()?).await?;
    let installed = |origin: &Origin| matches!(origin, Origin::Instance { path, .. } if path.as_str().ends_with("/veza-api"));
    ensure!(installed(&origin), "{origin}");
    trial.expect_everywhere(trial.lab.first_binary()).await?;

    // Named, a file of this host; another than what runs, so that it can be told.
    let host = trial.release("v1-host", &[])?;
    let origin = taken_back(&trial, &ship()?.path("ROLLBACK_BINARY", &host.path)).await?;
    ensure!(origin == Origin::Host { path: host.path.clone() }, "{origin}");
    trial.expect_on(Trial::CANARY, &host.path).await?;

    // Named as in the runbook's own example: a path that is in the instance only.
    let previous = "/opt/veza/backend-api/veza-api.previous";
    trial.lab.exec(Trial::CANARY, &format!("cp -p /opt/veza/backend-api/veza-api {previous}")).await?;
    trial.ship(&trial.release("v1-other", &[])?)?.run("run").await?.expect(0)?;
    let origin = taken_back(&trial, &ship()?.set("ROLLBACK_BINARY", previous)).await?;
    let in_instance = matches!(&origin, Origin::Instance { node, path }
        if node.as_str() == Trial::CANARY && path.as_str() == previous);
    ensure!(in_instance, "{origin}");
    trial.expect_on(Trial::CANARY, &host.path).await?;
    trial.nothing_lost().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_way_back_nothing_is_begun() -> anyhow::Result<()> {
    let Some(trial) = Trial::begin("no way back").await? else { return Ok(()) };
    let release = trial.release("v2", &[])?;
    let nowhere = trial.ship(&release)?.set("ROLLBACK_BINARY", "/opt/veza/backend-api/no-such-file");
    let ended = nowhere.run("run").await?.expect(10)?;
    ensure!(ended.said().contains("no-such-file"), "{}", ended.said());
    // The release as its own way back would change nothing when it is needed.
    let itself = trial.ship(&release)?.path("ROLLBACK_BINARY", &release.path);
    let ended = itself.run("run").await?.expect(10)?;
    ensure!(ended.said().contains("is the release itself"), "{}", ended.said());
    ensure!(!trial.journal()?.began(Action::Drain), "no step was begun");
    let first = Artifact::read(trial.lab.first_binary())?;
    trial.expect_everywhere(&first.path).await?;
    trial.nothing_lost().await?;
    Ok(())
}

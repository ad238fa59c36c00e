//! A rollout on a backend that is not canary's: `EdgeBackend`, one file, fronts three processes and judges them by what
//! it counts itself.
//!
//! ```sh
//! cargo run -p canary-examples --example custom_backend
//! ```
//!
//! The backend is `src/edge_backend.rs`, the balancer it speaks to `src/edge.rs`. The nodes are `canary-local`'s: roles mix.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use canary_core::engine::{Backends, Outcome};
use canary_core::fleet::NodeId;
use canary_core::journal::MemoryJournal;
use canary_core::spec::RolloutSpec;
use canary_core::traits::{HealthCheck, LoadBalancer as _, NodeRuntime as _, Server, SliKind, SystemClock};
use canary_examples::deploy::ship;
use canary_examples::edge::Edge;
use canary_examples::edge_backend::EdgeBackend;
use canary_examples::sample::{self, Fault};
use canary_local::{LocalNodeRuntime, LocalNodesConfig, NodeConfig};

/// Three nodes of this host's own.
fn addresses() -> Vec<(NodeId, SocketAddr)> {
    let node = |n: u8| Some((NodeId::new(format!("api-{n}")).ok()?, sample::own_address(n)));
    (1..=3).filter_map(node).collect()
}

async fn all_up(backend: &EdgeBackend) -> anyhow::Result<()> {
    while !backend.servers().await?.servers.iter().all(Server::serving) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "what the example shows")]
async fn main() -> anyhow::Result<()> {
    if sample::was_a_node().await? {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let addresses = addresses();
    let configs = addresses.iter().map(|(node, address)| NodeConfig::new(node.clone(), *address)).collect();
    let mut config = LocalNodesConfig::new(dir.path().join("nodes"), "api", configs);
    config.args = sample::ARGUMENTS.map(str::to_owned).to_vec();
    let nodes = Arc::new(LocalNodeRuntime::open(config).await?);
    let first = sample::release(dir.path(), "v1", &[])?;
    for (node, _) in &addresses {
        nodes.install(node, &first).await?;
        nodes.restart(node).await?;
    }
    let servers: Vec<_> = addresses.iter().map(|(node, address)| (node.to_string(), *address)).collect();
    let edge = Edge::start("api", &servers).await?;
    let backend = Arc::new(EdgeBackend::new("api".parse()?, edge.admin(), &edge.url())?);
    tokio::time::timeout(Duration::from_secs(30), all_up(&backend))
        .await
        .context("the nodes did not come up")??;
    let load = sample::clients(&edge.url()).await?;

    let clock = Arc::new(SystemClock::new());
    let backends = Backends {
        lb: Arc::clone(&backend) as _,
        nodes: Arc::clone(&nodes) as _,
        sli: Some(Arc::clone(&backend) as _),
        checks: Vec::new(),
        journal: Arc::new(MemoryJournal::new(clock.clone())),
        sinks: Vec::new(),
        clock,
    };
    let mut names = addresses.into_iter().map(|(node, _)| node);
    let canary = names.next().context("a canary")?;
    let mut spec = RolloutSpec::new("api".parse()?, "api".parse()?, canary, names.collect());
    let path = "/api/v1/health".parse()?;
    spec.health.check = HealthCheck { port: 8080, path, attempt_timeout: Duration::from_secs(2) };
    let errors =
        SliKind::ErrorRatio { metric: "edge_requests_total".parse()?, status_label: "status".parse()? };
    spec.watch = Some(sample::policy(vec![sample::sli("error_ratio", errors, "0.005")?]));

    println!("v2, a good release, on {backend}");
    let good =
        ship(&backends, spec.clone(), sample::release(dir.path(), "v2", &[])?, dir.path().join("artifacts"))
            .await?;
    println!("v3, which answers every third request with 500");
    let bad = sample::release(dir.path(), "v3", &[Fault::Errors { rate_ppm: 333_333 }])?;
    let bad = ship(&backends, spec, bad, dir.path().join("artifacts")).await?;
    let summary = load.stop().await;
    let lost = summary.failed_not_by("v3").count();
    println!("{} requests, {} failed, {lost} of them not by v3", summary.sent, summary.failed_total);
    nodes.shutdown().await;
    ensure!(matches!(good, Outcome::Completed { changed: true }), "v2: {good}");
    ensure!(matches!(bad, Outcome::RolledBack { .. }), "v3: {bad}");
    ensure!(lost == 0, "requests were lost");
    Ok(())
}

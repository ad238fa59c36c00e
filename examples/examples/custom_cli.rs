//! All of `canary-cli`'s commands for a fleet that canary does not know: `fleet.backend = "edge"`.
//!
//! ```sh
//! cargo run -p canary-examples --example custom_cli              # brings such a fleet up, and runs the commands on it
//! cargo run -p canary-examples --example custom_cli -- doctor    # a command alone, with your own canary.toml
//! ```
//!
//! The kind is all that stands before `main`. The balancer's backend is `src/edge_backend.rs`; the nodes are processes that a
//! `canary_local::Holder` keeps.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use async_trait::async_trait;
use canary_cli::backend::{Connected, FleetBackend, SelfCheck, SelfReport};
use canary_cli::error::{CommandError, chain};
use canary_cli::settings::Settings;
use canary_core::engine::Check;
use canary_core::traits::{LoadBalancer as _, Server};
use canary_examples::edge::Edge;
use canary_examples::edge_backend::EdgeBackend;
use canary_examples::sample::{self, Fault};
use canary_local::{
    Holder, HolderConfig, LocalBalancerConfig, LocalClient, LocalClientConfig, LocalNodesConfig, NodeConfig,
    ServerConfig,
};

/// The kind of fleet: an edge balancer in front of processes.
#[derive(Debug)]
struct EdgeFleet;

/// What stands under `[backend.edge]`.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct EdgeSettings {
    /// The balancer's admin port.
    admin: SocketAddr,
    /// Where clients come in.
    url: String,
    /// The control socket of what holds the processes.
    nodes: PathBuf,
}

#[async_trait]
impl FleetBackend for EdgeFleet {
    fn name(&self) -> &'static str {
        "edge"
    }

    async fn connect(&self, settings: &Settings) -> Result<Connected, CommandError> {
        let own: EdgeSettings = settings.own.read()?;
        let wrong =
            |error: &dyn std::error::Error| CommandError::usage(chain(error), "correct [backend.edge]");
        let edge =
            EdgeBackend::new(settings.spec.pool.clone(), own.admin, &own.url).map_err(|e| wrong(&e))?;
        let nodes = LocalClient::new(LocalClientConfig::new(settings.own.path(own.nodes)));
        let (edge, nodes) = (Arc::new(edge), Arc::new(nodes.map_err(|e| wrong(&e))?));
        let doctor = Arc::new(Looks { edge: Arc::clone(&edge), nodes: Arc::clone(&nodes) });
        Ok(Connected { doctor, ..Connected::new(edge, nodes) })
    }
}

/// What `doctor` asks this fleet beside what it asks every fleet.
#[derive(Debug)]
struct Looks {
    edge: Arc<EdgeBackend>,
    nodes: Arc<LocalClient>,
}

#[async_trait]
impl SelfCheck for Looks {
    async fn look(&self) -> SelfReport {
        let edge = match self.edge.servers().await {
            Ok(pool) => Check::ok("edge", format!("{}, {} servers", self.edge, pool.servers.len())),
            Err(error) => Check::failed("edge", error.chain()),
        };
        let nodes = match self.nodes.about().await {
            Ok(facts) => Check::ok("nodes", format!("held by process {}", facts.pid)),
            Err(error) => Check::failed("nodes", error.chain()),
        };
        SelfReport::new(vec![edge, nodes])
    }
}

fn main() -> ExitCode {
    if std::env::args().len() > 1 {
        return canary_cli::Cli::new().with_backend(EdgeFleet).main();
    }
    #[expect(clippy::print_stderr, reason = "a program's error")]
    match stage() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Brings a fleet up and runs this very program on it.
#[tokio::main]
async fn stage() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let holder = Holder::start(processes(dir.path())?).await?;
    let servers = holder
        .names()
        .into_iter()
        .filter_map(|node| Some((node.to_string(), holder.nodes().address(&node)?)));
    let edge = Edge::start("api", &servers.collect::<Vec<_>>()).await?;
    let settings = format!(
        "[fleet]\nbackend = \"edge\"\npool = \"api\"\ncanary = \"api-1\"\npeers = [\"api-2\", \"api-3\"]\n\
         [backend.edge]\nadmin = \"{}\"\nurl = \"{}\"\nnodes = \"control.sock\"\n\
         [watch]\nsource = \"metrics\"\nsubject = \"canary\"\nwindow = \"3s\"\ninterval = \"1s\"\nrate_window = \"2s\"\n\
         [state]\ndir = \"state\"\n",
        edge.admin(),
        edge.url()
    );
    std::fs::write(dir.path().join("canary.toml"), settings)?;
    let backend = EdgeBackend::new("api".parse()?, edge.admin(), &edge.url())?;
    while !backend.servers().await?.servers.iter().all(Server::serving) {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let load = sample::clients(&edge.url()).await?;
    sample::release(dir.path(), "v2", &[])?;
    sample::release(dir.path(), "v3", &[Fault::Errors { rate_ppm: 333_333 }])?;
    command(dir.path(), &["doctor"], 0).await?;
    command(dir.path(), &["run", "--artifact", "v2"], 0).await?;
    command(dir.path(), &["run", "--artifact", "v3"], 20).await?;
    command(dir.path(), &["status"], 0).await?;
    let summary = load.stop().await;
    holder.shutdown().await;
    ensure!(summary.failed_not_by("v3").count() == 0, "requests were lost: {summary}");
    Ok(())
}

/// Three processes of the sample service that `canary-cli` carries, at addresses that no outgoing connection can take.
fn processes(dir: &Path) -> anyhow::Result<HolderConfig> {
    let mut nodes = Vec::new();
    for n in 1..=3 {
        nodes.push(NodeConfig::new(format!("api-{n}").parse()?, sample::own_address(n)));
    }
    let servers = nodes.iter().map(|one| ServerConfig::new(one.node.clone(), one.address)).collect();
    let mut all = LocalNodesConfig::new(dir.join("nodes"), "api", nodes);
    all.args = ["demo-service", "--listen", "{address}"].map(str::to_owned).to_vec();
    let mut config = HolderConfig::new(
        all,
        LocalBalancerConfig::new("unused".parse()?, servers),
        dir.join("control.sock"),
    );
    config.first = Some(sample::release(dir, "v1", &[])?.path);
    Ok(config)
}

/// Runs this program with these arguments and shows what it says.
#[expect(clippy::print_stdout, reason = "what the example shows")]
async fn command(dir: &Path, arguments: &[&str], expected: i32) -> anyhow::Result<()> {
    println!("$ custom_cli {}", arguments.join(" "));
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments).current_dir(dir);
    let status = tokio::task::spawn_blocking(move || command.status()).await??;
    let code = status.code().context("it was killed")?;
    ensure!(code == expected, "{arguments:?} ended with {code} instead of {expected}");
    println!();
    Ok(())
}

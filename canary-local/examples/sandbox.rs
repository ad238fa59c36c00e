//! A fleet of three processes behind a balancer, until Ctrl-C: `sandbox BINARY [ARGUMENT…]`.
//!
//! In the arguments `{address}`, `{port}` and `{node}` stand for each node's own.

use anyhow::{Context as _, bail};
use canary_core::fleet::ServiceName;
use canary_core::traits::NodeRuntime as _;
use canary_local::{Sandbox, SandboxConfig};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "a program's output")]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((binary, arguments)) = arguments.split_first() else {
        bail!("usage: sandbox BINARY [ARGUMENT…]")
    };
    // Before anything is started: from here on a signal ends this program in order.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let config = SandboxConfig::new(ServiceName::new("api")?, binary, &arguments);
    let fleet = Sandbox::start(config).await.context("bringing the fleet up")?;
    for node in fleet.names() {
        let state = fleet.nodes().service(node).await?;
        println!("{node} is {}, process {}", state.active, state.pid.unwrap_or_default());
    }
    println!("balanced at {}", fleet.url());
    println!("everything is in {}", fleet.dir().display());
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    fleet.shutdown().await.context("taking the fleet down")
}

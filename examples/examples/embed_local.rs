//! The smallest one: a deploy tool of its own, three processes behind a balancer in this program, nothing to install.
//!
//! ```sh
//! cargo run -p canary-examples --example embed_local
//! ```
//!
//! The tool is `src/deploy.rs`; here it gets a fleet, and ships a good release, then one that answers every third request
//! with 500.

use std::sync::Arc;

use anyhow::ensure;
use canary_core::engine::Outcome;
use canary_core::journal::{FileJournal, Writer};
use canary_core::traits::{Clock as _, SystemClock};
use canary_examples::deploy::ship;
use canary_examples::sample::{self, Fault};
use canary_local::{Sandbox, SandboxConfig};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "what the example shows")]
async fn main() -> anyhow::Result<()> {
    if sample::was_a_node().await? {
        return Ok(());
    }
    let releases = tempfile::tempdir()?;
    let first = sample::release(releases.path(), "v1", &[])?;
    let fleet = Sandbox::start(SandboxConfig::new("api".parse()?, first.path, &sample::ARGUMENTS)).await?;
    let load = sample::clients(&fleet.url()).await?;

    let clock = Arc::new(SystemClock::new());
    let writer = Writer {
        pid: std::process::id(),
        host: "here".to_owned(),
        actor: "embed_local".to_owned(),
        engine: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let id = u128::from(clock.now().as_millis()).to_be_bytes();
    let journal = FileJournal::open(fleet.dir().join("journal.jsonl"), &writer, id, clock.clone())?;
    let backends = fleet.backends(Arc::new(journal), Vec::new(), clock);
    let mut spec = fleet.spec();
    spec.watch = Some(sample::watch()?);

    println!("v2, a good release, on {fleet}");
    let good = sample::release(releases.path(), "v2", &[])?;
    let good = ship(&backends, spec.clone(), good, fleet.store()).await?;
    println!("v3, which answers every third request with 500");
    let bad = sample::release(releases.path(), "v3", &[Fault::Errors { rate_ppm: 333_333 }])?;
    let bad = ship(&backends, spec, bad, fleet.store()).await?;

    let clients = load.stop().await;
    let lost = clients.failed_not_by("v3").count();
    println!("{} requests, {} failed, {lost} of them not by v3", clients.sent, clients.failed_total);
    fleet.shutdown().await?;
    ensure!(matches!(good, Outcome::Completed { changed: true }), "v2: {good}");
    ensure!(matches!(bad, Outcome::RolledBack { .. }), "v3: {bad}");
    ensure!(lost == 0, "requests were lost");
    Ok(())
}

//! What the examples ship: the program that runs, as a service; its clients; its SLIs.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use canary_core::analysis::Ratio;
use canary_core::fleet::Artifact;
use canary_core::spec::{Bound, Judging, OnInconclusive, Sli, SliJudging, WatchPolicy, WatchSubject};
use canary_core::traits::SliKind;
use canary_demo::load::{Load, LoadOptions};
pub use canary_demo::service::Fault;
use canary_demo::service::{Trailer, run, running_trailer, stamp};

/// The arguments of a node's process; `{address}` becomes its own.
pub const ARGUMENTS: [&str; 2] = ["serve", "{address}"];

/// Serves when this process was started as a node, and tells whether it was.
///
/// # Errors
/// When the service cannot listen, or is a release that crashes at start.
pub async fn was_a_node() -> anyhow::Result<bool> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, serve, address] = arguments.as_slice() else { return Ok(false) };
    if serve != "serve" {
        return Ok(false);
    }
    let trailer = running_trailer()?.context("only a release can serve")?;
    run(address.parse().context("the address")?, trailer, |_| {}).await?;
    Ok(true)
}

/// Makes a release: a copy of this program whose last line says its version and what it does wrong.
///
/// # Errors
/// When it cannot be written.
pub fn release(dir: &Path, version: &str, faults: &[Fault]) -> anyhow::Result<Artifact> {
    let path = dir.join(version);
    let trailer = faults.iter().cloned().fold(Trailer::new(version), Trailer::with);
    stamp(&std::env::current_exe()?, &path, &trailer)?;
    Ok(Artifact::read(path)?)
}

/// Clients that send 200 requests a second until they are stopped, two minutes at most.
///
/// # Errors
/// When `url` is not on this host.
pub async fn clients(url: &str) -> anyhow::Result<Load> {
    let options = LoadOptions {
        connections: 8,
        rate_per_second: Some(200),
        max_duration: Duration::from_secs(120),
        ..LoadOptions::default()
    };
    Ok(Load::start(url, options).await?)
}

/// Three seconds of the canary alone: fewer than 0.5 % of its requests answered 5xx, a p95 below half a second.
///
/// # Errors
/// None in practice: the names are constants.
pub fn watch() -> anyhow::Result<WatchPolicy> {
    let errors = SliKind::ErrorRatio {
        metric: "veza_gin_http_requests_total".parse()?,
        status_label: "status".parse()?,
    };
    let p95 = SliKind::Quantile {
        metric: "veza_gin_http_request_duration_seconds".parse()?,
        quantile: Ratio::new(0.95).context("a ratio")?,
    };
    Ok(policy(vec![sli("error_ratio", errors, "0.005")?, sli("p95", p95, "0.5")?]))
}

/// An SLI that must stay below `bound`, judged from 10 requests on.
///
/// # Errors
/// When `bound` is not a number.
pub fn sli(name: &str, kind: SliKind, bound: &str) -> anyhow::Result<Sli> {
    Ok(Sli {
        name: name.to_owned(),
        kind,
        bound: Bound::Below(bound.parse()?),
        min_requests: 10,
        judging: SliJudging::default(),
    })
}

/// Those SLIs of the canary, for three seconds, with two probes a second.
#[must_use]
pub fn policy(slis: Vec<Sli>) -> WatchPolicy {
    WatchPolicy {
        window: Duration::from_secs(3),
        interval: Duration::from_millis(500),
        rate_window: Duration::from_secs(2),
        subject: WatchSubject::Canary,
        slis,
        hold_budget: Duration::from_secs(30),
        on_inconclusive: OnInconclusive::RollBack,
        judging: Judging::default(),
    }
}

/// The address of this program's own node `n` (1 to 3) on this host: 127.x.y.z is loopback for every x, y, z, and no outgoing
/// connection takes one. Programs that run side by side have others, whatever their process ids.
#[must_use]
pub fn own_address(n: u8) -> SocketAddr {
    let [high, middle, low] = [std::process::id() >> 14, std::process::id() >> 6, std::process::id() << 2]
        .map(|bits| bits.to_le_bytes()[0]);
    SocketAddr::from(([127, 128 | high, middle, low | (n & 3)], 8080))
}

//! `lab-load`: sends load to the lab and says what clients saw.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use canary_demo::load::{LAB_SUBNET, Load, LoadOptions};
use clap::Parser;

/// Sends load to the lab (loopback or its own network only) and says what clients saw; exit code 3 when a request failed.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to: `http://HOST[:PORT]`.
    #[arg(default_value = "http://haproxy.lxd")]
    url: String,
    /// Keep-alive connections.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Requests a second over all connections; 0 sends the next when the last is answered.
    #[arg(long, default_value_t = 500)]
    rate: u32,
    /// A path with its query; may be given several times, and is then taken in turn.
    #[arg(long = "path", default_value = "/")]
    paths: Vec<String>,
    /// How long, like 20s or 5m; Ctrl-C ends it earlier.
    #[arg(long, default_value = "20s", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// A request without a whole answer after this time has failed.
    #[arg(long, default_value = "30s", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// Prints the summary as one JSON object.
    #[arg(long)]
    json: bool,
}

/// As `lab/lab` has it: three numbers, like `10.83.7`.
fn lab_subnet() -> anyhow::Result<[u8; 3]> {
    let Ok(text) = std::env::var("CANARY_LAB_SUBNET") else { return Ok(LAB_SUBNET) };
    let parts: Vec<u8> = text.split('.').map_while(|part| part.parse().ok()).collect();
    match (parts.as_slice(), text.split('.').count()) {
        (&[a, b, c], 3) => Ok([a, b, c]),
        _ => bail!("CANARY_LAB_SUBNET is {text:?}, and must be three numbers like 10.83.7"),
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let options = LoadOptions {
        connections: arguments.connections,
        rate_per_second: (arguments.rate > 0).then_some(arguments.rate),
        paths: arguments.paths,
        max_duration: arguments.duration,
        request_timeout: arguments.timeout,
        lab_subnet: lab_subnet()?,
    };
    let load = Load::start(&arguments.url, options).await.context("starting the load")?;
    let interrupted = tokio::select! {
        _ = tokio::signal::ctrl_c() => true,
        () = tokio::time::sleep(arguments.duration) => false,
    };
    let summary = if interrupted { load.stop().await } else { load.finish().await };
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(&summary)?)?;
    } else {
        write!(out, "{summary}")?;
    }
    Ok(if summary.failed_total == 0 { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

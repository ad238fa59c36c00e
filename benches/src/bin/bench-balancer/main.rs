//! `bench-balancer`: canary-local's balancer beside HAProxy, in one run: the same servers, the same clients, one host.
//!
//! The clients and the servers run in this process, each balancer in one of its own. Every round measures all ways, one after
//! the other, so that what else the host does hits all of them; the median round is told.

mod rival;
mod table;

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use canary_demo::load::{Load, LoadOptions};
use canary_demo::service::{App, Trailer, serve};
use tokio::net::TcpListener;

use rival::Rival;
use table::{Measured, Row};

const ROUNDS: usize = 5;
const SERVERS: usize = 3;
const CONNECTIONS: usize = 16;
const RATE: u32 = 2000;
const PERIOD: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(("balancer", servers)) = arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return rival::be_canary_local(servers).await;
    }
    ensure!(arguments.is_empty(), "bench-balancer takes no arguments");

    let mut servers = Vec::new();
    for number in 1..=SERVERS {
        servers.push(server(format!("node-{number}")).await?);
    }
    let mut ways = vec![Rival::direct(servers[0]), Rival::canary_local(&servers).await?];
    match Rival::haproxy(&servers).await? {
        Some(haproxy) => ways.push(haproxy),
        None => say("skipped: haproxy is not installed")?,
    }
    let mut rows: Vec<Row> = ways.iter().map(|way| Row::new(way.name.clone())).collect();
    for round in 0..=ROUNDS {
        for (way, row) in ways.iter().zip(&mut rows) {
            let measured = measure(way).await?;
            // The first round fills caches and pools.
            if round > 0 {
                row.rounds.push(measured);
            }
        }
    }
    for way in ways {
        way.stop().await?;
    }
    say(&format!(
        "{SERVERS} servers, {CONNECTIONS} connections, {ROUNDS} rounds of {} s each way; latency at {RATE} requests a second\n",
        PERIOD.as_secs()
    ))?;
    say(&table::render(&rows))
}

async fn server(node: String) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("listening for a server")?;
    let address = listener.local_addr()?;
    let app = Arc::new(App::new(Trailer::new("bench"), node));
    tokio::spawn(serve(app, listener, std::future::pending()));
    Ok(address)
}

/// As many requests as are answered, then as many as are asked for: what is carried, and how long one takes.
async fn measure(way: &Rival) -> anyhow::Result<Measured> {
    let load = async |rate_per_second| {
        let options = LoadOptions {
            connections: CONNECTIONS,
            rate_per_second,
            max_duration: PERIOD,
            request_timeout: Duration::from_secs(5),
            ..LoadOptions::default()
        };
        let load =
            Load::start(&way.url, options).await.with_context(|| format!("sending load to {}", way.name))?;
        let summary = load.finish().await;
        ensure!(summary.ok > 0 && summary.failed_total == 0, "{}: requests failed\n{summary}", way.name);
        anyhow::Ok(summary)
    };
    let full = load(None).await?;
    let steady = load(Some(RATE)).await?;
    Ok(Measured {
        per_second: full.ok as f64 / full.elapsed.as_secs_f64(),
        p50: steady.latency.quantile(0.5),
        p99: steady.latency.quantile(0.99),
    })
}

fn say(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}").context("writing to the standard output")
}

//! Probes of many tenants in this process: a sliding window beside batches that wait for their slowest, in one run.
//! With the path of the static program `canary-probe`: the same in containers, which needs root and `dockerd`.
#![expect(clippy::print_stdout, reason = "it prints what it measures")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use canary_docker::{DockerProbes, DockerSettings, ProbeImage};
use canary_probe::InProcess;
use canary_tenants::probe::{ProbeCheck, ProbeResult, ProbeRound, ProbeRunner, Tally};
use canary_testkit::DockerEngine;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const BATCH: usize = 20;
const WINDOW: u32 = 100;
/// One tenant in so many takes a second.
const SLOW: usize = 50;

#[tokio::main]
async fn main() -> Result<()> {
    let address = service().await?;
    if let Some(program) = std::env::args_os().nth(1) {
        return containers(address, program.into()).await;
    }
    println!("batches of {BATCH}, connections kept, loopback");
    let mixed = |n: usize| if n % SLOW == SLOW / 2 { "1000".to_owned() } else { "50".to_owned() };
    let round = round(address, 500, mixed)?;
    let (took, results) = timed(sliding(&round)).await;
    print("500 probes of 50 ms, 2 % of 1 s: window of 100", took, &results)?;
    let (took, results) = timed(barrier(&round)).await;
    print("the same, each batch waits for its slowest", took, &results)?;
    let round = self::round(address, 10_000, |_| "5".to_owned())?;
    for in_flight in [WINDOW, 2 * WINDOW] {
        let round = ProbeRound { in_flight, ..round.clone() };
        let (took, results) = timed(sliding(&round)).await;
        print(&format!("10,000 probes of 5 ms: window of {in_flight}"), took, &results)?;
    }
    Ok(())
}

/// 500 tenants in 25 containers of an engine of its own, which runs this program.
async fn containers(address: SocketAddr, program: PathBuf) -> Result<()> {
    let engine = DockerEngine::start().context("there is no Docker Engine to start")?;
    let mut settings = DockerSettings::new(ProbeImage::Program(program));
    settings.host = engine.host();
    let runner = DockerProbes::new(settings)?;
    let round = round(address, 500, |_| "5".to_owned())?;
    println!("500 tenants in {} containers, 8 at once, network of the host", round.batches.len());
    for what in ["the image made", "again", "again"] {
        let (took, results) = timed(runner.run(&round, &())).await;
        print(what, took, &results)?;
    }
    Ok(())
}

async fn sliding(round: &ProbeRound) -> Vec<ProbeResult> {
    InProcess::default().run(round, &()).await
}

/// One batch after the other.
async fn barrier(round: &ProbeRound) -> Vec<ProbeResult> {
    let runner = InProcess::default();
    let mut all = Vec::new();
    for batch in &round.batches {
        let one = ProbeRound { batches: vec![batch.clone()], ..round.clone() };
        all.extend(runner.run(&one, &()).await);
    }
    all
}

async fn timed(run: impl Future<Output = Vec<ProbeResult>>) -> (Duration, Vec<ProbeResult>) {
    let begun = Instant::now();
    let results = run.await;
    (begun.elapsed(), results)
}

fn print(what: &str, took: Duration, results: &[ProbeResult]) -> Result<()> {
    let tally = Tally::of(results);
    ensure!(tally.healthy == tally.count, "{what}: {tally:?}");
    println!("{what:<52} {:>7.0} ms", took.as_secs_f64() * 1e3);
    Ok(())
}

fn round(address: SocketAddr, tenants: usize, takes: impl Fn(usize) -> String) -> Result<ProbeRound> {
    let names: Vec<_> = (0..tenants).map(|n| format!("t{n}-{}", takes(n))).collect();
    let url = format!("http://{address}/{{tenant}}").parse()?;
    let round = ProbeRound::asking("bench", "up", &url, &names, &ProbeCheck::default(), BATCH)?;
    Ok(ProbeRound { in_flight: WINDOW, deadline: Duration::from_secs(300), ..round })
}

/// Answers after as many milliseconds as the path ends with.
async fn service() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("binding a port")?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    Ok(address)
}

/// As long as the client stays; one that goes away has its answer or needs none.
async fn answer(mut stream: TcpStream) -> Option<()> {
    // One small answer: waiting for more to send would only cost time.
    stream.set_nodelay(true).ok()?;
    let mut head = Vec::with_capacity(512);
    loop {
        head.clear();
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut head).await.ok()? == 0 {
                return None;
            }
        }
        let text = String::from_utf8_lossy(&head);
        let takes = text.split(' ').nth(1)?.rsplit('-').next()?.parse().ok()?;
        tokio::time::sleep(Duration::from_millis(takes)).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.ok()?;
    }
}

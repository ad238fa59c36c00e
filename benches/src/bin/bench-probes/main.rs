//! Probes of many tenants in this process: a sliding window beside batches that wait for their slowest, in one run.
#![expect(clippy::print_stdout, reason = "it prints what it measures")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use canary_probe::InProcess;
use canary_tenants::probe::{
    ProbeBatch, ProbeCheck, ProbeResult, ProbeRound, ProbeRunner, ProbeTarget, SCHEMA, Tally, UrlTemplate,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const BATCH: usize = 20;
const WINDOW: u32 = 100;
/// One tenant in so many takes a second.
const SLOW: usize = 50;

#[tokio::main]
async fn main() -> Result<()> {
    let address = service().await?;
    println!("batches of {BATCH}, a connection a probe, loopback");
    let mixed = |n: usize| if n % SLOW == SLOW / 2 { "1000".to_owned() } else { "50".to_owned() };
    let round = round(address, 500, mixed)?;
    let (took, results) = timed(sliding(&round)).await;
    print("500 probes of 50 ms, 2 % of 1 s: window of 100", took, &results)?;
    let (took, results) = timed(barrier(&round)).await;
    print("the same, each batch waits for its slowest", took, &results)?;
    let round = self::round(address, 10_000, |_| "5".to_owned())?;
    let (took, results) = timed(sliding(&round)).await;
    print("10,000 probes of 5 ms: window of 100", took, &results)
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
    let url: UrlTemplate = format!("http://{address}/{{tenant}}").parse()?;
    let mut targets = Vec::with_capacity(tenants);
    for n in 0..tenants {
        let tenant = format!("t{n}-{}", takes(n));
        let url = url.endpoint(&tenant)?.to_string();
        targets.push(ProbeTarget { tenant, url, limit_us: 9_000_000, addresses: Vec::new() });
    }
    let check = ProbeCheck {
        expect: vec![200],
        body: Vec::new(),
        timeout_us: 9_000_000,
        tries: 3,
        budget_us: 30_000_000,
        base_us: canary_tenants::probe::BACKOFF_BASE,
        cap_us: canary_tenants::probe::BACKOFF_CAP,
        spread_us: canary_tenants::probe::SPREAD,
        ca_pem: None,
    };
    let batches = targets.chunks(BATCH).enumerate().map(|(index, targets)| {
        Ok(ProbeBatch {
            schema: SCHEMA.to_owned(),
            round: "bench".to_owned(),
            index: u32::try_from(index)?,
            objective: "up".to_owned(),
            group: url.group(),
            check: check.clone(),
            in_flight: u32::try_from(targets.len())?,
            targets: targets.to_vec(),
        })
    });
    let batches = batches.collect::<Result<_>>()?;
    Ok(ProbeRound { id: "bench".to_owned(), batches, in_flight: WINDOW, deadline: Duration::from_secs(300) })
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

/// A client that goes away has its answer or needs none.
async fn answer(mut stream: TcpStream) -> Option<()> {
    let mut head = Vec::with_capacity(512);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let head = String::from_utf8_lossy(&head);
    let takes = head.split(' ').nth(1)?.rsplit('-').next()?.parse().ok()?;
    tokio::time::sleep(Duration::from_millis(takes)).await;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await.ok()
}

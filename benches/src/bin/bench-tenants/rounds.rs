//! Whole rounds against real servers: ours, and beside it one query per tenant.
//!
//! Who loads the servers has their samples in memory; so each way is a process of its own, and its peak is that way's alone.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use canary_http::{HttpClient, Method, header};
use canary_testkit::StoredPrometheus;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::decide::{Decider, Slis};
use crate::samples::{AT, samples};

const ROUNDS: usize = 5;
/// The way of exactly 42 queries: eight at each of five servers, and two for the tenant that one of them does not have.
const QUERIES_42: &str = "queries-42";
/// How many servers that takes, and tenants at most: more are asked in sets.
const SERVERS: usize = 5;
const UNDIVIDED: usize = 5000;
/// How many single queries are open at once.
const AT_ONCE: usize = 16;
/// How long a query may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// Measures `servers` servers that each have all of `tenants` tenants.
pub(crate) fn run(tenants: usize, servers: usize) -> Result<()> {
    let text = samples(tenants);
    println!("{tenants} tenants on {servers} server(s), {} MB of samples", text.len() / 1_000_000);
    let start = |text: &str| StoredPrometheus::start(text).context("prometheus and promtool are needed");
    let started: Vec<_> = (0..servers).map(|_| start(&text)).collect::<Result<_>>()?;
    let urls: Vec<&str> = started.iter().map(|server| server.url.as_str()).collect();
    for name in ["grouped", "grouped-three", "one-by-one"] {
        alone(name, tenants, &urls)?;
    }
    if let (SERVERS, ..=UNDIVIDED, Some((_, others))) = (servers, tenants, urls.split_last()) {
        let without_the_last = start(&samples(tenants - 1))?;
        alone(QUERIES_42, tenants, &[others, &[&without_the_last.url]].concat())?;
    }
    Ok(())
}

fn alone(way: &str, tenants: usize, urls: &[&str]) -> Result<()> {
    let program = std::env::current_exe().context("where this program is")?;
    let ended = Command::new(program).args([way, &tenants.to_string()]).args(urls).status()?;
    ensure!(ended.success(), "{way}: {ended}");
    Ok(())
}

/// One way of asking, in a process of its own.
pub(crate) fn way(way: &str, tenants: usize, urls: &[String]) -> Result<()> {
    let runtime = runtime()?;
    if way == "one-by-one" {
        let (took, queries) = runtime.block_on(one_by_one(urls, tenants))?;
        println!(
            "one by one, 3 SLIs         {:>9.1} ms  {queries} queries, {AT_ONCE} at once, without deciding; {}",
            millis(took),
            peak()
        );
        return Ok(());
    }
    let slis = match way {
        "grouped" => Slis::Eight,
        QUERIES_42 => Slis::Ratios,
        _ => Slis::Three,
    };
    let decider = Decider::new(slis, tenants, urls)?;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(runtime.block_on(decider.round())?);
    }
    rounds.sort_by_key(|round| round.took);
    if slis == Slis::Ratios {
        ensure!(rounds.iter().all(|round| round.queries == 42), "not 42 queries");
    }
    let [best, median, worst] = [0, ROUNDS / 2, ROUNDS - 1].map(|i| &rounds[i]);
    println!(
        "grouped, {:<18}{:>9.1} ms  ({:.1} to {:.1})  {} queries, decision and {:.1} MB of evidence on disk; {}",
        slis.told(),
        millis(median.took),
        millis(best.took),
        millis(worst.took),
        median.queries,
        median.evidence as f64 / 1e6,
        peak()
    );
    println!(
        "  of it asking {:.1} ms, deciding {:.1} ms, writing {:.1} ms",
        millis(median.asking),
        millis(median.deciding),
        millis(median.took.saturating_sub(median.asking + median.deciding))
    );
    Ok(())
}

fn runtime() -> Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}

/// A quantile, a ratio and an availability of each tenant by queries of its own.
async fn one_by_one(urls: &[String], tenants: usize) -> Result<(Duration, usize)> {
    let began = Instant::now();
    let (open, mut all, mut queries) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new(), 0);
    for url in urls {
        let client = HttpClient::builder("prometheus").base_url(url).timeout(LIMIT).build()?;
        for i in 0..tenants {
            let named = format!("{{tenant=\"tenant-{i:05}\"}}");
            for text in [
                format!("histogram_quantile(0.95, sum by (le) (rate(latency_bucket{named}[5m])))"),
                format!("sum(rate(errors_total{named}[5m])) / sum(rate(requests_total{named}[5m]))"),
                format!(
                    "1 - sum(increase(errors_total{named}[10m])) / sum(increase(requests_total{named}[10m]))"
                ),
            ] {
                queries += 1;
                let (client, open) = (client.clone(), Arc::clone(&open));
                all.spawn(async move {
                    let _one = open.acquire().await?;
                    let body = format!("time={AT}&query={}", encoded(&text));
                    let request = client
                        .request(Method::POST, "/api/v1/query")
                        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                        .body(body);
                    let reply = client.send("query", request).await?;
                    ensure!(reply.status.is_success(), "{}", reply.excerpt());
                    Ok(())
                });
            }
        }
    }
    while let Some(ended) = all.join_next().await {
        ended??;
    }
    Ok((began.elapsed(), queries))
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |all, byte| {
        if byte.is_ascii_alphanumeric() {
            all + &char::from(byte).to_string()
        } else {
            all + &format!("%{byte:02X}")
        }
    })
}

/// The most memory that this process has had.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: Option<u64> = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok());
    kib.map_or_else(|| "peak unknown".to_owned(), |kib| format!("peak {} MiB", kib / 1024))
}

//! Whole rounds against real servers: ours, and beside it one query per tenant.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use canary_core::time::Timestamp;
use canary_http::{HttpClient, Method, header};
use canary_prom::PrometheusTenants;
use canary_tenants::decide::Decision;
use canary_tenants::evidence::{Before, Evidence};
use canary_tenants::policy::{Policy, read};
use canary_tenants::round::decide_round;
use canary_tenants::source::TenantSource;
use canary_testkit::StoredPrometheus;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// The instant of evaluation: 2026-01-01, 12:00.
const AT: u64 = 1_767_268_800;
/// The interval of the samples, in seconds.
const STEP: u64 = 60;
const SAMPLES: u64 = 12;
const ROUNDS: usize = 5;
/// How many single queries are open at once.
const AT_ONCE: usize = 16;
const LIMIT: Duration = Duration::from_secs(120);
const BUCKETS: [&str; 10] = ["0.05", "0.1", "0.2", "0.3", "0.5", "0.75", "1", "2.5", "5", "+Inf"];

/// Eight objectives: a quantile, three ratios, three gauges, and a budget in two windows.
const OBJECTIVES: &str = "  p95: {kind: quantile, q: \"0.95\", histogram: latency, limit: 6s}
  errors: {kind: ratio, bad: errors_total, total: requests_total, limit: \"0.010\"}
  timeouts: {kind: ratio, bad: timeouts_total, total: requests_total, limit: \"0.010\"}
  refused: {kind: ratio, bad: refused_total, total: requests_total, limit: \"0.010\"}
  pool: {kind: value, metric: pool_ratio, limit: \"0.80\"}
  queue: {kind: value, metric: queue_ratio, limit: \"0.80\"}
  disk: {kind: value, metric: disk_ratio, limit: \"0.80\"}
  burn: {kind: budget, of: errors, target: \"0.999\", max_burn: \"14.4\"}
";

/// Measures `servers` servers that each have all of `tenants` tenants.
pub(crate) fn run(tenants: usize, servers: usize) -> Result<()> {
    let text = samples(tenants);
    println!(
        "{tenants} tenants on {servers} server(s), {} MB of samples; 8 objectives",
        text.len() / 1_000_000
    );
    let mut started = Vec::new();
    for _ in 0..servers {
        started.push(StoredPrometheus::start(&text).context("prometheus and promtool are needed")?);
    }
    drop(text);
    let urls: Vec<String> = started.iter().map(|server| server.url.clone()).collect();
    let policy = policy(tenants, &urls)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            times.push(ours(&policy).await?);
        }
        times.sort();
        let (took, queries, bytes) = times[ROUNDS / 2];
        println!(
            "grouped      {:>9.1} ms  {queries} queries, decision and {:.1} MB of evidence on disk; memory of this process at most {}",
            took.as_secs_f64() * 1000.0,
            bytes as f64 / 1e6,
            peak().unwrap_or_else(|| "unknown".to_owned())
        );
        let (took, queries) = one_by_one(&urls, tenants).await?;
        println!("one by one   {:>9.1} ms  {queries} queries, {AT_ONCE} at once, without deciding", took.as_secs_f64() * 1000.0);
        Ok(())
    })
}

/// From the first query to a decision on disk.
async fn ours(policy: &Policy) -> Result<(Duration, usize, usize)> {
    let began = Instant::now();
    let at = Timestamp::from_millis(AT * 1000);
    let mut asking = JoinSet::new();
    for (i, described) in policy.file.sources.iter().enumerate() {
        let source = PrometheusTenants::new(described, &policy.file.tenant_label, None)?;
        let ask = policy.ask(described, at, None, LIMIT);
        asking.spawn(async move { (i, source.name().to_owned(), source.read(&ask).await) });
    }
    let mut replies = asking.join_all().await;
    replies.sort_by_key(|reply| reply.0);
    let queries = replies.iter().map(|reply| reply.2.queries.len()).sum();
    let evidence = Evidence {
        policy: policy.digest(),
        at,
        version: None,
        percentage: None,
        before: Before::default(),
        sources: replies.into_iter().map(|(_, name, reply)| (name, reply)).collect(),
        probes: Vec::new(),
    };
    let round = decide_round(policy, &evidence);
    ensure!(round.decided.decision == Decision::Approve, "{:?} {:?}", round.decided, round.troubles);
    let lines = evidence.lines();
    let mut file = tempfile::tempfile()?;
    file.write_all(lines.as_bytes())?;
    file.sync_all()?;
    Ok((began.elapsed(), queries, lines.len()))
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

fn samples(tenants: usize) -> String {
    let mut text = String::new();
    for i in 0..tenants {
        let mut write = |name: &str, more: &str, value: &dyn Fn(u64) -> String| {
            for step in 0..SAMPLES {
                let at = AT - (SAMPLES - 1 - step) * STEP;
                // A String takes what it is given.
                let _ = writeln!(text, "{name}{{tenant=\"tenant-{i:05}\"{more}}} {} {at}", value(step));
            }
        };
        for (b, le) in (1..).zip(BUCKETS) {
            write("latency_bucket", &format!(",le=\"{le}\""), &|step| {
                (step * 600 * b.min(9) / 9).to_string()
            });
        }
        write("latency_count", "", &|step| (step * 600).to_string());
        write("requests_total", "", &|step| (step * 600).to_string());
        for name in ["errors_total", "timeouts_total", "refused_total"] {
            write(name, "", &|step| (step / 4).to_string());
        }
        for name in ["pool_ratio", "queue_ratio", "disk_ratio"] {
            write(name, "", &|_| "0.5".to_owned());
        }
    }
    text.push_str("# EOF\n");
    text
}

fn policy(tenants: usize, urls: &[String]) -> Result<Policy> {
    let mut text = "version: sla/v1\nwindows: {short: 5m, long: 10m}\nsources:\n".to_owned();
    for (i, url) in urls.iter().enumerate() {
        writeln!(text, "  - {{name: s{i}, kind: prometheus, url: \"{url}\", scrape: 60s, timeout: 60s}}")?;
    }
    text.push_str("objectives:\n");
    text.push_str(OBJECTIVES);
    text.push_str("tenants:\n");
    for i in 0..tenants {
        writeln!(text, "  tenant-{i:05}:")?;
    }
    Ok(read(&text, "sla.yaml")?.at(Timestamp::from_millis(AT * 1000)))
}

/// The most memory that this process has had.
fn peak() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(format!("{} MiB", kib / 1024))
}

//! Many tenants: a policy read and checked, resolved to a day, hashed, compared; with `rounds`, whole rounds on real servers.
#![expect(clippy::print_stdout, reason = "it prints what it measures")]

mod decide;
mod rounds;
mod samples;

use std::fmt::Write as _;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, ensure};
use canary_core::time::Timestamp;
use canary_tenants::policy::{Policy, PolicyDiff, read};

const ROUNDS: usize = 9;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if(|word| word == "rounds").is_some() {
        let mut number = |name: &'static str, fallback| {
            arguments.next().map_or(Ok(fallback), |n| n.parse()).context(format!("{name} is a number"))
        };
        return rounds::run(number("TENANTS", 187)?, number("SERVERS", 5)?);
    }
    if let Some(way) = arguments.next_if(|word| word.starts_with(|first: char| first.is_ascii_alphabetic())) {
        let tenants = arguments.next().context("TENANTS")?.parse().context("TENANTS is a number")?;
        return rounds::way(&way, tenants, &arguments.collect::<Vec<_>>());
    }
    let tenants: usize = arguments.next().map_or(Ok(10_000), |n| n.parse()).context("TENANTS is a number")?;
    let text = policy(tenants)?;
    println!("{tenants} tenants, {} bytes of YAML; median of {ROUNDS}", text.len());
    let now = Timestamp::from(SystemTime::now());
    let parse = || read(&text, "sla.yaml");

    let (took, file) = timed(parse)?;
    ensure!(file.tenants.len() == tenants, "{} tenants were read", file.tenants.len());
    print("read and checked", took);
    let (took, policy) = timed(|| Ok::<_, anyhow::Error>(file.clone().at(now)))?;
    print("resolved to a day", took);
    let (took, digest) = timed(|| Ok::<_, anyhow::Error>(policy.digest()))?;
    print("digest of what holds", took);
    let (took, diff) = timed(|| Ok::<_, anyhow::Error>(PolicyDiff::between(&policy, &policy)))?;
    ensure!(diff.is_empty(), "a policy is not what it is");
    print("compared with itself", took);
    println!("sha256 {digest}; {} have values of their own", own(&policy));
    Ok(())
}

fn own(policy: &Policy) -> usize {
    policy.tenants.values().filter(|tenant| tenant.objectives != policy.unlisted.objectives).count()
}

/// A tenth in a tier, a twentieth with an exception, the others with what everyone has.
fn policy(tenants: usize) -> Result<String> {
    let mut text = String::from(
        "version: sla/v1\nsources: [{name: a, kind: prometheus, url: \"http://p:9090\"}]\nobjectives:\n  latency_p95: {kind: quantile, q: \"0.95\", histogram: h, limit: 400ms}\n  error_rate: {kind: ratio, bad: b_total, total: t_total, limit: \"0.010\"}\n  burn: {kind: budget, of: error_rate, target: \"0.999\", max_burn: \"14.4\"}\ntiers:\n  gold: {weight: 5, objectives: {latency_p95: 250ms, error_rate: \"0.005\"}}\ntenants:\n",
    );
    for i in 0..tenants {
        match i % 20 {
            0 | 10 => writeln!(text, "  tenant-{i:05}: {{tier: gold, sources: [a]}}")?,
            5 => writeln!(
                text,
                "  tenant-{i:05}: {{objectives: {{latency_p95: 900ms, error_rate: \"0.020\"}}, reason: \"a legacy import that nobody has moved yet\", ticket: OPS-{i}, until: 9998-03-31}}"
            )?,
            _ => writeln!(
                text,
                "  tenant-{i:05}: {{objectives: {{latency_p95: 350ms, error_rate: \"0.008\"}}}}"
            )?,
        }
    }
    Ok(text)
}

/// The median time of some rounds, and the last result.
fn timed<T, E>(mut work: impl FnMut() -> Result<T, E>) -> Result<(Duration, T), E> {
    let mut times = Vec::with_capacity(ROUNDS);
    loop {
        let began = Instant::now();
        let result = work()?;
        times.push(began.elapsed());
        if times.len() == ROUNDS {
            times.sort();
            return Ok((times[ROUNDS / 2], result));
        }
    }
}

fn print(what: &str, took: Duration) {
    println!("{what:<24}{:>8.1} ms", took.as_secs_f64() * 1000.0);
}

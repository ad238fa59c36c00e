//! What receivers of decisions cost: the time until a decision is on disk, and until the command has ended, with nobody to be told, with one that
//! answers, one that is gone, and one that takes everything in and never answers; side by side, by the real program.
//!
//! `bench-told PROGRAM [TENANTS] [ROUNDS]`, where PROGRAM is a `canary-cli`.

#![expect(clippy::print_stdout, reason = "it prints what it measures")]

use std::io::Read as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use canary_testkit::datadog::{API_KEY, APP_KEY, DatadogServer, Series, SeriesKind};
use serde_json::Value;

/// How long the program waits for a receiver that does not answer.
const FLUSH: &str = "3s";

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let program = arguments.next().context("name the program: bench-told target/release/canary-cli")?;
    // It is started in other directories than this one.
    let program = std::fs::canonicalize(&program).with_context(|| format!("looking for {program}"))?;
    let mut number = |default: usize| arguments.next().map_or(Ok(default), |text| text.parse());
    let (tenants, rounds) = (number(187)?, number(9)?);
    let metrics = DatadogServer::start(0)?;
    fill(&metrics, tenants)?;
    let alive = DatadogServer::start(0)?;
    let gone = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let receivers = [
        ("nobody", None),
        ("answers", Some(alive.url())),
        ("is gone", Some(format!("http://{gone}"))),
        ("is silent", Some(format!("http://{}", silent.local_addr()?))),
    ];
    std::thread::spawn(move || {
        // Takes everything in and holds it.
        let mut held = Vec::new();
        for mut stream in silent.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            held.push(stream);
        }
    });
    println!("{tenants} tenants, median and most of {rounds} rounds, ms; notify.flush_timeout {FLUSH}");
    println!("{:<12}{:>12}{:>8}{:>12}{:>8}", "receiver", "on disk", "most", "ended", "most");
    for (name, receiver) in receivers {
        let directory = tempfile::tempdir()?;
        std::fs::write(directory.path().join("sla.yaml"), policy(&metrics, tenants))?;
        let (mut disk, mut ended) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let (recorded, whole) = round(&program, directory.path(), receiver.as_deref())?;
            disk.push(recorded);
            ended.push(whole);
        }
        let [disk, ended] = [disk, ended].map(|mut all| {
            all.sort_unstable();
            (all[all.len() / 2], all[all.len() - 1])
        });
        println!("{name:<12}{:>12}{:>8}{:>12}{:>8}", disk.0, disk.1, ended.0, ended.1);
    }
    Ok(())
}

/// When the decision was on disk, from the steps' own times, and when the command had ended, in milliseconds.
fn round(program: &Path, directory: &Path, receiver: Option<&str>) -> Result<(u64, u64)> {
    let mut command = Command::new(program);
    command.args(["tenants", "check", "--output", "json"]).current_dir(directory).env_clear();
    command.env("PATH", "/usr/bin:/bin").env("CANARY_STATE_DIR", directory.join("state"));
    command.env("DD_API_KEY", API_KEY).env("DD_APP_KEY", APP_KEY).env("CANARY_NOTIFY_FLUSH_TIMEOUT", FLUSH);
    if let Some(receiver) = receiver {
        command.env("CANARY_NOTIFY_DATADOG_SITE", receiver);
    }
    let began = Instant::now();
    let output = command.output()?;
    let whole = u64::try_from(began.elapsed().as_millis())?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.code() == Some(0),
        "not approved: {told}{}",
        String::from_utf8_lossy(&output.stdout)
    );
    let line =
        output.stdout.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty()).context("no output")?;
    let log: Value = serde_json::from_slice(line)?;
    let steps = log["steps"].as_array().context("no steps")?;
    let mut recorded = 0;
    for step in steps {
        recorded += step["duration_ms"].as_u64().context("a step without its time")?;
        if step["action"] == "log_decision_audit_trail" {
            return Ok((recorded, whole));
        }
    }
    anyhow::bail!("nothing was recorded: {log}")
}

fn name(tenant: usize) -> String {
    format!("t{tenant:05}")
}

fn fill(server: &DatadogServer, tenants: usize) -> Result<()> {
    let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let points = |value: f64| (0..300).map(|n| (now + 3_600_000 - n * 30_000, value)).collect();
    for tenant in 0..tenants {
        let series = |status: &str, value| {
            let name = name(tenant);
            let tags = [("tenant", name.as_str()), ("status", status)];
            Series::new(SeriesKind::Count, "http.requests", &tags, points(value))
        };
        server.add([series("200", 300.0), series("503", 0.0)]);
    }
    Ok(())
}

fn policy(server: &DatadogServer, tenants: usize) -> String {
    let names: String = (0..tenants).map(|tenant| format!("  {}:\n", name(tenant))).collect();
    format!(
        "version: sla/v1\nsources:\n  - {{name: dd, kind: datadog, site: \"{}\", keys_from_env: [DD_API_KEY, DD_APP_KEY]}}\n\
         objectives:\n  error_rate: {{kind: ratio, bad: errors_total, total: requests_total, limit: \"0.010\", \
         datadog: {{bad: \"http.requests{{status:5*}}\", total: http.requests}}}}\ntenants:\n{names}",
        server.url()
    )
}

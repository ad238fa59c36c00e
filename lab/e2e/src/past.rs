//! A past for the lab's Prometheus: counters as if both nodes had served for a while.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;

/// The time between two of its samples.
const STEP: Duration = Duration::from_secs(5);
/// Requests of one node in each.
const REQUESTS: u64 = 750;
/// The buckets' bounds with the share of requests that are slower, in a million.
const SLOWER: [(&str, u64); 11] = [
    ("0.005", 480_000),
    ("0.01", 330_000),
    ("0.025", 160_000),
    ("0.05", 140_000),
    ("0.1", 1000),
    ("0.25", 300),
    ("0.5", 100),
    ("1", 50),
    ("2.5", 20),
    ("5", 10),
    ("10", 0),
];

/// Numbers that scatter and are the same each time (a linear congruential generator, Knuth's constants).
struct Scatter(u64);

impl Scatter {
    /// How many of `requests` meet with a chance given in a million.
    fn of(&mut self, requests: u64, ppm: u64) -> u64 {
        let mut met = 0;
        for _ in 0..requests {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            met += u64::from((self.0 >> 33) % 1_000_000 < ppm);
        }
        met
    }
}

/// Writes the past of these nodes as OpenMetrics text: one request in a thousand failed, most took less than 100 ms.
///
/// # Errors
/// The file could not be written.
pub(crate) fn write(file: &Path, nodes: &[String], covers: Duration) -> anyhow::Result<()> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let mut requests = String::from("# TYPE veza_gin_http_requests counter\n");
    let mut latency = String::from("# TYPE veza_gin_http_request_duration_seconds histogram\n");
    for (seed, node) in nodes.iter().enumerate() {
        let mut scatter = Scatter(seed as u64 + 1);
        let labels = format!("job=\"backend-api\",node=\"{node}\"");
        let (mut failed, mut all, mut slower) = (0, 0, [0_u64; SLOWER.len()]);
        let begin = now - covers.as_secs();
        for at in (begin..now).step_by(usize::try_from(STEP.as_secs())?) {
            all += REQUESTS;
            failed += scatter.of(REQUESTS, 1000);
            let name = "veza_gin_http_requests_total";
            writeln!(requests, "{name}{{{labels},status=\"200\"}} {} {at}", all - failed)?;
            writeln!(requests, "{name}{{{labels},status=\"500\"}} {failed} {at}")?;
            let name = "veza_gin_http_request_duration_seconds";
            // Slower than a bound are some of those that are slower than the one before.
            let (mut left, mut before) = (REQUESTS, 1_000_000);
            for (count, (_, ppm)) in slower.iter_mut().zip(SLOWER) {
                left = scatter.of(left, ppm * 1_000_000 / before.max(1));
                before = ppm;
                *count += left;
            }
            for (count, (bound, _)) in slower.iter().zip(SLOWER) {
                writeln!(latency, "{name}_bucket{{{labels},le=\"{bound}\"}} {} {at}", all - count)?;
            }
            writeln!(latency, "{name}_bucket{{{labels},le=\"+Inf\"}} {all} {at}")?;
            writeln!(latency, "{name}_count{{{labels}}} {all} {at}")?;
            writeln!(latency, "{name}_sum{{{labels}}} {all} {at}")?;
        }
    }
    std::fs::write(file, format!("{requests}{latency}# EOF\n")).with_context(|| file.display().to_string())
}

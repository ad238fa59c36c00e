//! What servers know of tenants of which none is in trouble.

use std::fmt::Write as _;

/// The instant of evaluation, in seconds: 2026-01-01, 12:00.
pub(crate) const AT: u64 = 1_767_268_800;
/// The interval of the samples, in seconds.
const STEP: u64 = 60;
const SAMPLES: u64 = 12;
const BUCKETS: [&str; 10] = ["0.05", "0.1", "0.2", "0.3", "0.5", "0.75", "1", "2.5", "5", "+Inf"];

/// Twelve minutes of a histogram, four counters and three gauges of each tenant, as OpenMetrics.
pub(crate) fn samples(tenants: usize) -> String {
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

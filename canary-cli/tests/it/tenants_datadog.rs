//! `tenants check` by the real program with a Datadog as its source.

#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on fails it")]

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use canary_testkit::datadog::{API_KEY, APP_KEY, DatadogServer, Series, SeriesKind};

use crate::alone;

pub(crate) fn now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// Series of two tenants, an hour back and one ahead; of each 300 requests of acme this many fail.
pub(crate) fn fill(server: &DatadogServer, failed: f64) {
    let points = |value: f64| (0..480).map(|n| (now() + 3_600_000 - n * 15_000, value)).collect();
    for (tenant, bad) in [("acme", failed), ("globex", 0.0)] {
        let series = |status: &str, value| {
            let tags = [("tenant", tenant), ("status", status)];
            Series::new(SeriesKind::Count, "http.requests", &tags, points(value))
        };
        server.add([series("200", 300.0 - bad), series("503", bad)]);
    }
}

/// What those two were promised, at this Datadog.
pub(crate) fn policy(server: &DatadogServer) -> String {
    format!(
        "version: sla/v1\nsources:\n  - {{name: dd, kind: datadog, site: \"{}\", keys_from_env: [DD_API_KEY, DD_APP_KEY]}}\n\
         objectives:\n  error_rate: {{kind: ratio, bad: errors_total, total: requests_total, limit: \"0.010\", \
         datadog: {{bad: \"http.requests{{status:5*}}\", total: http.requests}}}}\ntenants:\n  acme:\n  globex:\n",
        server.url()
    )
}

fn check(dir: &Path, server: &DatadogServer, app_key: &str) -> (Option<i32>, String) {
    std::fs::write(dir.join("sla.yaml"), policy(server)).unwrap();
    let mut program = alone::program(dir, &["tenants", "check"]);
    let output = program.env("DD_API_KEY", API_KEY).env("DD_APP_KEY", app_key).output().unwrap();
    (output.status.code(), alone::said(&output, &[API_KEY, app_key]))
}

#[test]
fn good_bad_and_a_datadog_that_refuses() {
    let dir = tempfile::tempdir().unwrap();
    let server = DatadogServer::start(0).unwrap();
    fill(&server, 0.0);
    let (code, text) = check(dir.path(), &server, APP_KEY);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("APPROVE"), "{text}");
    server.clear();
    // All of one of two tenants' requests fail: no score above a half.
    fill(&server, 300.0);
    let (code, text) = check(dir.path(), &server, APP_KEY);
    assert_eq!(code, Some(20), "{text}");
    assert!(text.contains("acme") && text.contains("ROLLBACK"), "{text}");
    // Keys that are refused decide nothing.
    let (code, text) = check(dir.path(), &server, "not-the-application-key");
    assert_eq!(code, Some(22), "{text}");
    assert!(text.contains("HALT") && text.contains("403"), "{text}");
}

//! `tenants check` by the real program with a Datadog as its source.

#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on fails it")]

use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use canary_testkit::datadog::{API_KEY, APP_KEY, DatadogServer, Series, SeriesKind};

/// Two tenants with data of two hours up to a moment from now.
fn fill(server: &DatadogServer, failed: f64) {
    let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let points = |value: f64| (0..244).map(|n| (now + 60_000 - n * 30_000, value)).collect();
    for tenant in ["acme", "globex"] {
        let bad = if tenant == "acme" { failed } else { 0.0 };
        let series = |status: &str, value| {
            Series::new(
                SeriesKind::Count,
                "http.requests",
                &[("tenant", tenant), ("status", status)],
                points(value),
            )
        };
        server.add([series("200", 300.0 - bad), series("503", bad)]);
    }
}

fn check(dir: &Path, server: &DatadogServer, app_key: &str) -> (Option<i32>, String) {
    let policy = format!(
        "version: sla/v1\nsources:\n  - {{name: dd, kind: datadog, site: \"{}\", keys_from_env: [DD_API_KEY, DD_APP_KEY]}}\n\
         objectives:\n  error_rate: {{kind: ratio, bad: errors_total, total: requests_total, limit: \"0.010\", \
         datadog: {{bad: \"http.requests{{status:5*}}\", total: http.requests}}}}\ntenants:\n  acme:\n  globex:\n",
        server.url()
    );
    std::fs::write(dir.join("sla.yaml"), policy).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_canary-cli"));
    program.args(["tenants", "check", "--output", "plain"]).current_dir(dir).env_clear();
    program.env("CANARY_STATE_DIR", dir.join("state")).env("DD_API_KEY", API_KEY).env("DD_APP_KEY", app_key);
    let output = program.output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let text = out + &err;
    assert!(!text.contains(API_KEY) && !text.contains(app_key), "a key was shown: {text}");
    (output.status.code(), text)
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

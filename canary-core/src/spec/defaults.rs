//! Every default in one place. Those of the runbook are marked so.

use std::time::Duration;

use crate::analysis::Ratio;

/// Other servers that must be serving before a drain.
pub const MIN_AVAILABLE: u32 = 1;
/// How long a drain may take (runbook: `DRAIN_TIMEOUT`).
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the capacity guard waits for other servers to be up.
pub const CAPACITY_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a node may take to become healthy (runbook: 60 s).
pub const HEALTH_TIMEOUT: Duration = Duration::from_secs(60);
/// How long one health request may take.
pub const HEALTH_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// The service's port (runbook: 8080).
pub const HEALTH_PORT: u16 = 8080;
/// The health path (runbook).
pub const HEALTH_PATH: &str = "/api/v1/health";
/// How long the balancer may take to find a node up.
pub const UP_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the balancer may take to send a node its first request.
pub const TRAFFIC_TIMEOUT: Duration = Duration::from_secs(60);
/// The watch's window (runbook: `SLI_WINDOW`).
pub const WATCH_WINDOW: Duration = Duration::from_secs(3600);
/// The time between probes (runbook: `SLI_PROBE_INTERVAL`).
pub const PROBE_INTERVAL: Duration = Duration::from_secs(30);
/// The time a rate looks back over.
pub const RATE_WINDOW: Duration = Duration::from_secs(60);
/// How long a watch may go without data, in all.
pub const HOLD_BUDGET: Duration = Duration::from_secs(1800);
/// Upper bound of the 95th percentile in seconds (runbook: `PROM_P95_THRESHOLD_S`).
pub const P95_THRESHOLD_S: f64 = 0.5;
/// Upper bound of the error ratio (runbook: `PROM_ERR_RATE_THRESHOLD`).
pub const ERROR_RATIO_THRESHOLD: f64 = 0.005;
/// Requests a reading must rest on to be judged.
pub const MIN_REQUESTS: u64 = 1;
/// How long a pause may last.
pub const PAUSE_LIMIT: Duration = Duration::from_secs(86_400);
/// For how long a call is tried again.
pub const RETRY_BUDGET: Duration = Duration::from_secs(60);
/// The first delay before trying again.
pub const RETRY_FIRST: Duration = Duration::from_millis(200);
/// The longest delay before trying again.
pub const RETRY_CAP: Duration = Duration::from_secs(5);
/// The chance of a false rollback that a comparison may have in a whole rollout.
pub const ALPHA: f64 = 0.01;
/// The chance of a false proof of good that a comparison may have.
pub const BETA: f64 = 0.05;
/// The least time before a proof ends a watch.
pub const MIN_SOAK: Duration = Duration::from_secs(600);
/// The canary's requests before a proof ends a watch.
pub const EARLY_REQUESTS: u64 = 200;
/// The time after the canary's return that is not compared.
pub const WARM_UP: Duration = Duration::from_secs(30);
/// The time before the rollout that the noise is learnt from.
pub const HISTORY: Duration = Duration::from_secs(6 * 3600);

/// The part of the weight from which on a score is green.
pub const SCORE_PASS: f64 = 0.9;
/// The part of the weight below which it is red.
pub const SCORE_FAIL: f64 = 0.75;

/// A default as a ratio.
#[expect(clippy::expect_used, reason = "constants of this file that a test makes")]
pub(crate) fn ratio(value: f64) -> Ratio {
    Ratio::new(value).expect("a default ratio is from 0 to 1")
}

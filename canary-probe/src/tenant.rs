//! All tries of one tenant.

use std::time::Duration;

use canary_tenants::probe::{Meaning, ProbeBatch, ProbeCheck, ProbeResult, ProbeTarget, Try, Verdict};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep, sleep_until};

use crate::request::{Cx, attempt};

/// Asks until one try is good, or tries or time run out; `heard` gets every try.
pub(crate) async fn ask(
    cx: &Cx<'_>,
    batch: &ProbeBatch,
    target: &ProbeTarget,
    start: Instant,
    heard: impl Fn(&Try),
) -> ProbeResult {
    let check = &batch.check;
    sleep_until(start + offset(&target.tenant, check.spread_us)).await;
    let deadline = Instant::now() + Duration::from_micros(check.budget_us);
    let mut tries: Vec<Try> = Vec::new();
    for n in 0..check.tries.max(1) {
        let pause = if n == 0 { Duration::ZERO } else { backoff(check, n) };
        let left = deadline.saturating_duration_since(Instant::now());
        if left <= pause {
            break;
        }
        sleep(pause).await;
        let left = deadline.saturating_duration_since(Instant::now());
        let limit = left.min(Duration::from_micros(check.timeout_us));
        let once = attempt(cx, check, target, limit, n > 0).await;
        heard(&once);
        let good = once.end.meaning() == Meaning::Healthy;
        tries.push(once);
        if good {
            break;
        }
    }
    let verdict = Verdict::of(&tries);
    ProbeResult { objective: batch.objective.clone(), tenant: target.tenant.clone(), tries, verdict }
}

/// The pause before try `n`, counted from 0: `min(cap, base × 2^(n - 1))`.
fn backoff(check: &ProbeCheck, n: u32) -> Duration {
    let factor = 1_u64.checked_shl(n.saturating_sub(1)).unwrap_or(u64::MAX);
    Duration::from_micros(check.base_us.saturating_mul(factor).min(check.cap_us))
}

/// How long the first try of a tenant is put off: the first eight bytes of its name's SHA-256, modulo the spread.
fn offset(tenant: &str, spread: u64) -> Duration {
    let digest = Sha256::digest(tenant.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    Duration::from_micros(u64::from_be_bytes(first).checked_rem(spread).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_and_pauses_are_the_same_every_time() {
        // printf acme | sha256sum begins with 822b33ad87c148a0.
        assert_eq!(offset("acme", 100_000), Duration::from_micros(0x822b_33ad_87c1_48a0 % 100_000));
        assert_eq!(offset("acme", 0), Duration::ZERO);
        let check = ProbeCheck::default();
        let pauses = [1, 2, 3, 4, 5, 63, 64, 500].map(|n| backoff(&check, n).as_secs());
        assert_eq!(pauses, [1, 2, 4, 8, 10, 10, 10, 10]);
    }
}

use std::time::{Duration, Instant};

use anyhow::bail;

/// Looks at a condition every 50 ms until it is true.
///
/// # Errors
/// It was not within `deadline`, or looking failed.
pub async fn until(
    what: &str,
    deadline: Duration,
    mut condition: impl AsyncFnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let started = Instant::now();
    while !condition().await? {
        if started.elapsed() >= deadline {
            bail!("waited {deadline:?} in vain: {what}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

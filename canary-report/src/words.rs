//! Numbers, times and names of steps as people write them; also the command line's.

use std::time::Duration;

use canary_core::analysis::{Number, round};
use canary_core::fleet::Digest;
use canary_core::plan::{Action, Direction, Plan, Purpose, Step};
use canary_core::time::Timestamp;

/// `0.42s`, `12.3s`, `4m 05s`, `1h 02m`.
#[must_use]
pub fn time(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.2}s", duration.as_secs_f64()),
        10..60 => format!("{:.1}s", duration.as_secs_f64()),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A time that is shown while it passes: `0s`, `42s`, `4m 05s`, `1h 02m`.
#[must_use]
pub fn passing(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        _ => time(duration),
    }
}

/// The time left until something, in whole seconds upwards: not `0s` before it is there.
#[must_use]
pub fn left(duration: Duration) -> String {
    passing(Duration::from_secs(u64::try_from(duration.as_millis().div_ceil(1000)).unwrap_or(u64::MAX)))
}

/// A setting's time, exact: `30s`, `1h`.
#[must_use]
pub fn exact(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// `512 B`, `1.9 MiB`.
#[must_use]
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit < UNITS.len() - 1 {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// Parts per million as a plain number: `0.967`, `1`.
#[must_use]
pub fn ppm(value: u64) -> String {
    let text = format!("{}.{:06}", value / 1_000_000, value % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The time of day of an instant, UTC: `14:32:10`.
#[must_use]
pub fn clock(time: Timestamp) -> String {
    time.to_string().get(11..19).unwrap_or_default().to_owned()
}

/// `1 node`, `2 nodes`.
#[must_use]
pub fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// What is done to a node, and which way: `drain`, `back: drain`.
#[must_use]
pub fn action(action: Action, direction: Direction) -> String {
    match direction {
        Direction::Forward => action.as_str().to_owned(),
        Direction::Back => format!("back: {}", action.as_str()),
    }
}

/// A step of a node: what is done, which way, and at which part of its weight: `drain`, `back: drain`, `step 2: watch`.
#[must_use]
pub fn step(step: &Step) -> String {
    let word = action(step.action, step.direction);
    if step.stage == 0 { word } else { format!("step {}: {word}", step.stage) }
}

/// A measured number in few digits: `0.1940`, `2e300`.
#[must_use]
pub fn number(value: Number) -> String {
    let size = value.value().abs();
    // `round` writes every digit before the point, of which there can be three hundred.
    if size == 0.0 || (1e-4..1e9).contains(&size) { round(value) } else { format!("{:.3e}", value.value()) }
}

/// What a binary is to a plan: ` (the release)`, ` (the way back)` or nothing.
#[must_use]
pub fn meaning(digest: Digest, plan: Option<&Plan>) -> &'static str {
    match plan {
        Some(plan) if digest == plan.artifact.facts.sha256 => match plan.purpose {
            Purpose::RollOut => " (the release)",
            Purpose::RollBack => " (rolled back to)",
        },
        Some(plan) if plan.digest(Direction::Back) == Some(digest) => " (the way back)",
        _ => "",
    }
}

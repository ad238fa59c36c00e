//! Reference vectors, properties of the evidence, and watches as wholes.

mod counters;
mod hours;
mod properties;
mod vectors;
mod watch;

use super::*;

/// Test settings of errors without history's help: margin, dispersion and cap as given, 120 polls of 30 s.
fn settings(margin: f64, phi: f64, cap: Option<f64>) -> OddsSettings {
    let window = std::time::Duration::from_secs(3600);
    OddsSettings { margin, ln_offset: 0.0, phi, cap, from_start: 0.5, window }
}

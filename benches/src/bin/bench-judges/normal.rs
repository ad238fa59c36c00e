//! The tail of the normal law.

/// The share beyond `x` standard deviations (Marsaglia, "Evaluating the normal distribution", J. Stat. Software 2004).
pub(crate) fn beyond(x: f64) -> f64 {
    if x.abs() > 8.0 {
        return if x > 0.0 { 0.0 } else { 1.0 };
    }
    let (mut sum, mut term, mut i) = (x, x, 1.0);
    loop {
        i += 2.0;
        term *= x * x / i;
        let next = sum + term;
        if next == sum {
            break;
        }
        sum = next;
    }
    let density = (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
    (0.5 - sum * density).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_shares() {
        for (x, share) in [(0.0, 0.5), (1.644_853_627, 0.05), (-1.0, 0.841_344_746), (4.0, 3.167_124e-5)] {
            assert!((beyond(x) - share).abs() < 1e-9, "{x}: {}", beyond(x));
        }
    }
}

//! What few events leave open: bounds of a rate, in integers, so that every machine has the same.

/// One, in parts per million.
const ONE: u128 = 1_000_000;
/// z² of a bound that is exceeded by chance once in twenty (1.6449²), in ppm.
const Z2: u128 = 2_705_543;

/// The one-sided 95 % bounds of a rate of which `events` of `total` were seen, in ppm, outward to the next integer.
///
/// Wilson's score interval (Wilson, "Probable inference, the law of succession, and statistical inference", 1927): it needs a
/// square root and no function that differs between platforms. No events at all: anything is possible.
#[must_use]
pub fn rate_bounds(events: u64, total: u64) -> (u64, u64) {
    if total == 0 {
        return (0, 1_000_000);
    }
    // Counts beyond this change no ppm, and the squares below stay within 128 bits.
    let shift = (64 - total.leading_zeros()).saturating_sub(40);
    let (k, n) = (u128::from(events.min(total) >> shift), u128::from(total >> shift));
    // (k + z²/2 ± z √(k (n - k) / n + z²/4)) / (n + z²), all times 10^6.
    let middle = k * ONE + Z2 / 2;
    let spread = (Z2 * ONE * k * (n - k) / n + Z2 * Z2 / 4).isqrt() + 1;
    let scale = n * ONE + Z2;
    let low = if k == 0 { 0 } else { middle.saturating_sub(spread) * ONE / scale };
    let high = if k == n { ONE } else { ((middle + spread) * ONE).div_ceil(scale) };
    let ppm = |value: u128| u64::try_from(value.min(ONE)).unwrap_or(1_000_000);
    (ppm(low), ppm(high))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_bounds() {
        // Wilson's interval with z = 1.6449, from its formula in exact arithmetic.
        for (events, total, low, high) in [
            (0, 100, 0, 26_343),
            (0, 1000, 0, 2_699),
            (10, 1000, 5_987, 16_657),
            (50, 100, 418_848, 581_152),
            (100, 100, 973_656, 1_000_000),
            (0, 0, 0, 1_000_000),
        ] {
            let (l, h) = rate_bounds(events, total);
            assert!(l.abs_diff(low) <= 2 && h.abs_diff(high) <= 2, "{events} of {total}: {l}, {h}");
        }
    }

    proptest! {
        #[test]
        fn the_rate_is_within_its_bounds(total in 1_u64.., part in 0.0_f64..=1.0) {
            let events = ((total as f64 * part) as u64).min(total);
            let rate = u64::try_from(u128::from(events) * ONE / u128::from(total)).unwrap();
            let (low, high) = rate_bounds(events, total);
            prop_assert!(low <= rate + 1 && rate <= high && high <= 1_000_000, "{low} {rate} {high}");
        }

        #[test]
        fn more_events_narrow_them(events in 0_u64..1000, more in 0_u64..1000) {
            let total = events + more + 1;
            let (low, high) = rate_bounds(events, total);
            let (low_10, high_10) = rate_bounds(events * 10, total * 10);
            prop_assert!(low_10 + 1 >= low && high_10 <= high + 1, "{low}..{high} {low_10}..{high_10}");
        }
    }
}

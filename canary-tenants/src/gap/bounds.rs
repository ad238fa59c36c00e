//! What few events leave open: bounds of a rate, in integers, so that every machine has the same.

/// One, in parts per million.
const ONE: u128 = 1_000_000;
/// z², in ppm, of a bound that is exceeded by chance once in 20 · 2^i; the quantiles of the normal distribution to twelve digits,
/// squared and rounded. The last is for 2^24 tests at once.
const Z2: [u32; 25] = [
    2_705_543, 3_841_459, 5_023_886, 6_238_533, 7_476_773, 8_733_011, 10_003_417, 11_285_257, 12_576_512,
    13_875_651, 15_181_485, 16_493_074, 17_809_660, 19_130_626, 20_455_461, 21_783_738, 23_115_097,
    24_449_231, 25_785_876, 27_124_805, 28_465_818, 29_808_741, 31_153_423, 32_499_727, 33_847_532,
];

/// The one-sided 95 % bounds of a rate of which `events` of `total` were seen, in ppm, outward to the next integer.
///
/// Wilson's score interval (Wilson, "Probable inference, the law of succession, and statistical inference", 1927): it needs a
/// square root and no function that differs between platforms. No events at all: anything is possible.
#[must_use]
pub fn rate_bounds(events: u64, total: u64) -> (u64, u64) {
    family_bounds(events, total, 1)
}

/// The bounds of one rate of `tests` that are looked at together: one of them all is beyond its own by chance once in twenty
/// (Bonferroni's inequality; the number is rounded up to a power of two).
pub(super) fn family_bounds(events: u64, total: u64, tests: u64) -> (u64, u64) {
    let step =
        tests.max(1).checked_next_power_of_two().map_or(usize::MAX, |power| power.trailing_zeros() as usize);
    let z2 = u128::from(Z2[step.min(Z2.len() - 1)]);
    if total == 0 {
        return (0, 1_000_000);
    }
    // Counts beyond this change no ppm, and the squares below stay within 128 bits.
    let shift = (64 - total.leading_zeros()).saturating_sub(40);
    let (k, n) = (u128::from(events.min(total) >> shift), u128::from(total >> shift));
    // (k + z²/2 ± z √(k (n - k) / n + z²/4)) / (n + z²), all times 10^6.
    let middle = k * ONE + z2 / 2;
    let spread = (z2 * ONE * k * (n - k) / n + z2 * z2 / 4).isqrt() + 1;
    let scale = n * ONE + z2;
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

    #[test]
    fn the_more_is_looked_at_the_wider() {
        let widths = [1, 2, 3, 4, 1000, 1 << 24, u64::MAX].map(|tests| family_bounds(10, 1000, tests));
        assert_eq!(widths[0], rate_bounds(10, 1000));
        assert_eq!((widths[2], widths[5]), (widths[3], widths[6]));
        assert!(
            widths[..6].windows(2).all(|pair| pair[1].0 <= pair[0].0 && pair[1].1 >= pair[0].1),
            "{widths:?}"
        );
        // z = 3.8964 for 1,024 tests, by Wilson's formula in exact arithmetic.
        assert!(widths[4].0.abs_diff(3_124) <= 2 && widths[4].1.abs_diff(31_531) <= 2, "{widths:?}");
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

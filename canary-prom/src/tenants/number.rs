//! Sample values as integers: from the text of a reply, without a float in between.

/// The largest amount, which every JSON reader keeps whole; what is larger is as large.
const LARGEST: u64 = 1 << 53;

/// What a sample value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    /// An amount in the unit that was asked for; what is negative is 0.
    Amount(u64),
    /// Not a number.
    NaN,
    /// Beyond all.
    Infinite,
}

impl Number {
    /// Reads a value times 10^`places`, rounded to the nearest; nothing when it is no number at all.
    ///
    /// Prometheus writes `NaN`, `+Inf`, `-Inf`, and floats with or without an exponent (`util/jsonutil`).
    pub(super) fn read(text: &str, places: i32) -> Option<Self> {
        match text {
            "NaN" => return Some(Self::NaN),
            "+Inf" | "Inf" => return Some(Self::Infinite),
            "-Inf" => return Some(Self::Amount(0)),
            _ => {}
        }
        let (negative, rest) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (rest, 0),
        };
        let amount = scaled(mantissa, exponent.checked_add(places)?)?;
        Some(Self::Amount(if negative { 0 } else { amount }))
    }

    /// The amount, where there is one.
    pub(super) const fn amount(self) -> Option<u64> {
        match self {
            Self::Amount(amount) => Some(amount),
            Self::NaN | Self::Infinite => None,
        }
    }
}

/// Digits with or without a point, times 10^`power`.
fn scaled(mantissa: &str, power: i32) -> Option<u64> {
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.len() + part.len() == 0 {
        return None;
    }
    let (mut digits, mut power) = (0_u128, power);
    for (i, byte) in whole.bytes().chain(part.bytes()).enumerate() {
        if !byte.is_ascii_digit() {
            return None;
        }
        let after_point = i >= whole.len();
        // 28 digits are more than any float has; what follows changes no amount.
        if digits < 10_u128.pow(28) {
            digits = digits * 10 + u128::from(byte - b'0');
            power -= i32::from(after_point);
        } else {
            power += i32::from(!after_point);
        }
    }
    let amount = if digits == 0 {
        0
    } else if let Ok(up) = u32::try_from(power) {
        10_u128.checked_pow(up).and_then(|by| digits.checked_mul(by)).unwrap_or(u128::MAX)
    } else {
        let by = 10_u128.checked_pow(power.unsigned_abs());
        by.map_or(0, |by| digits / by + u128::from(digits % by >= by.div_ceil(2)))
    };
    Some(u64::try_from(amount).unwrap_or(LARGEST).min(LARGEST))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_read_exactly() {
        for (text, places, amount) in [
            ("0", 0, 0),
            ("2999.9999999999995", 0, 3000),
            ("0.5", 0, 1),
            ("0.49999", 0, 0),
            ("0.75", 6, 750_000),
            ("1e-05", 6, 10),
            ("1.5e+21", 0, LARGEST),
            ("1e-300", 6, 0),
            ("0e+300", 6, 0),
            ("-3", 6, 0),
            ("1795305600.123", 6, 1_795_305_600_123_000),
            ("0.0025", 6, 2_500),
            ("1e999", 0, LARGEST),
            ("00000000000000000000000000000000000001", 0, 1),
            ("100000000000000000000000000000000000000000000", 0, LARGEST),
            (".5", 1, 5),
        ] {
            assert_eq!(Number::read(text, places), Some(Number::Amount(amount)), "{text}");
        }
        assert_eq!(Number::read("NaN", 6), Some(Number::NaN));
        assert_eq!(Number::read("+Inf", 6), Some(Number::Infinite));
        for text in ["", ".", "-", "x", "1x", "0x10", "1e", "1e99999999999", "１", "--1"] {
            assert_eq!(Number::read(text, 0), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn as_a_float_would_be_read(value in 0.0_f64..9e9, places in 0..4_i32) {
            for text in [format!("{value}"), format!("{value:e}")] {
                let exact = value * 10_f64.powi(places);
                let Some(Number::Amount(amount)) = Number::read(&text, places) else { panic!("{text}") };
                prop_assert!((amount as f64 - exact).abs() <= 0.5 + exact * 1e-9, "{text}: {amount}");
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*", places in -10..10_i32) {
            let _ = Number::read(&text, places);
        }
    }
}

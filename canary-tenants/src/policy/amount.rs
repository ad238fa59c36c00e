//! Bounds without floats: numbers in parts per million, times in microseconds.

use std::fmt;

/// What an integer of a policy counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Parts per million: `"0.010"` and `"1%"` are 10,000.
    Ppm,
    /// Microseconds: `400ms` is 400,000.
    Micros,
    /// A plain count.
    Count,
    /// Intervals between scrapes: `2x_scrape` is 2.
    Scrapes,
    /// `hold` is 0, `pass` is 1.
    Choice,
}

/// One, in parts per million.
pub const ONE: u64 = 1_000_000;
/// The largest amount: every JSON reader keeps it whole.
const LARGEST: u64 = 1 << 53;

const CHOICES: [&str; 2] = ["hold", "pass"];

const TIMES: [(&str, u64); 5] =
    [("us", 1), ("ms", 1_000), ("s", 1_000_000), ("m", 60_000_000), ("h", 3_600_000_000)];

impl Unit {
    /// Reads an amount.
    ///
    /// # Errors
    /// What would be right.
    pub(crate) fn parse(self, text: &str) -> Result<u64, &'static str> {
        let text = text.trim();
        let read = match self {
            Self::Ppm => text
                .strip_suffix('%')
                .map_or_else(|| decimal(text, 6), |percent| decimal(percent.trim_end(), 4))
                .and_then(|amount| u64::try_from(amount).ok()),
            Self::Micros => time(text),
            Self::Count => digits(text),
            Self::Scrapes => text.strip_suffix("x_scrape").and_then(digits),
            Self::Choice => CHOICES.iter().position(|choice| *choice == text).map(|at| at as u64),
        };
        read.filter(|amount| *amount <= LARGEST).ok_or_else(|| self.example())
    }

    /// How an amount is written.
    pub(crate) const fn example(self) -> &'static str {
        match self {
            Self::Ppm => "write it in quotes with at most six decimals (\"0.010\"), or in percent (\"1%\")",
            Self::Micros => "write it with its unit: 250us, 400ms, 2s, 5m or 1h",
            Self::Count => "write a whole number",
            Self::Scrapes => "write it in intervals of scraping: 2x_scrape",
            Self::Choice => "write hold or pass",
        }
    }

    /// The amount as a policy has it.
    #[must_use]
    pub fn show(self, amount: u64) -> String {
        match self {
            Self::Ppm => {
                let text = format!("{}.{:06}", amount / ONE, amount % ONE);
                text.trim_end_matches('0').trim_end_matches('.').to_owned()
            }
            Self::Micros => {
                let whole = |(_, size): &&(&str, u64)| amount.is_multiple_of(*size);
                let (unit, size) = TIMES.iter().rev().find(whole).unwrap_or(&TIMES[0]);
                if amount == 0 { "0s".to_owned() } else { format!("{}{unit}", amount / size) }
            }
            Self::Count => amount.to_string(),
            Self::Scrapes => format!("{amount}x_scrape"),
            Self::Choice => CHOICES[usize::from(amount > 0)].to_owned(),
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ppm => "ppm",
            Self::Micros => "us",
            Self::Count => "count",
            Self::Scrapes => "scrapes",
            Self::Choice => "choice",
        })
    }
}

fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// A decimal number times 10^`places`; `None` where digits would be lost.
fn decimal(text: &str, places: usize) -> Option<u128> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    if whole.is_empty() || part.is_empty() || part.len() > places {
        return None;
    }
    let scale = 10_u128.pow(u32::try_from(places).ok()?);
    let part = format!("{part:0<places$}");
    Some(u128::from(digits(whole)?) * scale + u128::from(digits(&part)?))
}

fn time(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(end);
    let (_, size) = TIMES.iter().find(|(name, _)| *name == unit.trim_start())?;
    // Fractions by way of millionths of the unit, so that 1.5s is exact and 0.5us is refused.
    let millionths = decimal(number, 6)?.checked_mul(u128::from(*size))?;
    if !millionths.is_multiple_of(u128::from(ONE)) {
        return None;
    }
    u64::try_from(millionths / u128::from(ONE)).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_are_exact_or_refused() {
        for (unit, text, amount, shown) in [
            (Unit::Ppm, "0.010", 10_000, "0.01"),
            (Unit::Ppm, "1%", 10_000, "0.01"),
            (Unit::Ppm, "0.05 %", 500, "0.0005"),
            (Unit::Ppm, "14.4", 14_400_000, "14.4"),
            (Unit::Ppm, "0", 0, "0"),
            (Unit::Micros, "400ms", 400_000, "400ms"),
            (Unit::Micros, "1.5s", 1_500_000, "1500ms"),
            (Unit::Micros, "120s", 120_000_000, "2m"),
            (Unit::Micros, "1 h", 3_600_000_000, "1h"),
            (Unit::Scrapes, "2x_scrape", 2, "2x_scrape"),
            (Unit::Count, "100", 100, "100"),
            (Unit::Choice, "pass", 1, "pass"),
        ] {
            assert_eq!(unit.parse(text), Ok(amount), "{text}");
            assert_eq!(unit.show(amount), shown);
        }
        for (unit, text) in [
            (Unit::Ppm, "0.0000001"),
            (Unit::Ppm, "1e-3"),
            (Unit::Ppm, ".5"),
            (Unit::Ppm, "5."),
            (Unit::Ppm, "-1"),
            (Unit::Ppm, "+1"),
            (Unit::Ppm, "nan"),
            (Unit::Ppm, "99999999999999999999"),
            (Unit::Micros, "400"),
            (Unit::Micros, "0.5us"),
            (Unit::Micros, "1d"),
            (Unit::Scrapes, "2"),
            (Unit::Count, "1.5"),
            (Unit::Choice, "1"),
            (Unit::Choice, "Pass"),
            (Unit::Count, ""),
        ] {
            assert_eq!(unit.parse(text), Err(unit.example()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(amount in 0..=LARGEST) {
            for unit in [Unit::Ppm, Unit::Micros, Unit::Count, Unit::Scrapes] {
                prop_assert_eq!(unit.parse(&unit.show(amount)), Ok(amount));
            }
        }
    }
}

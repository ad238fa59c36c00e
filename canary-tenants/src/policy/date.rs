//! Days on which exceptions end.

use std::fmt;
use std::str::FromStr;

use canary_core::time::Timestamp;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// A day in UTC: what is said `until` it holds through all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(Timestamp);

impl Default for Day {
    /// The first day there is: 1970-01-01.
    fn default() -> Self {
        Self(Timestamp::from_millis(0))
    }
}

impl Day {
    /// Whether the day has passed.
    #[must_use]
    pub const fn over(self, now: Timestamp) -> bool {
        now.as_millis() >= self.0.as_millis().saturating_add(DAY_MS)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_string().get(..10).unwrap_or_default())
    }
}

/// Says that a text is no day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no day of the calendar")]
pub struct DayError;

impl FromStr for Day {
    type Err = DayError;

    fn from_str(text: &str) -> Result<Self, DayError> {
        let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        if shape != "0000-00-00" {
            return Err(DayError);
        }
        let day = Self(Timestamp::try_from(format!("{text}T00:00:00Z")).map_err(|_| DayError)?);
        // A reader that takes the 31st of February for a day of March is not believed.
        if day.to_string() == text { Ok(day) } else { Err(DayError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_holds_to_its_end() {
        let day: Day = "2026-12-31".parse().unwrap();
        let at = |text: &str| Timestamp::try_from(text.to_owned()).unwrap();
        assert!(!day.over(at("2026-12-31T23:59:59.999Z")) && day.over(at("2027-01-01T00:00:00Z")));
        assert_eq!(day.to_string(), "2026-12-31");
        for text in ["2026-02-30", "2026-1-1", "31.12.2026", "2026-12-31T00:00:00Z", "1969-12-31", ""] {
            assert_eq!(text.parse::<Day>(), Err(DayError), "{text}");
        }
    }
}

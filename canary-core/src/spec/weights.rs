//! How the canary's share grows before it gets its whole weight.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::WatchPolicy;
use crate::time::opt_millis;
use crate::traits::Weight;

/// A part of a whole: above 0 % and below 100 %, to a hundredth of a percent; written `5%` or `0.5%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Percent(u16);

/// Says which text is no percentage that a step can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a percentage above 0% and below 100% with at most two decimals, such as 5% or 0.5%")]
pub struct PercentError {
    /// The refused text.
    pub text: String,
}

impl Percent {
    /// How many hundredths of a percent a whole has.
    const WHOLE: u16 = 10_000;

    /// Wraps hundredths of a percent, 1 to 9999; `None` for any other number.
    #[must_use]
    pub const fn from_hundredths(hundredths: u16) -> Option<Self> {
        if hundredths > 0 && hundredths < Self::WHOLE { Some(Self(hundredths)) } else { None }
    }

    /// The part as a number between 0 and 1.
    #[must_use]
    pub fn ratio(self) -> f64 {
        f64::from(self.0) / f64::from(Self::WHOLE)
    }

    /// This part of a weight, rounded down: never more than was asked for. `None` where nothing is left.
    #[must_use]
    pub fn of(self, whole: Weight) -> Option<Weight> {
        let part = u32::from(whole.value()) * u32::from(self.0) / u32::from(Self::WHOLE);
        u16::try_from(part).ok().and_then(|part| Weight::new(part).ok()).filter(|part| part.value() > 0)
    }

    /// The smallest weight of which this part is at least 1.
    #[must_use]
    pub const fn needs(self) -> u16 {
        Self::WHOLE.div_ceil(self.0)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 100, self.0 % 100);
        match rest {
            0 => write!(f, "{whole}%"),
            rest if rest % 10 == 0 => write!(f, "{whole}.{}%", rest / 10),
            rest => write!(f, "{whole}.{rest:02}%"),
        }
    }
}

impl FromStr for Percent {
    type Err = PercentError;

    fn from_str(text: &str) -> Result<Self, PercentError> {
        let read = || {
            let number = text.strip_suffix('%')?.trim_end();
            let (whole, rest) = number.split_once('.').unwrap_or((number, "0"));
            let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            if !digits(whole) || !digits(rest) || rest.len() > 2 {
                return None;
            }
            let hundredths: u16 = format!("{rest:0<2}").parse().ok()?;
            Self::from_hundredths(whole.parse::<u16>().ok()?.checked_mul(100)?.checked_add(hundredths)?)
        };
        read().ok_or_else(|| PercentError { text: text.to_owned() })
    }
}

impl TryFrom<String> for Percent {
    type Error = PercentError;

    fn try_from(text: String) -> Result<Self, PercentError> {
        text.parse()
    }
}

impl From<Percent> for String {
    fn from(percent: Percent) -> Self {
        percent.to_string()
    }
}

/// The steps in which the canary comes to its whole weight.
///
/// Percentages are of the canary's own configured weight, not of the pool's traffic: 100 % is what its node gets anyway. Of two
/// servers of weight 100, a step of 5 % gives the canary 5 of 105 parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgressiveWeights {
    /// The steps, ascending. The whole weight, with the whole watch, follows the last one.
    pub steps: Vec<Percent>,
    /// How long each step is watched; without it the steps share the time of one whole watch evenly.
    #[serde(rename = "window_ms", with = "opt_millis")]
    pub window: Option<Duration>,
}

impl ProgressiveWeights {
    /// How long each step is watched.
    #[must_use]
    pub fn window(&self, watch: &WatchPolicy) -> Duration {
        let steps = u32::try_from(self.steps.len()).unwrap_or(u32::MAX).max(1);
        self.window.unwrap_or(watch.window / steps)
    }

    /// What in the steps contradicts itself or the watch.
    pub(super) fn problems(&self, watch: Option<&WatchPolicy>) -> Vec<String> {
        let mut problems = Vec::new();
        if self.steps.is_empty() {
            problems
                .push("weights have no steps; name some, such as 5% and 25%, or leave them out".to_owned());
        }
        for pair in self.steps.windows(2) {
            if pair[0] >= pair[1] {
                problems.push(format!(
                    "the weight steps do not ascend: {} comes after {}; put them in order",
                    pair[1], pair[0]
                ));
            }
        }
        let Some(watch) = watch else {
            problems.push(
                "the canary's weight grows in steps, but nothing is watched: set a watch window, or leave the steps out"
                    .to_owned(),
            );
            return problems;
        };
        let window = self.window(watch);
        if window < watch.interval * 2 {
            problems.push(format!(
                "each of the {} weight steps is watched for {}, which is shorter than two probes ({} apart): set a longer \
                 window for them, or name fewer steps",
                self.steps.len(),
                humantime::format_duration(Duration::from_secs(window.as_secs())),
                humantime::format_duration(watch.interval)
            ));
        }
        if let Some(warm_up) =
            watch.judging.odds.as_ref().map(|odds| odds.warm_up).filter(|warm| *warm >= window)
        {
            problems.push(format!(
                "each weight step is watched for {}, and the comparison warms up for {}: nothing would be compared; set a \
                 longer window for the steps, or shorten the warm-up",
                humantime::format_duration(Duration::from_secs(window.as_secs())),
                humantime::format_duration(warm_up)
            ));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn percent(text: &str) -> Percent {
        text.parse().unwrap()
    }

    #[test]
    fn a_part_is_rounded_down_and_never_nothing() {
        let of = |text: &str, weight| percent(text).of(Weight::new(weight).unwrap()).map(Weight::value);
        assert_eq!([of("1%", 100), of("1%", 256), of("25%", 10)], [Some(1), Some(2), Some(2)]);
        assert_eq!([of("1%", 99), of("99.99%", 1), of("50%", 0)], [None, None, None]);
        assert_eq!([percent("1%").needs(), percent("30%").needs(), percent("0.25%").needs()], [100, 4, 400]);
    }

    #[test]
    fn what_is_no_percentage_is_refused() {
        for text in ["", "%", "5", "0%", "100%", "0.001%", "-1%", "1.%", ".5%", "1e1%", "655.36%", "5 % "] {
            assert!(text.parse::<Percent>().is_err(), "{text}");
        }
        assert_eq!(percent("12.5 %").to_string(), "12.5%");
        let error = "120%".parse::<Percent>().unwrap_err().to_string();
        assert!(error.starts_with("\"120%\" is not a percentage above 0%"), "{error}");
    }

    proptest! {
        #[test]
        fn texts_round_trip(hundredths in 1_u16..10_000) {
            let one = Percent::from_hundredths(hundredths).unwrap();
            prop_assert_eq!(one.to_string().parse::<Percent>().unwrap(), one);
            let needs = one.needs();
            if let Ok(weight) = Weight::new(needs) {
                prop_assert_eq!(one.of(weight), Weight::new(1).ok());
            }
        }

        #[test]
        fn any_text_is_answered(text in ".{0,12}") {
            let _ = text.parse::<Percent>();
        }
    }
}

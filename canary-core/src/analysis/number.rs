//! Numbers that can be recorded: finite, and written as text so that every reader gets the same bytes.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Says which number was refused and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not {what}")]
pub struct NumberError {
    value: String,
    what: &'static str,
}

/// A finite number; recorded as its shortest decimal text.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Number(f64);

impl Number {
    /// Wraps a finite number; `None` for NaN and the infinities. Minus zero becomes zero.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        value.is_finite().then_some(Self(value + 0.0))
    }

    /// The number.
    #[must_use]
    pub const fn value(self) -> f64 {
        self.0
    }
}

impl Eq for Number {}

impl Hash for Number {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Number {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        let refuse = || NumberError { value: text.to_owned(), what: "a finite number" };
        text.parse().ok().and_then(Self::new).ok_or_else(refuse)
    }
}

impl TryFrom<String> for Number {
    type Error = NumberError;

    fn try_from(text: String) -> Result<Self, NumberError> {
        text.parse()
    }
}

impl From<Number> for String {
    fn from(number: Number) -> Self {
        number.to_string()
    }
}

/// A number from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ratio(Number);

impl Ratio {
    /// Wraps a number from 0 to 1; `None` for any other.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        (0.0..=1.0).contains(&value).then(|| Number::new(value).map(Self)).flatten()
    }

    /// The number.
    #[must_use]
    pub const fn value(self) -> f64 {
        self.0.value()
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Ratio {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        let refuse = || NumberError { value: text.to_owned(), what: "a number from 0 to 1" };
        text.parse().ok().and_then(Self::new).ok_or_else(refuse)
    }
}

impl TryFrom<String> for Ratio {
    type Error = NumberError;

    fn try_from(text: String) -> Result<Self, NumberError> {
        text.parse()
    }
}

impl From<Ratio> for String {
    fn from(ratio: Ratio) -> Self {
        ratio.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_finite_numbers_pass() {
        assert!(Number::new(f64::NAN).is_none() && Number::new(f64::INFINITY).is_none());
        assert_eq!(Number::new(-0.0).unwrap().to_string(), "0");
        assert_eq!("0.005".parse::<Number>().unwrap().to_string(), "0.005");
        assert_eq!("1.5".parse::<Ratio>().unwrap_err().to_string(), "\"1.5\" is not a number from 0 to 1");
        assert!("nan".parse::<Number>().is_err() && "inf".parse::<Number>().is_err());
    }
}

//! What holds for a setting that nobody writes.

use std::time::Duration;

/// What holds when nobody says anything.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fallback {
    /// Nothing: the setting stays unset.
    Unset,
    /// A text, written as in a variable.
    Text(&'static str),
    /// A time.
    Time(Duration),
    /// A number.
    Number(f64),
    /// A count.
    Count(u64),
    /// Worked out from the surroundings or from other settings, as the text says.
    Computed(&'static str),
}

impl Fallback {
    /// The default as it would be written, where there is one to write.
    #[must_use]
    pub fn text(self) -> Option<String> {
        match self {
            Self::Unset | Self::Computed(_) => None,
            Self::Text(text) => Some(text.to_owned()),
            Self::Time(time) => Some(humantime::format_duration(time).to_string()),
            Self::Number(number) => Some(number.to_string()),
            Self::Count(count) => Some(count.to_string()),
        }
    }
}

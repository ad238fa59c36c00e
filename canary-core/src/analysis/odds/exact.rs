//! Floating-point numbers as text in records: the shortest decimal that reads back to the same bits.
//!
//! Records hold no floats (readers differ in how they write and read them), and serde_json's own parser of floats may be
//! off by the last bit.

use std::borrow::Cow;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

fn parse<E: Error>(text: &str) -> Result<f64, E> {
    match text.parse::<f64>() {
        Ok(value) if !value.is_nan() => Ok(value),
        _ => Err(E::custom(format_args!("{text:?} is not a number"))),
    }
}

pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{value:e}"))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    parse(&Cow::<str>::deserialize(deserializer)?)
}

/// The same for optional numbers.
pub(super) mod optional {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(
        value: &Option<f64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => super::serialize(value, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<f64>, D::Error> {
        Option::<String>::deserialize(deserializer)?.map(|text| super::parse(&text)).transpose()
    }
}

/// The same for a fixed number of numbers, as one text with spaces between them.
pub(super) mod array {
    use std::borrow::Cow;
    use std::fmt::Write as _;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in super::super) fn serialize<S: Serializer, const N: usize>(
        values: &[f64; N],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut text = String::new();
        for value in values {
            let gap = if text.is_empty() { "" } else { " " };
            write!(text, "{gap}{value:e}").map_err(serde::ser::Error::custom)?;
        }
        serializer.serialize_str(&text)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        deserializer: D,
    ) -> Result<[f64; N], D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let values = text.split(' ').map(super::parse).collect::<Result<Vec<f64>, _>>()?;
        let count = values.len();
        values.try_into().map_err(|_| D::Error::custom(format_args!("{count} numbers instead of {N}")))
    }
}

//! What the HTTP API answers (Prometheus documentation, "HTTP API"), read strictly where we rely on it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny};

/// Every answer's frame.
#[derive(Debug, Deserialize)]
pub(crate) struct Envelope<T> {
    /// Whether the server did what was asked.
    pub(crate) status: Status,
    /// The answer itself, when it did.
    pub(crate) data: Option<T>,
    /// The kind of error, when it did not.
    #[serde(rename = "errorType")]
    pub(crate) error_type: Option<String>,
    /// The error in words.
    pub(crate) error: Option<String>,
    /// What makes the answer doubtful.
    #[serde(default)]
    pub(crate) warnings: Vec<String>,
    /// What the server noticed about the query.
    #[serde(default)]
    pub(crate) infos: Vec<String>,
}

/// `status` of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Success,
    Error,
}

/// The result of a query, by its type.
#[derive(Debug, Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
pub(crate) enum QueryData {
    Vector(Vec<Element>),
    Scalar(Point),
    Matrix(Vec<Series>),
    String(IgnoredAny),
}

impl QueryData {
    /// The type's name, as the API spells it.
    pub(crate) const fn type_name(&self) -> &'static str {
        match self {
            Self::Vector(_) => "vector",
            Self::Scalar(_) => "scalar",
            Self::Matrix(_) => "matrix",
            Self::String(_) => "string",
        }
    }
}

/// One series of an instant vector.
#[derive(Debug, Deserialize)]
pub(crate) struct Element {
    /// Its labels, `__name__` among them where the query keeps it.
    pub(crate) metric: BTreeMap<String, String>,
    /// Its value; missing for native histograms.
    pub(crate) value: Option<Point>,
}

/// One series with its raw samples.
#[derive(Debug, Deserialize)]
pub(crate) struct Series {
    /// The samples, oldest first.
    #[serde(default)]
    pub(crate) values: Vec<Point>,
}

/// A sample: `[1705329130.123, "0.5"]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    /// Seconds since the epoch.
    pub(crate) time: f64,
    /// The value; may be NaN or infinite.
    pub(crate) value: f64,
}

impl<'de> Deserialize<'de> for Point {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (time, text) = <(f64, String)>::deserialize(deserializer)?;
        let value = text.parse().map_err(|_| D::Error::custom(format!("{text:?} is not a sample value")))?;
        Ok(Self { time, value })
    }
}

/// The part of the build information that is shown.
#[derive(Debug, Deserialize)]
pub(crate) struct BuildInfo {
    /// The server's version.
    pub(crate) version: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Envelope<QueryData>, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn special_values_are_read() {
        let text = r#"{"status":"success","data":{"resultType":"vector","result":[
            {"metric":{"le":"+Inf"},"value":[1705329130.123,"NaN"]},{"metric":{},"value":[1,"-Inf"]},
            {"metric":{},"value":[1,"1e-05"]},{"metric":{},"histogram":[1,{"count":"1"}]}]},"infos":["i"]}"#;
        let envelope = read(text).unwrap();
        let Some(QueryData::Vector(all)) = envelope.data else { panic!("not a vector") };
        let values: Vec<_> = all.iter().map(|e| e.value.map(|p| p.value.to_string())).collect();
        let expected = [Some("NaN"), Some("-inf"), Some("0.00001"), None].map(|v| v.map(str::to_owned));
        assert_eq!(values, expected);
        assert_eq!((envelope.infos, all[0].metric["le"].as_str()), (vec!["i".to_owned()], "+Inf"));
    }

    #[test]
    fn wrong_shapes_are_refused() {
        for text in [
            r#"{"status":"fine"}"#,
            r#"{"status":"success","data":{"resultType":"vector","result":{}}}"#,
            r#"{"status":"success","data":{"resultType":"streams","result":[]}}"#,
            r#"{"status":"success","data":{"resultType":"scalar","result":[1,0.5]}}"#,
            r#"{"status":"success","data":{"resultType":"scalar","result":[1,"half"]}}"#,
            r#"{"data":{}}"#,
        ] {
            assert!(read(text).is_err(), "{text} was accepted");
        }
    }
}

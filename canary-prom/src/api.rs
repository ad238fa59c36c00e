//! What the HTTP API answers (Prometheus documentation, "HTTP API"), read strictly where we rely on it.

use std::collections::BTreeMap;

use canary_core::time::Timestamp;
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

/// One series with several samples.
#[derive(Debug, Deserialize)]
pub(crate) struct Series {
    /// Its labels.
    #[serde(default)]
    pub(crate) metric: BTreeMap<String, String>,
    /// The samples, oldest first; none of a native histogram.
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

impl Point {
    /// The time, to the millisecond, which is what Prometheus keeps.
    pub(crate) fn timestamp(&self) -> Timestamp {
        Timestamp::from_millis((self.time * 1000.0).round() as u64)
    }
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
    use proptest::prelude::*;
    use serde_json::json;

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

    proptest! {
        #[test]
        fn vectors_are_read_as_they_were_written(
            all in prop::collection::vec((".*", any::<u32>(), any::<f64>()), 0..8)
        ) {
            let element = |(label, time, value): &(String, u32, f64)| {
                json!({"metric": {"le": label}, "value": [time, value.to_string()]})
            };
            let result: Vec<_> = all.iter().map(element).collect();
            let text = json!({"status": "success", "data": {"resultType": "vector", "result": result}}).to_string();
            let Some(QueryData::Vector(read)) = read(&text).unwrap().data else {
                panic!("not a vector")
            };
            prop_assert_eq!(read.len(), all.len());
            for (element, (label, time, value)) in read.iter().zip(&all) {
                let point = element.value.unwrap();
                prop_assert_eq!(&element.metric["le"], label);
                prop_assert_eq!(point.time, f64::from(*time));
                let same = point.value == *value || (point.value.is_nan() && value.is_nan());
                prop_assert!(same, "{} is not {value}", point.value);
            }
        }

        #[test]
        fn an_answer_cut_short_is_refused(cut in 0_usize..110) {
            let whole = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"le":"1"},"value":[1,"2"]}]}}"#;
            let cut = cut.min(whole.len() - 1);
            prop_assert!(read(&whole[..cut]).is_err());
        }

        #[test]
        fn any_bytes_are_read_or_refused(body in any::<Vec<u8>>()) {
            let _ = serde_json::from_slice::<Envelope<QueryData>>(&body);
        }
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

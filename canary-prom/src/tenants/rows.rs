//! A reply's rows by tenant: read strictly, more than one of a tenant told apart.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::number::Number;

/// The label of a histogram's bound.
const LE: &str = "le";

/// What one kind of question gave, by tenant.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// The value of each tenant.
    pub(super) values: HashMap<String, Number>,
    /// The buckets of each tenant, when the question was for buckets: the bound's text and the value.
    pub(super) buckets: HashMap<String, Vec<(Number, Number)>>,
    /// Tenants with more than one row.
    pub(super) twice: HashSet<String>,
}

/// What a reply says beside its rows.
pub(super) struct Told {
    pub(super) rows: u64,
    pub(super) warnings: Vec<String>,
}

/// How a reply's rows are to be read.
pub(super) struct Reading<'a> {
    /// The label that names the tenant.
    pub(super) label: &'a str,
    /// Tenants by what the label says, where that differs.
    pub(super) map: &'a BTreeMap<String, String>,
    /// By what power of ten values are multiplied.
    pub(super) places: i32,
    /// Whether rows are buckets.
    pub(super) buckets: bool,
}

#[derive(Deserialize)]
struct Reply<'a> {
    status: &'a str,
    #[serde(borrow)]
    data: Option<Data<'a>>,
    #[serde(default)]
    warnings: Vec<String>,
    #[serde(default, rename = "errorType")]
    error_type: Option<String>,
    #[serde(default)]
    error: Option<String>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(rename = "resultType")]
    result_type: &'a str,
    #[serde(borrow, default)]
    result: Vec<Row<'a>>,
}

#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow)]
    metric: Labels<'a>,
    #[serde(borrow)]
    value: Option<(IgnoredAny, Text<'a>)>,
}

/// A text without a copy where it has no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

struct Labels<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Labels<'a> {
    fn get(&self, label: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == label).map(|(_, value)| value.as_ref())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Labels<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Labels<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("labels")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::with_capacity(2);
                while let Some((Text(name), Text(value))) = map.next_entry()? {
                    all.push((name, value));
                }
                Ok(Labels(all))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

impl Rows {
    /// Takes in a reply's rows.
    ///
    /// # Errors
    /// What makes the reply none of its kind.
    pub(super) fn take(&mut self, body: &str, reading: &Reading<'_>) -> Result<Told, String> {
        let reply: Reply<'_> =
            serde_json::from_str(body).map_err(|error| format!("not the expected JSON: {error}"))?;
        if reply.status != "success" {
            let kind = reply.error_type.as_deref().unwrap_or("error");
            return Err(format!("{kind}: {}", reply.error.as_deref().unwrap_or("without a word")));
        }
        let data = reply.data.ok_or("a success without data")?;
        if data.result_type != "vector" {
            return Err(format!("the answer is a {}, not a vector", data.result_type));
        }
        let rows = data.result.len() as u64;
        for row in &data.result {
            self.row(row, reading)?;
        }
        Ok(Told { rows, warnings: reply.warnings })
    }

    fn row(&mut self, row: &Row<'_>, reading: &Reading<'_>) -> Result<(), String> {
        // A series without the label is no tenant's.
        let Some(label) = row.metric.get(reading.label).filter(|label| !label.is_empty()) else {
            return Ok(());
        };
        let tenant = reading.map.get(label).map_or(label, String::as_str);
        let Some((_, Text(text))) = &row.value else {
            return Err(format!("a row of {tenant:?} has no value: native histograms are not read"));
        };
        let value = |text: &str, places| {
            Number::read(text, places).ok_or_else(|| format!("{text:?} of {tenant:?} is not a sample value"))
        };
        let number = value(text, reading.places)?;
        if !reading.buckets {
            // Sets of tenants do not overlap: whoever is there already is there twice.
            if self.values.insert(tenant.to_owned(), number).is_some() {
                self.twice.insert(tenant.to_owned());
            }
            return Ok(());
        }
        let Some(le) = row.metric.get(LE) else { return Ok(()) };
        // Seconds to microseconds.
        let bound = value(le, 6)?;
        match self.buckets.get_mut(tenant) {
            Some(buckets) => buckets.push((bound, number)),
            None => {
                self.buckets.insert(tenant.to_owned(), vec![(bound, number)]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(body: &str, buckets: bool) -> Result<(Rows, Told), String> {
        let map = [("old".to_owned(), "acme".to_owned())].into();
        let mut rows = Rows::default();
        let told = rows.take(body, &Reading { label: "tenant", map: &map, places: 0, buckets })?;
        Ok((rows, told))
    }

    fn vector(rows: &str) -> String {
        format!(
            r#"{{"status":"success","data":{{"resultType":"vector","result":[{rows}]}},"warnings":["w"]}}"#
        )
    }

    #[test]
    fn rows_are_read_by_tenant_and_twos_are_told() {
        let body = vector(
            r#"{"metric":{"tenant":"a\u00e9\"b"},"value":[1.5,"7"]},{"metric":{},"value":[1,"9"]},
               {"metric":{"tenant":"acme"},"value":[1,"1"]},{"metric":{"tenant":"old"},"value":[1,"NaN"]}"#,
        );
        let (rows, told) = take(&body, false).unwrap();
        assert_eq!((told.rows, told.warnings), (4, vec!["w".to_owned()]));
        assert_eq!(rows.values["aé\"b"], Number::Amount(7));
        assert_eq!((rows.values.len(), rows.twice.iter().collect::<Vec<_>>()), (2, vec![&"acme".to_owned()]));
        let body = vector(
            r#"{"metric":{"le":"+Inf","tenant":"a"},"value":[1,"3"]},{"metric":{"tenant":"a","le":"0.5"},"value":[1,"2"]}"#,
        );
        let (rows, _) = take(&body, true).unwrap();
        assert_eq!(
            rows.buckets["a"],
            [(Number::Infinite, Number::Amount(3)), (Number::Amount(500_000), Number::Amount(2))]
        );
    }

    #[test]
    fn what_is_no_vector_of_values_is_refused() {
        for (body, says) in [
            ("", "not the expected JSON"),
            (r#"{"status":"success"}"#, "a success without data"),
            (r#"{"status":"error","errorType":"execution","error":"odd"}"#, "execution: odd"),
            (r#"{"status":"success","data":{"resultType":"scalar","result":[]}}"#, "the answer is a scalar"),
            (&vector(r#"{"metric":{"tenant":"a"},"histogram":[1,{}]}"#), "a row of \"a\" has no value"),
            (&vector(r#"{"metric":{"tenant":"a"},"value":[1,"x"]}"#), "\"x\" of \"a\" is not a sample value"),
            (
                vector(r#"{"metric":{"tenant":"a"},"value":[1,"1"]}"#).trim_end_matches('}'),
                "not the expected JSON",
            ),
        ] {
            let error = take(body, false).err().unwrap();
            assert!(error.starts_with(says), "{body}: {error}");
        }
    }
}

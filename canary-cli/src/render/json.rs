//! One JSON object a line, for programs. Every line has `v`, the version of the form, and `event`.

use canary_core::journal::Record;
use serde_json::{Map, Value, json};

/// The version of the form; grows when a program that read the old one could be misled.
const VERSION: u64 = 1;

/// A line of an event with its fields.
#[must_use]
pub fn line(event: &str, fields: Value) -> String {
    let mut object = Map::new();
    object.insert("v".to_owned(), VERSION.into());
    object.insert("event".to_owned(), event.into());
    if let Value::Object(fields) = fields {
        object.extend(fields);
    }
    Value::Object(object).to_string()
}

/// A record of the journal as a line: `seq`, `time`, `hash`, and under `record` what the journal says.
#[must_use]
pub fn record_line(record: &Record) -> String {
    // proof: an entry is plain data with text keys, as the journal's own line of it shows.
    let entry = serde_json::to_value(&record.entry).unwrap_or(Value::Null);
    line("record", json!({ "seq": record.seq, "time": record.time, "hash": record.hash, "record": entry }))
}

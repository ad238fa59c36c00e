//! `.sqlx/query-*.json`: what sqlx was told by a database when the service was built.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::text::normalise;
use crate::contract::model::Column;

/// One file's query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offline {
    pub(super) text: String,
    pub(super) parameters: Option<Vec<String>>,
    pub(super) columns: Vec<Column>,
}

#[derive(Deserialize)]
struct File {
    db_name: String,
    query: String,
    describe: Describe,
}

#[derive(Deserialize)]
struct Describe {
    columns: Vec<Described>,
    #[serde(default)]
    parameters: Value,
    #[serde(default)]
    nullable: Vec<Option<bool>>,
}

#[derive(Deserialize)]
struct Described {
    name: String,
    type_info: Value,
}

/// Reads a file; `None` for a query of another database.
pub(super) fn read(path: &Path) -> Result<Option<Offline>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    parse(&text)
}

fn parse(text: &str) -> Result<Option<Offline>, String> {
    let file: File = serde_json::from_str(text).map_err(|error| format!("not what sqlx writes: {error}"))?;
    if file.db_name != "PostgreSQL" {
        return Ok(None);
    }
    let columns = file.describe.columns.into_iter().enumerate().map(|(at, column)| Column {
        name: column.name,
        pg_type: type_name(&column.type_info),
        nullable: file.describe.nullable.get(at).copied().flatten(),
    });
    // `{"Left": [types]}`, or `{"Right": count}` where sqlx only knows how many.
    let parameters = file.describe.parameters.get("Left").and_then(Value::as_array);
    Ok(Some(Offline {
        text: normalise(&file.query),
        columns: columns.collect(),
        parameters: parameters.map(|all| all.iter().map(type_name).collect()),
    }))
}

/// `"Int8"` for the types sqlx has, `{"Custom": {"name": …}}` for enums, domains and the like.
fn type_name(value: &Value) -> String {
    match value {
        Value::String(name) => name.clone(),
        other => other
            .pointer("/Custom/name")
            .or_else(|| other.as_object().and_then(|object| object.values().next()))
            .and_then(Value::as_str)
            .map_or_else(|| other.to_string(), str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_sqlx_writes() {
        let text = r#"{"db_name":"PostgreSQL","query":"SELECT id,\n mood AS \"mood: Mood\" FROM t WHERE id = $1",
            "describe":{"columns":[{"ordinal":0,"name":"id","type_info":"Int8"},
            {"ordinal":1,"name":"mood: Mood","type_info":{"Custom":{"name":"mood","kind":{"Enum":["a"]}}}}],
            "parameters":{"Left":["Int8"]},"nullable":[false,null]},"hash":"x"}"#;
        let read = parse(text).unwrap().unwrap();
        assert_eq!(read.text, "SELECT id, mood AS \"mood: Mood\" FROM t WHERE id = $1");
        assert_eq!(read.parameters, Some(vec!["Int8".to_owned()]));
        let seen: Vec<_> = read.columns.iter().map(|c| (c.pg_type.as_str(), c.nullable)).collect();
        assert_eq!(seen, [("Int8", Some(false)), ("mood", None)]);
        assert_eq!(parse(&text.replace("PostgreSQL", "SQLite")), Ok(None));
        assert!(parse("{}").is_err());
    }
}

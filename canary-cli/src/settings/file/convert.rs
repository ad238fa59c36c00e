//! From TOML's values to settings' values: each kind takes exactly the TOML types that make sense for it.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Source;
use crate::settings::kind::{Kind, Reason, Value, budget};
use crate::settings::raw;

/// Reads a value, or says what is wrong with which part of it.
pub(super) fn value(kind: &Kind, value: &Spanned<DeValue<'_>>) -> Result<Value, (Range<usize>, Reason)> {
    let at = |reason| (value.span(), reason);
    let found = value.get_ref();
    match (kind, found) {
        (Kind::Nodes, DeValue::Array(items)) => list(items, value, kind, "a node name"),
        (Kind::Choices(_), DeValue::Array(items)) => list(items, value, kind, "a word"),
        (_, DeValue::Array(items)) if kind.is_list() => list(items, value, kind, "a text"),
        (Kind::Budgets, DeValue::Table(table)) => budgets(table),
        (Kind::Budgets, _) => {
            Err(at(wrong_type(found, "a table of reasons and times", "{ source_down = \"10m\" }")))
        }
        (Kind::Places | Kind::Arguments | Kind::Assignments | Kind::Choices(_) | Kind::Percents, _) => {
            let text = match kind {
                Kind::Choices(words) => words.first().copied().unwrap_or_default(),
                Kind::Places => "api-1=127.0.0.1:8081",
                Kind::Arguments => "--verbose",
                Kind::Percents => "5%",
                _ => "NAME=value",
            };
            let example = format!("a list, such as [\"{text}\"]");
            Err(at(wrong_type(found, "a list of texts", &example)))
        }
        (Kind::Nodes, _) => Err(at(wrong_type(found, "a list of node names", "peers = [\"backend-api-1\"]"))),
        (Kind::Flag, DeValue::Boolean(yes)) => Ok(Value::Flag(*yes)),
        (Kind::Flag, _) => Err(at(wrong_type(found, "true or false", "true or false, without quotes"))),
        (Kind::Count { .. }, DeValue::Integer(_))
        | (Kind::Seconds | Kind::Ratio | Kind::Part { .. }, DeValue::Integer(_) | DeValue::Float(_)) => {
            kind.read(&number(found), false).map_err(at)
        }
        (Kind::Count { .. }, _) => Err(at(wrong_type(found, "a whole number", &kind.example()))),
        (Kind::Seconds, DeValue::String(text)) => {
            let named = text.parse::<f64>().is_ok();
            if named {
                Err(at(wrong_type(found, "a number or a time", &kind.example())))
            } else {
                kind.read(text, false).map_err(at)
            }
        }
        (Kind::Ratio | Kind::Part { .. }, DeValue::String(text)) if text.trim_end().ends_with('%') => {
            kind.read(text, false).map_err(at)
        }
        (Kind::Seconds | Kind::Ratio | Kind::Part { .. }, _) => {
            Err(at(wrong_type(found, "a number", &kind.example())))
        }
        (Kind::Time { .. }, DeValue::Integer(_) | DeValue::Float(_)) => {
            kind.read(&number(found), false).map_err(at)
        }
        (_, DeValue::String(text)) => kind.read(text, false).map_err(at),
        (Kind::Time { .. }, _) => Err(at(wrong_type(found, "a time in quotes", &kind.example()))),
        _ => Err(at(wrong_type(found, "a text in quotes", &kind.example()))),
    }
}

fn list(
    items: &[Spanned<DeValue<'_>>],
    whole: &Spanned<DeValue<'_>>,
    kind: &Kind,
    what: &str,
) -> Result<Value, (Range<usize>, Reason)> {
    let mut texts: Vec<&str> = Vec::new();
    for item in items {
        let DeValue::String(text) = item.get_ref() else {
            let expected = format!("{what} in quotes");
            let example = what.replace("node name", "name") + " in quotes";
            return Err((item.span(), wrong_type(item.get_ref(), &expected, &example)));
        };
        texts.push(text);
        kind.read_list(&texts).map_err(|reason| (item.span(), reason))?;
    }
    kind.read_list(&texts).map_err(|reason| (whole.span(), reason))
}

fn budgets(table: &DeTable<'_>) -> Result<Value, (Range<usize>, Reason)> {
    let mut budgets = std::collections::BTreeMap::new();
    for (key, value) in super::in_order(table) {
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            found @ (DeValue::Integer(_) | DeValue::Float(_)) => number(found),
            found => {
                return Err((value.span(), wrong_type(found, "a time in quotes", "a time, such as \"10m\"")));
            }
        };
        let (kind, time) = budget(key.get_ref(), &text).map_err(|reason| (key.span(), reason))?;
        budgets.insert(kind, time);
    }
    Ok(Value::Budgets(budgets))
}

/// A number in decimal digits, whatever its base in the file.
fn number(value: &DeValue<'_>) -> String {
    match value {
        DeValue::Integer(integer) => i128::from_str_radix(integer.as_str(), integer.radix())
            .map_or_else(|_| integer.to_string(), |number| number.to_string()),
        DeValue::Float(float) => float.as_str().to_owned(),
        _ => String::new(),
    }
}

fn wrong_type(found: &DeValue<'_>, expected: &str, example: &str) -> Reason {
    let found = match found {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time of day",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    Reason::new(format!("it must be {expected}, not {found}"), format!("write {example}"))
}

/// The value as it stands in the file, on one line, without passwords.
pub(super) fn shown(source: &Source<'_>, kind: &Kind, value: &Spanned<DeValue<'_>>) -> String {
    match value.get_ref() {
        _ if *kind == Kind::Assignments => raw::shown(kind, ""),
        DeValue::String(text) => raw::shown(kind, text),
        _ => excerpt(source, value),
    }
}

/// The value's own text in the file, its first line, cut after 80 characters.
pub(super) fn excerpt(source: &Source<'_>, value: &Spanned<DeValue<'_>>) -> String {
    let text = source.text.get(value.span()).unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let head: String = line.chars().take(80).filter(|c| !c.is_control()).collect();
    if head.len() < text.len() { format!("{head}…") } else { head }
}

/// Relative paths in the file start at the file's own directory.
pub(super) fn from_directory(value: Value, directory: &Path) -> Value {
    match value {
        Value::File(path) => Value::File(directory.join(path)),
        other => other,
    }
}

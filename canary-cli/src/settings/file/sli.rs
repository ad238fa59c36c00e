//! The file's `[[sli]]` entries: the operator's own indicators.

use canary_core::analysis::Number;
use canary_core::spec::Bound;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Source, convert, in_order};
use crate::error::Problem;
use crate::settings::raw::{Gathered, quoted};
use crate::settings::suggest::nearest;

/// One `[[sli]]` that was read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WrittenSli {
    pub(crate) name: String,
    pub(crate) promql: String,
    pub(crate) bound: Bound,
}

const KEYS: [&str; 4] = ["name", "promql", "below", "above"];
const EXAMPLE: &str = "write name, promql, and below or above under [[sli]]";

pub(super) fn read(source: &Source<'_>, value: &Spanned<DeValue<'_>>, gathered: &mut Gathered) {
    let DeValue::Array(entries) = value.get_ref() else {
        let place = source.origin(value.span().start);
        let hint = "write [[sli]] in double brackets, once for each indicator";
        gathered.problems.push(Problem::new(format!("{place}: sli is a list of indicators"), hint));
        return;
    };
    for entry in entries {
        let place = source.origin(entry.span().start);
        let DeValue::Table(table) = entry.get_ref() else {
            gathered.problems.push(Problem::new(format!("{place}: an sli is a table"), EXAMPLE));
            continue;
        };
        let before = gathered.problems.len();
        let sli = one(source, &place.to_string(), table, &mut gathered.problems);
        if let (Some(sli), true) = (sli, gathered.problems.len() == before) {
            if gathered.slis.iter().any(|other| other.name == sli.name) {
                let message = format!("{place}: two indicators are called {}", quoted(&sli.name));
                gathered.problems.push(Problem::new(message, "rename one"));
            }
            gathered.slis.push(sli);
        }
    }
}

fn one(
    source: &Source<'_>,
    place: &str,
    table: &DeTable<'_>,
    problems: &mut Vec<Problem>,
) -> Option<WrittenSli> {
    for (key, _) in in_order(table) {
        let name = key.get_ref().as_ref();
        if !KEYS.contains(&name) {
            let hint = nearest(name, KEYS)
                .map_or_else(|| EXAMPLE.to_owned(), |near| format!("did you mean {near}?"));
            let at = source.origin(key.span().start);
            problems.push(Problem::new(format!("{at}: sli.{name}: there is no such setting"), hint));
        }
    }
    let name = text(source, place, table, "name", problems);
    let promql = text(source, place, table, "promql", problems);
    let below = bound(source, table, "below", problems);
    let above = bound(source, table, "above", problems);
    if let Some(name) = &name
        && (["p95", "error_ratio"].contains(&name.as_str()) || !plain(name))
    {
        let message = format!("{place}: sli.name = {}: the name cannot be used", quoted(name));
        let hint = "use up to 63 letters, digits, '-', '_' and '.'; p95 and error_ratio are taken";
        problems.push(Problem::new(message, hint));
    }
    let bound = match (below, above) {
        (Some(below), None) => Bound::Below(below),
        (None, Some(above)) => Bound::Above(above),
        (Some(_), Some(_)) => {
            problems.push(Problem::new(
                format!("{place}: the indicator has two bounds"),
                "write below or above, not both",
            ));
            return None;
        }
        (None, None) if table.contains_key("below") || table.contains_key("above") => return None,
        (None, None) => {
            problems.push(Problem::new(
                format!("{place}: the indicator has no bound"),
                "write below = NUMBER or above = NUMBER",
            ));
            return None;
        }
    };
    Some(WrittenSli { name: name?, promql: promql?, bound })
}

fn plain(name: &str) -> bool {
    name.len() <= 63 && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

fn text(
    source: &Source<'_>,
    place: &str,
    table: &DeTable<'_>,
    key: &str,
    problems: &mut Vec<Problem>,
) -> Option<String> {
    let Some(value) = table.get(key) else {
        problems.push(Problem::new(format!("{place}: the indicator has no {key}"), EXAMPLE));
        return None;
    };
    match value.get_ref() {
        DeValue::String(text) if !text.trim().is_empty() && text.len() <= 4096 => {
            Some(text.trim().to_owned())
        }
        _ => {
            let at = source.origin(value.span().start);
            let message = format!("{at}: sli.{key} = {}: it must be a text", convert::excerpt(source, value));
            problems.push(Problem::new(message, "write 1 to 4096 bytes in quotes"));
            None
        }
    }
}

fn bound(source: &Source<'_>, table: &DeTable<'_>, key: &str, problems: &mut Vec<Problem>) -> Option<Number> {
    let value = table.get(key)?;
    let number = match value.get_ref() {
        DeValue::Integer(integer) => i128::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .and_then(|number| number.to_string().parse::<Number>().ok()),
        DeValue::Float(float) => float.as_str().parse::<Number>().ok(),
        _ => None,
    };
    if number.is_none() {
        let at = source.origin(value.span().start);
        let message =
            format!("{at}: sli.{key} = {}: it must be a finite number", convert::excerpt(source, value));
        problems.push(Problem::new(message, "write a number such as 0.5, without quotes"));
    }
    number
}

//! Requests and answers of metric queries v2, and the numbers in them. Pure.

use serde_json::{Value, json};

/// One query of a request: `sum:http.requests{env:prod} by {tenant}.as_count()` and how its points become one number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Query {
    pub(crate) text: String,
    pub(crate) aggregator: &'static str,
}

/// `POST /api/v2/query/scalar`: one number a group and query. Times in milliseconds.
pub(crate) fn scalar(queries: &[Query], from: u64, to: u64) -> Value {
    let all = queries.iter().enumerate().map(|(at, query)| {
        json!({ "data_source": "metrics", "query": query.text, "name": format!("q{at}"), "aggregator": query.aggregator })
    });
    json!({ "data": { "type": "scalar_request", "attributes": {
        "from": from, "to": to, "queries": all.collect::<Vec<_>>(), "formulas": formulas(queries.len()),
    } } })
}

/// `POST /api/v2/query/timeseries`: the points of each group and query.
pub(crate) fn timeseries(queries: &[Query], from: u64, to: u64, interval: u64) -> Value {
    let all = queries.iter().enumerate().map(
        |(at, query)| json!({ "data_source": "metrics", "query": query.text, "name": format!("q{at}") }),
    );
    json!({ "data": { "type": "timeseries_request", "attributes": {
        "from": from, "to": to, "interval": interval,
        "queries": all.collect::<Vec<_>>(), "formulas": formulas(queries.len()),
    } } })
}

fn formulas(count: usize) -> Vec<Value> {
    (0..count).map(|at| json!({ "formula": format!("q{at}") })).collect()
}

/// A scalar answer: for each row its group's value, and what each query has there.
pub(crate) type Rows = Vec<(String, Vec<Option<f64>>)>;

/// Reads a scalar answer about `queries` queries that are grouped by one tag.
///
/// # Errors
/// Which part is not as documented.
pub(crate) fn rows(answer: &Value, queries: usize) -> Result<Rows, String> {
    let columns = answer["data"]["attributes"]["columns"].as_array().ok_or("no columns in the answer")?;
    let of = |kind: &str| -> Vec<&Vec<Value>> {
        let its = columns.iter().filter(|column| column["type"] == kind);
        its.filter_map(|column| column["values"].as_array()).collect()
    };
    let (groups, numbers) = (of("group"), of("number"));
    if columns.is_empty()
        || (groups.iter().all(|one| one.is_empty()) && numbers.iter().all(|one| one.is_empty()))
    {
        return Ok(Vec::new());
    }
    let ([groups], true) = (groups.as_slice(), numbers.len() == queries) else {
        return Err(format!(
            "{} group and {} number columns, where 1 and {queries} were asked for",
            groups.len(),
            numbers.len()
        ));
    };
    if numbers.iter().any(|column| column.len() != groups.len()) {
        return Err("columns of different lengths".to_owned());
    }
    let row = |(at, group): (usize, &Value)| {
        let name = group.as_array().and_then(|names| names.first()).unwrap_or(group);
        let name = name.as_str().ok_or("a group without a name")?;
        Ok((name.to_owned(), numbers.iter().map(|column| column[at].as_f64()).collect()))
    };
    groups.iter().enumerate().map(row).collect()
}

/// Reads a scalar answer about `queries` queries that are not grouped: one number each, or none.
///
/// # Errors
/// Which part is not as documented.
pub(crate) fn numbers(answer: &Value, queries: usize) -> Result<Vec<Option<f64>>, String> {
    let columns = answer["data"]["attributes"]["columns"].as_array().ok_or("no columns in the answer")?;
    let of = |column: &Value| match column["values"].as_array().map(Vec::as_slice) {
        Some([] | [Value::Null]) => Ok(None),
        Some([one]) => one.as_f64().map(Some).ok_or_else(|| "a value that is no number".to_owned()),
        _ => Err("not one value in a column that is not grouped".to_owned()),
    };
    let numbers = columns.iter().map(of).collect::<Result<Vec<_>, _>>()?;
    match numbers.len() {
        0 => Ok(vec![None; queries]),
        count if count == queries => Ok(numbers),
        count => Err(format!("{count} columns, where {queries} were asked for")),
    }
}

/// What an answer doubts of itself, beside its data.
pub(crate) fn doubts(answer: &Value) -> Vec<String> {
    let errors = match &answer["errors"] {
        Value::String(text) => vec![text.clone()],
        Value::Array(all) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    errors.into_iter().filter(|text| !text.is_empty()).collect()
}

/// Hundredths of a percent as Datadog writes percentiles: `95`, `99.9`.
pub(crate) fn percent(hundredths: u64) -> String {
    let text = format!("{}.{:02}", hundredths / 100, hundredths % 100);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The points of one query and group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Points {
    /// The value of the tag that is grouped by.
    pub(crate) group: String,
    /// Which query.
    pub(crate) query: usize,
    /// For each interval whether something is in it.
    pub(crate) there: Vec<bool>,
}

/// A timeseries answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Timeseries {
    /// When each interval begins, in milliseconds.
    pub(crate) times: Vec<u64>,
    /// How long they are: the server may have enlarged what was asked for.
    pub(crate) interval: u64,
    pub(crate) points: Vec<Points>,
}

/// Reads a timeseries answer that is grouped by `tag`; `asked` is the interval that was asked for.
///
/// # Errors
/// Which part is not as documented.
pub(crate) fn series(answer: &Value, tag: &str, asked: u64) -> Result<Timeseries, String> {
    let attributes = &answer["data"]["attributes"];
    let times: Option<Vec<u64>> =
        attributes["times"].as_array().map(|times| times.iter().filter_map(Value::as_u64).collect());
    let times = times.ok_or("no times in the answer")?;
    let interval = times.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).min().unwrap_or(asked).max(1);
    let (series, values) = (attributes["series"].as_array(), attributes["values"].as_array());
    let (Some(series), Some(values)) = (series, values) else {
        return Err("no series or values in the answer".to_owned());
    };
    if series.len() != values.len() {
        return Err("not as many values as series".to_owned());
    }
    let point = |(series, values): (&Value, &Value)| {
        let values = values.as_array().filter(|values| values.len() == times.len());
        let values = values.ok_or("values of another length than the times")?;
        let tags = series["group_tags"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let mut named = tags.filter_map(|text| text.strip_prefix(tag)?.strip_prefix(':'));
        let group = named.next().unwrap_or_default().to_owned();
        let query = series["query_index"].as_u64().and_then(|at| usize::try_from(at).ok()).unwrap_or(0);
        Ok(Points { group, query, there: values.iter().map(|value| !value.is_null()).collect() })
    };
    let points = series.iter().zip(values).map(point).collect::<Result<_, String>>()?;
    Ok(Timeseries { times, interval, points })
}

/// A number times `factor` as a whole one; `None` for what is no amount.
pub(crate) fn amount(value: f64, factor: f64) -> Option<u64> {
    let scaled = (value * factor).round();
    // 2^53: above it neither JSON nor this is exact.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 2^53 by the test before"
    )]
    (scaled.is_finite() && (0.0..=9_007_199_254_740_992.0).contains(&scaled)).then_some(scaled as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_a_name_and_a_number_a_query_and_null_is_none() {
        let answer = json!({ "data": { "attributes": { "columns": [
            { "type": "group", "name": "tenant", "values": [["acme"], ["globex"]] },
            { "type": "number", "name": "q0", "values": [10.0, null] },
            { "type": "number", "name": "q1", "values": [1, 2] },
        ] } } });
        let expected = vec![
            ("acme".to_owned(), vec![Some(10.0), Some(1.0)]),
            ("globex".to_owned(), vec![None, Some(2.0)]),
        ];
        assert_eq!(rows(&answer, 2), Ok(expected));
        assert!(rows(&answer, 3).is_err());
        assert!(rows(&json!({ "errors": "x" }), 1).is_err());
        assert_eq!(rows(&json!({ "data": { "attributes": { "columns": [] } } }), 1), Ok(Vec::new()));
    }

    #[test]
    fn percentiles_are_written_as_datadog_writes_them() {
        assert_eq!([9_500, 9_990, 5_000, 9_999].map(percent), ["95", "99.9", "50", "99.99"]);
    }

    #[test]
    fn without_groups_there_is_one_number_a_query_or_none() {
        let answer = |values: [Value; 2]| {
            let column = |values: &Value| json!({ "type": "number", "name": "q", "values": values });
            json!({ "data": { "attributes": { "columns": values.each_ref().map(column) } } })
        };
        assert_eq!(numbers(&answer([json!([1.5]), json!([null])]), 2), Ok(vec![Some(1.5), None]));
        assert_eq!(numbers(&answer([json!([]), json!([])]), 2), Ok(vec![None, None]));
        assert_eq!(numbers(&json!({ "data": { "attributes": { "columns": [] } } }), 2), Ok(vec![None, None]));
        for broken in [answer([json!([1, 2]), json!([1])]), answer([json!(["x"]), json!([1])]), json!({})] {
            assert!(numbers(&broken, 2).is_err(), "{broken}");
        }
        assert!(numbers(&answer([json!([1]), json!([1])]), 3).is_err());
    }

    #[test]
    fn an_enlarged_interval_is_the_one_between_the_times() {
        let answer = json!({ "data": { "attributes": {
            "series": [{ "group_tags": ["env:x", "tenant:a:b"], "query_index": 1 }],
            "times": [1000, 61_000, 121_000], "values": [[1.5, null, 0.0]],
        } } });
        let read = series(&answer, "tenant", 20_000).unwrap();
        assert_eq!(read.interval, 60_000);
        let expected = Points { group: "a:b".to_owned(), query: 1, there: vec![true, false, true] };
        assert_eq!(read.points, [expected]);
        for broken in
            [json!({}), json!({ "data": { "attributes": { "times": [1], "series": [{}], "values": [] } } })]
        {
            assert!(series(&broken, "tenant", 1).is_err());
        }
    }

    #[test]
    fn numbers_that_are_no_amounts_are_none() {
        assert_eq!(amount(0.4125, 1e6), Some(412_500));
        for value in [-1.0, f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(amount(value, 1.0), None);
        }
    }
}

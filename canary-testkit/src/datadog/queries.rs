//! Metric queries v2: scalars and timeseries.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::http::Answer;
use super::metrics::{Query, parse};
use super::{State, Whim};

/// A group's tags, and for each query what it has there.
type Cells = BTreeMap<Vec<String>, Vec<Option<f64>>>;

struct Asked {
    from: u64,
    to: u64,
    interval: u64,
    queries: Vec<Query>,
}

/// `POST /api/v2/query/scalar`.
pub(super) fn scalar(body: &Value, state: &State) -> Answer {
    let asked = match asked(body, "scalar_request", true) {
        Ok(asked) => asked,
        Err(why) => return Answer::refused(400, why),
    };
    let to = asked.to.saturating_sub(state.late);
    let mut rows = Cells::new();
    for (at, query) in asked.queries.iter().enumerate() {
        for (group, points) in query.groups(&state.series, asked.from, to) {
            rows.entry(group).or_insert_with(|| vec![None; asked.queries.len()])[at] = query.reduce(&points);
        }
    }
    let mut columns = Vec::new();
    for (at, tag) in asked.queries[0].by.iter().enumerate() {
        let values: Vec<_> = rows.keys().map(|group| json!([group[at]])).collect();
        columns.push(json!({ "type": "group", "name": tag, "values": values }));
    }
    for at in 0..asked.queries.len() {
        let values: Vec<_> = rows.values().map(|cells| cells[at]).collect();
        columns.push(
            json!({ "type": "number", "name": format!("q{at}"), "meta": { "unit": null }, "values": values }),
        );
    }
    Answer {
        status: 200,
        body: json!({ "data": { "type": "scalar_response", "attributes": { "columns": columns } } }),
    }
}

/// `POST /api/v2/query/timeseries`.
pub(super) fn timeseries(body: &Value, state: &State) -> Answer {
    let asked = match asked(body, "timeseries_request", false) {
        Ok(asked) => asked,
        Err(why) => return Answer::refused(400, why),
    };
    let interval = asked.interval.max(state.least_interval).max(1000);
    let first = asked.from / interval * interval;
    let times: Vec<u64> = (0..).map(|n| first + n * interval).take_while(|time| *time < asked.to).collect();
    let until = asked.to.saturating_sub(state.late);
    let (mut series, mut values) = (Vec::new(), Vec::new());
    for (at, query) in asked.queries.iter().enumerate() {
        for (group, points) in query.groups(&state.series, asked.from, until) {
            let value = |time: &u64| {
                let inside: Vec<_> =
                    points.iter().copied().filter(|(at, _)| (*time..time + interval).contains(at)).collect();
                query.reduce(&inside)
            };
            let tags: Vec<_> =
                query.by.iter().zip(&group).map(|(tag, value)| format!("{tag}:{value}")).collect();
            series.push(json!({ "group_tags": tags, "query_index": at, "unit": null }));
            values.push(times.iter().map(value).collect::<Vec<_>>());
        }
    }
    let attributes = json!({ "series": series, "times": times, "values": values });
    Answer {
        status: 200,
        body: json!({ "data": { "type": "timeseries_response", "attributes": attributes } }),
    }
}

fn asked(body: &Value, kind: &str, scalar: bool) -> Result<Asked, String> {
    if body["data"]["type"] != kind {
        return Err(format!("data.type is not {kind}"));
    }
    let attributes = &body["data"]["attributes"];
    let ms =
        |key: &str| attributes[key].as_u64().ok_or_else(|| format!("{key} is no number of milliseconds"));
    let (from, to) = (ms("from")?, ms("to")?);
    if from >= to || from < 1_000_000_000_000 {
        return Err("from and to are milliseconds, in order".to_owned());
    }
    let queries = attributes["queries"].as_array().filter(|all| !all.is_empty()).ok_or("no queries")?;
    let (mut parsed, mut names) = (Vec::new(), BTreeSet::new());
    for query in queries {
        let aggregators = ["avg", "min", "max", "sum", "last", "percentile", "mean", "l2norm", "area"];
        if query["data_source"] != "metrics" || query["name"].as_str().is_none_or(|name| !names.insert(name))
        {
            return Err("a query has a data source and a name of its own".to_owned());
        }
        if scalar && !aggregators.iter().any(|one| query["aggregator"] == *one) {
            return Err("a scalar query has an aggregator".to_owned());
        }
        parsed.push(parse(query["query"].as_str().unwrap_or_default())?);
    }
    if parsed.iter().any(|query| query.by != parsed[0].by) {
        return Err("queries of one request are grouped by the same tags".to_owned());
    }
    let formulas = attributes["formulas"].as_array().ok_or("no formulas")?;
    let known = |formula: &Value| formula["formula"].as_str().is_some_and(|name| names.contains(name));
    if formulas.len() != parsed.len() || !formulas.iter().all(known) {
        return Err("a formula of each query is asked for".to_owned());
    }
    Ok(Asked { from, to, interval: attributes["interval"].as_u64().unwrap_or(0), queries: parsed })
}

/// Makes a good answer what it was told to be.
pub(super) fn spoil(body: &mut Value, whim: &Whim) {
    match whim {
        Whim::Partly(why) => body["errors"] = json!(why),
        Whim::Twice => {
            let columns = body["data"]["attributes"]["columns"].as_array_mut();
            for values in columns.into_iter().flatten().filter_map(|column| column["values"].as_array_mut()) {
                values.extend(values.first().cloned());
            }
        }
        _ => {}
    }
}

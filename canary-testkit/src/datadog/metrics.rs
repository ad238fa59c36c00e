//! Series, and queries over them.

use std::collections::BTreeMap;

/// What kind of metric a series is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeriesKind {
    /// Events in each interval.
    Count,
    /// A value at a time.
    Gauge,
    /// Single values, of which percentiles are taken.
    Distribution,
}

/// A series.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The metric.
    pub metric: String,
    /// What it is.
    pub kind: SeriesKind,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Points: milliseconds since 1970 and the value.
    pub points: Vec<(u64, f64)>,
}

impl Series {
    /// A series of these points.
    #[must_use]
    pub fn new(kind: SeriesKind, metric: &str, tags: &[(&str, &str)], points: Vec<(u64, f64)>) -> Self {
        let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Self { metric: metric.to_owned(), kind, tags, points }
    }
}

/// A query: `sum:metric{a:b,!c:d*} by {tag}.as_count().fill(null)`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query {
    aggregator: String,
    metric: String,
    filters: Vec<Filter>,
    pub(super) by: Vec<String>,
    counts: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Filter {
    not: bool,
    tag: String,
    values: Vec<String>,
}

pub(super) fn parse(text: &str) -> Result<Query, String> {
    let wrong = || format!("Error parsing query: unable to parse {text}");
    let (aggregator, rest) = text.split_once(':').ok_or_else(wrong)?;
    let percentile = aggregator.strip_prefix('p').is_some_and(|p| p.parse::<f64>().is_ok_and(|p| p < 100.0));
    if !percentile && !matches!(aggregator, "avg" | "sum" | "min" | "max" | "count") {
        return Err(wrong());
    }
    let (metric, rest) = rest.split_once('{').ok_or_else(wrong)?;
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    if !metric.starts_with(|c: char| c.is_ascii_alphabetic()) || !metric.chars().all(named) {
        return Err(wrong());
    }
    let (filters, mut rest) = rest.split_once('}').ok_or_else(wrong)?;
    let mut by = Vec::new();
    if let Some(grouped) = rest.strip_prefix(" by {") {
        let (tags, after) = grouped.split_once('}').ok_or_else(wrong)?;
        by = tags.split(',').map(str::to_owned).collect();
        rest = after;
    }
    let mut counts = false;
    while !rest.is_empty() {
        let function = rest.strip_prefix('.').and_then(|rest| rest.split_once(')')).ok_or_else(wrong)?;
        match function.0 {
            "as_count(" => counts = true,
            "fill(null" => {}
            _ => return Err(wrong()),
        }
        rest = function.1;
    }
    let filters = parse_filters(filters).ok_or_else(wrong)?;
    Ok(Query { aggregator: aggregator.to_owned(), metric: metric.to_owned(), filters, by, counts })
}

fn parse_filters(text: &str) -> Option<Vec<Filter>> {
    if text == "*" {
        return Some(Vec::new());
    }
    let mut filters = Vec::new();
    // Either operators that are signs (`,` and `!`) or those that are words (AND, NOT, IN); they are not mixed.
    let words = text.contains(" AND ") || text.contains(" IN (") || text.starts_with("NOT ");
    let parts: Vec<&str> = if words { text.split(" AND ").collect() } else { text.split(',').collect() };
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-./:*".contains(c);
    let fit = |tag: &str, values: &[String]| {
        let sound = |value: &String| !value.is_empty() && value.chars().all(fits);
        !tag.is_empty() && tag.chars().all(fits) && !values.is_empty() && values.iter().all(sound)
    };
    for part in parts {
        let (not, rest) = match part.strip_prefix(if words { "NOT " } else { "!" }) {
            Some(rest) => (true, rest),
            None => (false, part),
        };
        let (tag, values) = match rest.split_once(" IN (") {
            Some((tag, values)) => (tag, values.strip_suffix(')')?.split(',').map(str::to_owned).collect()),
            None => rest.split_once(':').map(|(tag, value)| (tag, vec![value.to_owned()]))?,
        };
        if !fit(tag, &values) {
            return None;
        }
        filters.push(Filter { not, tag: tag.to_owned(), values });
    }
    Some(filters)
}

fn like(pattern: &str, value: &str) -> bool {
    match pattern.split_once('*') {
        Some((start, end)) => {
            value.len() >= start.len() + end.len() && value.starts_with(start) && value.ends_with(end)
        }
        None => pattern == value,
    }
}

impl Query {
    fn wants(&self, series: &Series) -> bool {
        let fits = |filter: &Filter| {
            let value = series.tags.get(&filter.tag);
            let any = value.is_some_and(|value| filter.values.iter().any(|pattern| like(pattern, value)));
            any != filter.not
        };
        series.metric == self.metric && self.filters.iter().all(fits)
    }

    /// The points of each group in `from..to`; a series without a tag that is grouped by is `N/A` there.
    pub(super) fn groups(
        &self,
        all: &[Series],
        from: u64,
        to: u64,
    ) -> BTreeMap<Vec<String>, Vec<(u64, f64)>> {
        let mut groups: BTreeMap<Vec<String>, Vec<(u64, f64)>> = BTreeMap::new();
        for series in all.iter().filter(|series| self.wants(series)) {
            let name = |tag: &String| series.tags.get(tag).cloned().unwrap_or_else(|| "N/A".to_owned());
            let points = series.points.iter().copied().filter(|(time, _)| (from..to).contains(time));
            let points: Vec<_> = points.collect();
            if !points.is_empty() {
                groups.entry(self.by.iter().map(name).collect()).or_default().extend(points);
            }
        }
        groups
    }

    /// What the points of one group and one interval come to.
    pub(super) fn reduce(&self, points: &[(u64, f64)]) -> Option<f64> {
        let mut values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
        values.sort_by(f64::total_cmp);
        let last = values.last().copied()?;
        let sum: f64 = values.iter().sum();
        #[expect(clippy::cast_precision_loss, reason = "so many points are no test's")]
        let count = values.len() as f64;
        Some(match self.aggregator.as_str() {
            "sum" => sum,
            "max" => last,
            "min" => values[0],
            "count" => count,
            "avg" if self.counts => sum,
            "avg" => sum / count,
            percentile => {
                let p: f64 = percentile[1..].parse().ok()?;
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to the count")]
                let rank = (p / 100.0 * count).ceil() as usize;
                values[rank.clamp(1, values.len()) - 1]
            }
        })
    }
}

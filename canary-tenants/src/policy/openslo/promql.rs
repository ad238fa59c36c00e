//! The selectors in the queries that SLOs are usually written with.

use crate::policy::amount::Unit;
use crate::policy::selector::Selector;

/// What a query reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Query {
    /// Series, whatever stands around them.
    Series(Selector),
    /// A quantile, in ppm, of a histogram (its name without `_bucket`).
    Quantile(u64, Selector),
}

/// Functions and aggregations that the check puts around a selector itself.
const WRAPPERS: &[&str] = &["sum", "rate", "irate", "increase", "max", "max_over_time"];

/// Finds the selector of a query of known form.
pub(super) fn read(query: &str) -> Option<Query> {
    let query = query.trim();
    let Some(inside) = call(query, "histogram_quantile") else { return peel(query).map(Query::Series) };
    let (q, rest) = inside.split_once(',')?;
    let q = Unit::Ppm.parse(q).ok()?;
    let mut selector = peel(rest)?;
    selector.metric = selector.metric.strip_suffix("_bucket")?.to_owned();
    Some(Query::Quantile(q, selector))
}

fn peel(query: &str) -> Option<Selector> {
    let mut text = query.trim();
    loop {
        let inner = WRAPPERS.iter().find_map(|name| call(text, name));
        match inner {
            Some(inner) => text = inner.trim(),
            None => break,
        }
    }
    if let Some((before, range)) = text.rsplit_once('[')
        && range.ends_with(']')
    {
        text = before;
    }
    text.parse().ok()
}

/// What stands in the parentheses of `name(…)`, `name by (…) (…)` or `name(…) by (…)`, when that is all there is.
fn call<'q>(text: &'q str, name: &str) -> Option<&'q str> {
    let rest = text.strip_prefix(name)?.trim_start();
    let rest = match rest.strip_prefix("by") {
        Some(grouped) => parenthesised(grouped.trim_start())?.1.trim_start(),
        None => rest,
    };
    let (inside, after) = parenthesised(rest)?;
    let after = after.trim();
    let grouped = after.strip_prefix("by").and_then(|by| parenthesised(by.trim_start()));
    (after.is_empty() || grouped.is_some_and(|(_, after)| after.trim().is_empty())).then_some(inside)
}

/// The text in the first parentheses, and what follows them; quotes are gone past.
fn parenthesised(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('(')?;
    let (mut depth, mut quote, mut escaped) = (1, None, false);
    for (at, c) in inside.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => {
                depth -= 1;
                if depth == 0 {
                    return Some((&inside[..at], &inside[at + 1..]));
                }
            }
            (None, _) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_found_in_what_stands_around_them() {
        for (query, metric) in [
            ("x", "x"),
            ("sum(rate(x{a=\")\"}[5m]))", "x{a=\")\"}"),
            ("sum by (job, tenant) (increase(x[{{.window}}]))", "x"),
            ("sum(x) by (job)", "x"),
        ] {
            assert_eq!(read(query), Some(Query::Series(metric.parse().unwrap())), "{query}");
        }
        let quantile = "histogram_quantile(0.95, sum by (le) (rate(d_bucket{job=\"api\"}[5m])))";
        assert_eq!(read(quantile), Some(Query::Quantile(950_000, "d{job=\"api\"}".parse().unwrap())));
        for query in [
            "sum(x) / sum(y)",
            "x or vector(0)",
            "avg(x)",
            "histogram_quantile(0.5, x)",
            "sum(x",
            "sum(x) by",
        ] {
            assert_eq!(read(query), None, "{query}");
        }
    }
}

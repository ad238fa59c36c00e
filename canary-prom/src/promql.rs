//! Builds PromQL text: the one place where names and values from outside enter it, escaped.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use canary_core::fleet::{MetricName, NodeId};
pub(crate) use canary_tenants::policy::literal as string;

/// A text as a regular expression (RE2) that matches just it.
///
/// Special characters become classes of one (`[.]`) rather than backslash pairs, so that the result means the same in
/// every kind of PromQL string; only `^` and `\` cannot be written so.
pub(crate) fn quote_meta(text: &str) -> String {
    let mut regex = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '^' | '\\' => regex.extend(['\\', c]),
            '.' | '+' | '*' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '$' => {
                regex.extend(['[', c, ']']);
            }
            c => regex.push(c),
        }
    }
    regex
}

/// A regular expression for the nodes' label values: the name alone, or the name and a port, as `instance` has it.
///
/// PromQL anchors regular expressions at both ends. No nodes: matches nothing.
pub(crate) fn node_regex(nodes: &[NodeId]) -> String {
    if nodes.is_empty() {
        return "a^".to_owned();
    }
    let names: Vec<String> = nodes.iter().map(|node| quote_meta(node.as_str())).collect();
    format!("(?:{})(?::[0-9]+)?", names.join("|"))
}

/// The node whose name a label's value is, as [`node_regex`] matches it, and what follows the name there.
pub(crate) fn node_of<'a, 'b>(value: &'b str, nodes: &'a [NodeId]) -> Option<(&'a NodeId, &'b str)> {
    let port = |rest: &str| {
        rest.strip_prefix(':')
            .is_some_and(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
    };
    nodes.iter().find_map(|node| {
        let rest = value.strip_prefix(node.as_str())?;
        (rest.is_empty() || port(rest)).then_some((node, rest))
    })
}

/// A duration as PromQL writes it, in whole milliseconds.
pub(crate) fn duration(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

/// A metric and what its labels must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selector {
    metric: String,
    matchers: Vec<String>,
}

impl Selector {
    /// Everything of a metric, its name followed by `suffix` (`_bucket`).
    pub(crate) fn new(metric: &MetricName, suffix: &str) -> Self {
        Self { metric: format!("{metric}{suffix}"), matchers: Vec::new() }
    }

    /// The one series among these that has exactly these labels, as a reply gives them.
    pub(crate) fn narrowed(&self, labels: &BTreeMap<String, String>) -> Self {
        let labels = labels.iter().filter(|(name, _)| *name != "__name__");
        let matchers = labels.map(|(name, value)| format!("{name}={}", string(value))).collect();
        Self { metric: self.metric.clone(), matchers }
    }

    /// Also demands that a label has this value.
    pub(crate) fn equal(mut self, label: &MetricName, value: &str) -> Self {
        self.matchers.push(format!("{label}={}", string(value)));
        self
    }

    /// Also demands that a label matches this regular expression.
    pub(crate) fn matching(mut self, label: impl fmt::Display, regex: &str) -> Self {
        self.matchers.push(format!("{label}=~{}", string(regex)));
        self
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.metric)?;
        if self.matchers.is_empty() { Ok(()) } else { write!(f, "{{{}}}", self.matchers.join(",")) }
    }
}

/// The operator's expression with `$window` and `$nodes` filled in.
pub(crate) fn fill(expression: &str, window: Duration, nodes: &str) -> String {
    expression.replace("$window", &duration(window)).replace("$nodes", nodes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(names: &[&str]) -> Vec<NodeId> {
        names.iter().map(|name| NodeId::new(name).unwrap()).collect()
    }

    #[test]
    fn hostile_values_stay_inside_their_string() {
        assert_eq!(string("a\"} or vector(1) #"), r#""a\"} or vector(1) #""#);
        assert_eq!(string("a\\\n\u{1}é"), "\"a\\\\\\n\\u0001é\"");
    }

    #[test]
    fn nodes_match_by_name_with_or_without_a_port() {
        assert_eq!(node_regex(&nodes(&["a-1", "10.0.0.1"])), "(?:a-1|10[.]0[.]0[.]1)(?::[0-9]+)?");
        assert_eq!(quote_meta("a^b\\c(d)"), "a\\^b\\\\c[(]d[)]");
        let all = nodes(&["a-1", "a-10", "10.0.0.1"]);
        let found = |value| node_of(value, &all).map(|(node, rest)| (node.as_str(), rest));
        assert_eq!(found("a-1"), Some(("a-1", "")));
        assert_eq!(found("a-10:8080"), Some(("a-10", ":8080")));
        assert_eq!(found("10.0.0.1:1"), Some(("10.0.0.1", ":1")));
        for other in ["", "a-", "a-1:", "a-1:x", "a-1 ", "A-1", "a-1:1:1", "10x0x0x1"] {
            assert_eq!(found(other), None, "{other}");
        }
    }

    #[test]
    fn selectors_and_expressions_are_filled() {
        let metric = MetricName::new("http_requests_total").unwrap();
        let label = MetricName::new("instance").unwrap();
        let all = Selector::new(&metric, "");
        assert_eq!(all.to_string(), "http_requests_total");
        let some = all.equal(&label, "x\"y").matching(&label, "^a\\.b");
        assert_eq!(some.to_string(), r#"http_requests_total{instance="x\"y",instance=~"^a\\.b"}"#);
        let text = fill("sum(rate(x{node=~'$nodes'}[$window]))", Duration::from_millis(5000), "a|b");
        assert_eq!(text, "sum(rate(x{node=~'a|b'}[5000ms]))");
    }
}

//! The text forms: Prometheus 0.0.4, which node_exporter's textfile collector reads, and OpenMetrics 1.0.0.
//!
//! Written by hand because the two differ only in the names of counters and the last line, and the libraries write one:
//! the collector refuses a file with OpenMetrics' own types in it.

use std::fmt::Write as _;

/// Which of the text forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Prometheus' text format 0.0.4.
    Prometheus,
    /// `OpenMetrics` 1.0.0.
    OpenMetrics,
}

impl Dialect {
    /// The form's content type.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// What a family of metrics is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    /// Only grows; its name ends in `_total`.
    Counter,
    /// Any value.
    Gauge,
    /// Buckets, a sum and a count.
    Histogram,
}

/// A page of metrics.
pub(crate) struct Page {
    dialect: Dialect,
    text: String,
}

impl Page {
    pub(crate) const fn new(dialect: Dialect) -> Self {
        Self { dialect, text: String::new() }
    }

    /// Begins a family; its samples follow.
    pub(crate) fn family(&mut self, name: &str, kind: Type, help: &str) {
        let (word, family) = match (kind, self.dialect) {
            (Type::Counter, Dialect::OpenMetrics) => ("counter", name.trim_end_matches("_total")),
            (Type::Counter, Dialect::Prometheus) => ("counter", name),
            (Type::Gauge, _) => ("gauge", name),
            (Type::Histogram, _) => ("histogram", name),
        };
        // proof: writing to a String cannot fail.
        let _ = write!(self.text, "# HELP {family} {help}\n# TYPE {family} {word}\n");
    }

    /// A sample of the family at hand.
    pub(crate) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.text.push_str(name);
        for (i, (label, value)) in labels.iter().enumerate() {
            let _ = write!(self.text, "{}{label}=\"{}\"", if i == 0 { '{' } else { ',' }, escaped(value));
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }

    /// The whole page.
    pub(crate) fn end(mut self) -> String {
        if self.dialect == Dialect::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

/// A label's value: backslash, quote and line feed are escaped.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

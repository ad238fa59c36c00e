//! What an objective reads at a Datadog: metrics and tags, never a query as text.

use std::fmt;
use std::str::FromStr;

use super::file::{Objective, ObjectiveKind};
use super::selector::VERSION;

/// A metric with the tags its series must have: `http.requests{env:prod,!status:2*}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagSelector {
    /// The metric.
    pub metric: String,
    /// The tags, in the order written.
    pub filters: Vec<TagFilter>,
}

/// One tag that series must have, or must not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagFilter {
    /// Whether series must not have it.
    pub not: bool,
    /// The tag's key.
    pub key: String,
    /// Its value; `*` stands for any characters, `$canary_version` for the version that is checked.
    pub value: String,
}

/// What an objective reads at sources of the kind `datadog`, where it says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatadogForm {
    /// Of a quantile: a distribution.
    Distribution {
        /// The distribution.
        metric: TagSelector,
        /// Its unit, in nanoseconds.
        unit: u64,
    },
    /// Of a ratio: two counts.
    Counts {
        /// Some of all events.
        part: TagSelector,
        /// Whether those are the good ones.
        good: bool,
        /// All of them.
        total: TagSelector,
    },
    /// Of a value: a gauge.
    Gauge {
        /// The gauge.
        metric: TagSelector,
    },
}

/// Says why a text names no metric with tags.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TagSelectorError(String);

impl FromStr for TagSelector {
    type Err = TagSelectorError;

    fn from_str(text: &str) -> Result<Self, TagSelectorError> {
        let wrong = |why: String| Err(TagSelectorError(why));
        let text = text.trim();
        let (metric, filters) = match text.split_once('{') {
            Some((metric, rest)) => match rest.strip_suffix('}') {
                Some(filters) => (metric, filters),
                None => {
                    return wrong(
                        "nothing stands after `{…}`: grouping and functions are added by the check"
                            .to_owned(),
                    );
                }
            },
            None => (text, ""),
        };
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
        let fits = metric.len() <= 200 && metric.chars().all(named);
        if !fits || !metric.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return wrong(
                "no metric's name at its start (no aggregator either: the check adds it)".to_owned(),
            );
        }
        let all = filters.split(',').map(str::trim).filter(|part| !part.is_empty() && *part != "*");
        let filters = all.map(filter).collect::<Result<_, _>>()?;
        Ok(Self { metric: metric.to_owned(), filters })
    }
}

fn filter(text: &str) -> Result<TagFilter, TagSelectorError> {
    let (not, pair) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
    let Some((key, value)) = pair.split_once(':') else {
        return Err(TagSelectorError(format!("`{text}` is no `key:value`")));
    };
    if !tag(key, false) || !(value == VERSION || tag(value, true)) {
        let why =
            format!("`{text}` has characters that a tag cannot have here: letters, digits and _-./ it can");
        return Err(TagSelectorError(why));
    }
    Ok(TagFilter { not, key: key.to_owned(), value: value.to_owned() })
}

/// Whether a text can be a tag's key or value as it is, without quoting.
fn tag(text: &str, value: bool) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c) || (value && ":*".contains(c));
    !text.is_empty() && text.len() <= 200 && text.chars().all(fits)
}

impl fmt::Display for TagSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{{", self.metric)?;
        if self.filters.is_empty() {
            f.write_str("*")?;
        }
        for (i, filter) in self.filters.iter().enumerate() {
            let (comma, not) = (if i == 0 { "" } else { "," }, if filter.not { "!" } else { "" });
            write!(f, "{comma}{not}{}:{}", filter.key, filter.value)?;
        }
        f.write_str("}")
    }
}

impl TagSelector {
    /// As a query has it, with the version that is checked.
    ///
    /// # Errors
    /// When a filter is by version and none was given, or one that cannot be a tag's value.
    pub fn at(&self, version: Option<&str>) -> Result<String, TagSelectorError> {
        if !self.filters.iter().any(|filter| filter.value == VERSION) {
            return Ok(self.to_string());
        }
        let Some(version) = version else {
            return Err(TagSelectorError(format!("{self} is by {VERSION}, and no version was given")));
        };
        if !tag(version, true) || version.contains('*') {
            return Err(TagSelectorError(format!("the version {version:?} cannot be a tag's value")));
        }
        // Datadog keeps tags in small letters.
        let version = version.to_ascii_lowercase();
        let mut named = self.clone();
        for filter in named.filters.iter_mut().filter(|filter| filter.value == VERSION) {
            filter.value.clone_from(&version);
        }
        Ok(named.to_string())
    }
}

impl Objective {
    /// Whether it needs a form of its own to be measured at a Datadog.
    #[must_use]
    pub const fn lacks_datadog(&self) -> bool {
        let measured = matches!(
            self.kind,
            ObjectiveKind::Quantile { .. } | ObjectiveKind::Ratio { .. } | ObjectiveKind::Value { .. }
        );
        measured && self.datadog.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_with_tags_is_read_and_shown() {
        for (text, shown) in [
            ("http.requests", "http.requests{*}"),
            ("http.requests{*}", "http.requests{*}"),
            (" a_b.c { env:prod , !status:5* } ", "a_b.c { env:prod , !status:5* }"),
            ("a.b{env:prod, !status:2*}", "a.b{env:prod,!status:2*}"),
            ("a.b{version:$canary_version}", "a.b{version:$canary_version}"),
        ] {
            match text.parse::<TagSelector>() {
                Ok(selector) => assert_eq!(selector.to_string(), shown),
                Err(error) => assert!(text.contains(" {"), "{text}: {error}"),
            }
        }
    }

    #[test]
    fn nothing_else_of_a_query_comes_in() {
        for text in [
            "",
            "sum:a.b{*}",
            "a.b{*} by {tenant}",
            "a.b{*}.as_count()",
            "a.b{x}",
            "a.b{x:}",
            "a.b{x:1} OR {y:2}",
            "a.b{x:a b}",
            "a.b{x:\"q\"}",
            "a.b{x:1}}",
            "1a{*}",
            "a.b{x:$other}",
        ] {
            assert!(text.parse::<TagSelector>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_version_is_a_value_and_nothing_more() {
        let selector: TagSelector = "a.b{version:$canary_version}".parse().unwrap();
        assert_eq!(selector.at(Some("v2.14.3-RC1")).unwrap(), "a.b{version:v2.14.3-rc1}");
        for version in [None, Some(""), Some("*"), Some("1} by {x"), Some("a,b:c")] {
            assert!(selector.at(version).is_err(), "{version:?}");
        }
        let plain: TagSelector = "a.b".parse().unwrap();
        assert_eq!(plain.at(None).unwrap(), "a.b{*}");
    }
}

//! Which series an objective reads: a metric and what its labels must be, never PromQL as text.

use std::fmt::{self, Write as _};
use std::str::FromStr;

/// What stands in a matcher for the version that is checked (`--canary-version`).
pub const VERSION: &str = "$canary_version";

/// A metric with matchers: `http_requests_total{job="api",status=~"5.."}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    /// The metric.
    pub metric: String,
    /// What its labels must be, in the order written.
    pub matchers: Vec<Matcher>,
}

/// What one label must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matcher {
    /// The label.
    pub label: String,
    /// How it is compared.
    pub operator: Operator,
    /// With what; for regular expressions one of RE2, anchored at both ends.
    pub value: String,
}

/// How a label is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Matches,
    /// `!~`
    NotMatches,
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Matches => "=~",
            Self::NotMatches => "!~",
        })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.metric)?;
        if self.matchers.is_empty() {
            return Ok(());
        }
        for (i, matcher) in self.matchers.iter().enumerate() {
            f.write_str(if i == 0 { "{" } else { "," })?;
            write!(f, "{}{}{}", matcher.label, matcher.operator, literal(&matcher.value))?;
        }
        f.write_str("}")
    }
}

/// A PromQL string literal of any text, quotes included (Prometheus documentation, querying basics, "String literals").
#[must_use]
pub fn literal(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    text.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '\n' => text.push_str("\\n"),
            // proof: writing to a String cannot fail, so the result says nothing.
            c if c.is_control() => {
                let _ = write!(text, "\\u{:04x}", u32::from(c));
            }
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

/// Says why a text is no selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SelectorError(String);

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let mut rest = Rest(text.trim());
        let metric =
            rest.name(true).ok_or_else(|| SelectorError("no metric's name at its start".to_owned()))?;
        let mut matchers = Vec::new();
        if rest.skip("{") {
            while !rest.skip("}") {
                matchers.push(rest.matcher()?);
                if !rest.skip(",") && !rest.0.starts_with('}') {
                    return Err(SelectorError("no `,` or `}` after a matcher".to_owned()));
                }
            }
        }
        if rest.0.is_empty() {
            return Ok(Self { metric, matchers });
        }
        let start: String = rest.0.chars().take(20).collect();
        Err(SelectorError(format!(
            "`{start}` after the selector; functions and ranges are added by the check"
        )))
    }
}

struct Rest<'a>(&'a str);

impl Rest<'_> {
    /// Goes past `token` and the blanks after it.
    fn skip(&mut self, token: &str) -> bool {
        match self.0.strip_prefix(token) {
            Some(rest) => {
                self.0 = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn name(&mut self, colons: bool) -> Option<String> {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || (colons && c == ':');
        let end = self.0.find(|c| !fits(c)).unwrap_or(self.0.len());
        let (name, rest) = self.0.split_at(end);
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        self.0 = rest.trim_start();
        Some(name.to_owned())
    }

    fn matcher(&mut self) -> Result<Matcher, SelectorError> {
        let label =
            self.name(false).ok_or_else(|| SelectorError("no label's name in the braces".to_owned()))?;
        let all = [
            ("=~", Operator::Matches),
            ("!~", Operator::NotMatches),
            ("!=", Operator::NotEqual),
            ("=", Operator::Equal),
        ];
        let found = all.into_iter().find(|(token, _)| self.skip(token));
        let (_, operator) =
            found.ok_or_else(|| SelectorError(format!("no =, !=, =~ or !~ after `{label}`")))?;
        let value = self.string().map_err(|why| SelectorError(format!("the value of `{label}`: {why}")))?;
        Ok(Matcher { label, operator, value })
    }

    fn string(&mut self) -> Result<String, &'static str> {
        let quote = self.0.chars().next().filter(|c| matches!(c, '"' | '\'')).ok_or("no quote before it")?;
        let mut value = String::new();
        let mut chars = self.0.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                c if c == quote => {
                    self.0 = self.0[at + 1..].trim_start();
                    return Ok(value);
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, c @ ('\\' | '"' | '\''))) => value.push(c),
                    _ => return Err("an escape other than \\\\, \\\", \\' and \\n"),
                },
                '\n' => return Err("a line end in it"),
                c => value.push(c),
            }
        }
        Err("no quote after it")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn selectors_are_read_and_written() {
        for (text, written) in [
            ("up", "up"),
            (" a:b_c { } ", "a:b_c"),
            ("x{a='1', b!=\"\\\"\" ,c=~'5..',d!~\"\",}", "x{a=\"1\",b!=\"\\\"\",c=~\"5..\",d!~\"\"}"),
        ] {
            assert_eq!(text.parse::<Selector>().unwrap().to_string(), written);
        }
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for (text, part) in [
            ("", "no metric"),
            ("{a='1'}", "no metric"),
            ("1x", "no metric"),
            ("rate(x[5m])", "functions"),
            ("x[5m]", "functions"),
            ("x{a}", "no =, !="),
            ("x{a=1}", "no quote before"),
            ("x{a='1}", "no quote after"),
            ("x{a='\\d'}", "escape"),
            ("x{a='1' b='2'}", "no `,`"),
            ("x{a='1'", "no `,`"),
            ("x{a='1'} or vector(1)", "functions"),
        ] {
            let error = text.parse::<Selector>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn values_stay_inside_their_string(value in "[^\\p{Cc}]*|[\n\"'\\\\{},=]*") {
            let selector = Selector {
                metric: "m".to_owned(),
                matchers: vec![Matcher { label: "l".to_owned(), operator: Operator::Equal, value }],
            };
            prop_assert_eq!(selector.to_string().parse::<Selector>(), Ok(selector));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            let _ = text.parse::<Selector>();
        }
    }
}

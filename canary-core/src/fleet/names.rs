//! Names that are safe by construction: after parsing, none can carry a command into a backend.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Says which name was refused and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not a valid {what}: {why}")]
pub struct NameError {
    /// What the value should have been, in the field's words (`node name`, `pool name`).
    pub what: &'static str,
    /// The refused value.
    pub value: String,
    /// The rule it breaks.
    pub why: String,
}

/// Checks `value` against a length limit and a set of characters.
fn checked<'a>(
    what: &'static str,
    value: &'a str,
    max: usize,
    first: fn(char) -> bool,
    rest: fn(char) -> bool,
    allowed: &str,
) -> Result<&'a str, NameError> {
    let refuse = |why: String| Err(NameError { what, value: value.to_owned(), why });
    let Some(head) = value.chars().next() else {
        return refuse("it is empty".to_owned());
    };
    if value.len() > max {
        return refuse(format!("it has {} bytes, at most {max} are allowed", value.len()));
    }
    if !first(head) {
        return refuse(format!("it must not start with {head:?}"));
    }
    match value.chars().find(|c| !rest(*c)) {
        Some(bad) => refuse(format!("{bad:?} is not allowed; use {allowed}")),
        None => Ok(value),
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $max:literal, $first:expr, $rest:expr, $allowed:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Arc<str>);

        impl $type {
            /// Checks and wraps a name.
            ///
            /// # Errors
            /// [`NameError`] naming the value and the rule it breaks.
            pub fn new(value: impl AsRef<str>) -> Result<Self, NameError> {
                checked($what, value.as_ref(), $max, $first, $rest, $allowed).map(|checked| Self(checked.into()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl FromStr for $type {
            type Err = NameError;

            fn from_str(value: &str) -> Result<Self, NameError> {
                Self::new(value)
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;

            fn try_from(value: String) -> Result<Self, NameError> {
                Self::new(value)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0.as_ref().to_owned()
            }
        }
    };
}

name!(
    /// The name of a node: the balancer's server name and the runtime's instance name.
    ///
    /// 1 to 63 bytes of ASCII letters, digits, `-`, `_` and `.`, starting with a letter or digit: what HAProxy
    /// accepts as a server name and can be put on its command line or into a URL path unescaped.
    NodeId, "node name", 63,
    |c| c.is_ascii_alphanumeric(),
    |c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'),
    "letters, digits, '-', '_' and '.'"
);

name!(
    /// The name of a pool: HAProxy's `backend`.
    ///
    /// 1 to 63 bytes of ASCII letters, digits, `-`, `_` and `.`, starting with a letter or digit.
    PoolName, "pool name", 63,
    |c| c.is_ascii_alphanumeric(),
    |c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'),
    "letters, digits, '-', '_' and '.'"
);

name!(
    /// The name under which rollouts of one service are recorded; it names a directory.
    ///
    /// 1 to 63 bytes of ASCII letters, digits, `-`, `_` and `.`, starting with a letter or digit.
    ServiceName, "service name", 63,
    |c| c.is_ascii_alphanumeric(),
    |c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'),
    "letters, digits, '-', '_' and '.'"
);

name!(
    /// The name of a systemd unit, with or without its `.service` ending.
    ///
    /// 1 to 255 bytes (systemd.unit(5), "UNIT FILE FORMAT": letters, digits, `:`, `-`, `_`, `.`, `@`, `\`);
    /// here without `\` and not starting with `-`.
    UnitName, "systemd unit name", 255,
    |c| c.is_ascii_alphanumeric() || c == '_',
    |c| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_' | '.' | '@'),
    "letters, digits, ':', '-', '_', '.' and '@'"
);

name!(
    /// The name of a metric or label: `[a-zA-Z_:][a-zA-Z0-9_:]*`, 1 to 255 bytes.
    MetricName, "metric name", 255,
    |c| c.is_ascii_alphabetic() || matches!(c, '_' | ':'),
    |c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':'),
    "letters, digits, '_' and ':'"
);

name!(
    /// A revision of the sources: a commit, branch or tag, as `git` is given it on its command line.
    ///
    /// 1 to 200 bytes of ASCII letters, digits and `-_./+@`, not starting with a sign that is an option to a program.
    Revision, "revision", 200,
    |c| c.is_ascii_alphanumeric() || c == '_',
    |c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '+' | '@'),
    "letters, digits, '-', '_', '.', '/', '+' and '@'"
);

name!(
    /// The path (and query) of an HTTP request: starts with `/`, printable ASCII without blanks, quotes or `#`.
    HttpPath, "HTTP path", 1024,
    |c| c == '/',
    |c| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '`' | '#' | '<' | '>' | '\\' | '^' | '{' | '|' | '}'),
    "printable ASCII as it stands in a URL; percent-encode the rest"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_refused() {
        for bad in ["", "a;b", "a\nb", "$(x)", "-a", ".a", "a b", "a/b", "ä", &"x".repeat(64)] {
            assert!(NodeId::new(bad).is_err(), "{bad:?} was accepted");
            assert!(PoolName::new(bad).is_err(), "{bad:?} was accepted");
        }
        assert_eq!(
            NodeId::new("a;b").unwrap_err().to_string(),
            "\"a;b\" is not a valid node name: ';' is not allowed; use letters, digits, '-', '_' and '.'"
        );
    }

    #[test]
    fn usual_names_pass() {
        for good in ["backend-api-1", "srv_2", "10.0.0.1", "a"] {
            assert_eq!(NodeId::new(good).unwrap().as_str(), good);
        }
        assert!(HttpPath::new("/api/v1/health?full=1").is_ok());
        assert!(HttpPath::new("api").is_err());
        assert!(HttpPath::new("/a b").is_err());
        assert!(UnitName::new("veza-backend-api@1.service").is_ok());
        assert!(MetricName::new("veza:http_requests_total").is_ok());
        assert!(MetricName::new("up{").is_err());
    }
}

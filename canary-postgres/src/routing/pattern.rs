//! Schemas by their names.

use std::fmt;

/// Which schemas of a database are tenants: a LIKE pattern (`tenant\_%`), or a regular expression between slashes
/// (`/^tenant_[0-9]+$/`), both PostgreSQL's. The system's own schemas never are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaPattern(Form);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    Like(String),
    Regex(String),
}

/// A text that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no pattern of schema names: a LIKE pattern (tenant_%), or a regular expression between slashes (/^tenant_[0-9]+$/)"
)]
pub struct BadPattern(String);

impl SchemaPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// It is empty, has a zero byte, or opens a regular expression that it does not close.
    pub fn parse(text: &str) -> Result<Self, BadPattern> {
        let bad = || BadPattern(text.to_owned());
        if text.is_empty() || text.contains('\0') || text.ends_with('\\') {
            return Err(bad());
        }
        let Some(rest) = text.strip_prefix('/') else {
            return Ok(Self(Form::Like(text.to_owned())));
        };
        match rest.strip_suffix('/') {
            Some(regex) if !regex.is_empty() => Ok(Self(Form::Regex(regex.to_owned()))),
            _ => Err(bad()),
        }
    }

    /// The query for the names, and its parameter.
    pub(crate) fn query(&self) -> (&'static str, &str) {
        match &self.0 {
            Form::Like(pattern) => (
                "SELECT nspname::text FROM pg_namespace WHERE nspname LIKE $1 AND nspname !~ '^pg_' \
                 AND nspname <> 'information_schema' ORDER BY nspname",
                pattern,
            ),
            Form::Regex(pattern) => (
                "SELECT nspname::text FROM pg_namespace WHERE nspname ~ $1 AND nspname !~ '^pg_' \
                 AND nspname <> 'information_schema' ORDER BY nspname",
                pattern,
            ),
        }
    }
}

impl fmt::Display for SchemaPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Like(pattern) => f.write_str(pattern),
            Form::Regex(pattern) => write!(f, "/{pattern}/"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_forms_and_no_other() {
        for good in ["tenant_%", "/^t_[0-9]+$/", "a"] {
            assert_eq!(SchemaPattern::parse(good).unwrap().to_string(), good);
        }
        for bad in ["", "/", "//", "/x", "a\0", "a\\"] {
            assert!(SchemaPattern::parse(bad).is_err(), "{bad:?}");
        }
    }
}

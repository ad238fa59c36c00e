//! Names of database objects, folded as the server folds them.

use std::fmt;

/// A possibly qualified name: `schema.object`, or `object` alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Name {
    /// The schema, when written.
    pub(crate) schema: Option<String>,
    /// The object itself.
    pub(crate) object: String,
}

impl Name {
    /// A name without a schema.
    pub(crate) fn bare(object: impl Into<String>) -> Self {
        Self { schema: None, object: object.into() }
    }

    /// A name from its parts as written (`a`, `"B"`), outermost first; a database in front is dropped.
    pub(crate) fn from_parts(parts: &[String]) -> Self {
        let mut folded = parts.iter().rev().map(|part| fold(part));
        let object = folded.next().unwrap_or_default();
        Self { object, schema: folded.next() }
    }

    /// The same object name in another schema.
    pub(crate) fn within(&self, schema: Option<String>) -> Self {
        Self { schema, object: self.object.clone() }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{schema}.")?;
        }
        f.write_str(&self.object)
    }
}

/// Folds one identifier: quoted ones lose their quotes, others become lower case (ASCII only, as in UTF-8 databases).
///
/// PostgreSQL manual, section 4.1.1. `U&"…"` stays as written: it then equals no other spelling, which errs to the
/// side of refusing.
pub(crate) fn fold(identifier: &str) -> String {
    identifier
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .map_or_else(|| identifier.to_ascii_lowercase(), |inner| inner.replace("\"\"", "\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_as_the_server_does() {
        for (written, folded) in
            [("Users", "users"), ("\"Users\"", "Users"), ("\"a\"\"b\"", "a\"b"), ("ÄB", "Äb"), ("\"\"", "")]
        {
            assert_eq!(fold(written), folded);
        }
        let parts = ["db", "\"S\"", "T"].map(str::to_owned);
        assert_eq!(Name::from_parts(&parts).to_string(), "S.t");
    }
}

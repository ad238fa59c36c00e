//! A query and what its uses make of the result.

use std::fmt;

use canary_core::fleet::Digest;
use serde::{Deserialize, Serialize};

use super::{Place, RustType};

/// The SHA-256 of a query's normalised text, in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct QueryHash(String);

impl QueryHash {
    /// The hash of a text that is normalised already.
    #[must_use]
    pub fn of(normalised: &str) -> Self {
        Self(Digest::of(normalised.as_bytes()).to_string())
    }

    /// All digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve digits: enough to tell queries apart in a message.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl fmt::Display for QueryHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One text and everything that is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// The hash of the text.
    pub hash: QueryHash,
    /// The text on one line, without comments and the semicolon at its end. It can be prepared as it is.
    pub text: String,
    /// The types of the parameters, where `.sqlx` knows them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Vec<String>>,
    /// The result's columns, where `.sqlx` knows them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<Column>>,
    /// What the aliases in the text say to sqlx's macros (`"name!"`, `"name?"`, `"name: T"`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Override>,
    /// Where it stands in the sources, and what becomes of the rows there; empty when only `.sqlx` has it.
    pub uses: Vec<QueryUse>,
}

impl Query {
    /// Whether the server can prepare it: it reads or writes rows, and is one statement.
    #[must_use]
    pub fn preparable(&self) -> bool {
        const VERBS: &[&str] = &["select", "insert", "update", "delete", "merge", "values", "with", "table"];
        let text = self.text.trim_start_matches('(');
        let word = text.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
        VERBS.iter().any(|verb| word.eq_ignore_ascii_case(verb)) && !has_second_statement(&self.text)
    }

    /// Where a person finds it: the first use's place, else the text's hash.
    #[must_use]
    pub fn place(&self) -> String {
        self.uses.first().map_or_else(|| self.hash.short().to_owned(), |used| used.place.to_string())
    }
}

/// Whether a semicolon stands outside of quotes; normalised text has none at its end.
fn has_second_statement(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let next = crate::sql::lex::past_quoted(bytes, at).min(bytes.len());
        if next == at && bytes[at] == b';' {
            return true;
        }
        at = next.max(at + 1);
    }
    false
}

/// A column of a result as `.sqlx` describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// The name, an override's mark included.
    pub name: String,
    /// The PostgreSQL type in sqlx's words (`INT8`, `TIMESTAMPTZ`, an enum's name).
    pub pg_type: String,
    /// Whether it may be NULL; absent when sqlx could not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nullable: Option<bool>,
}

/// What an alias says to sqlx's macros.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// The column without the marks.
    pub column: String,
    /// `false` for `!`, `true` for `?`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nullable: Option<bool>,
    /// The Rust type after the colon; `_` stands for the field's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rust_type: Option<String>,
}

impl Override {
    /// Reads a column's name as sqlx's macros do: `id!`, `id?`, `id: T`, `id!: T`, `id?: T`.
    ///
    /// `None` for a name without a mark. The grammar is that of sqlx's macros (`sqlx-macros-core`, `query/output.rs`).
    #[must_use]
    pub fn of_column_name(name: &str) -> Option<Self> {
        let (head, rust_type) = match name.split_once(':') {
            Some((head, rust_type)) => (head.trim_end(), Some(rust_type.trim().to_owned())),
            None => (name, None),
        };
        let (column, nullable) = match (head.strip_suffix('!'), head.strip_suffix('?')) {
            (Some(column), _) => (column, Some(false)),
            (_, Some(column)) => (column, Some(true)),
            _ => (head, None),
        };
        (nullable.is_some() || rust_type.is_some()).then(|| Self {
            column: column.trim_end().to_owned(),
            nullable,
            rust_type,
        })
    }
}

/// One place where a query is used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryUse {
    /// The line of the text or of the call that holds it.
    pub place: Place,
    /// What kind of call it is.
    pub kind: SourceKind,
    /// What a row becomes.
    pub binding: Binding,
}

/// What kind of call holds a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// `sqlx::query!` and its relatives, checked by sqlx when the service was built.
    SqlxMacro,
    /// `query_unchecked!` and its relatives.
    SqlxUncheckedMacro,
    /// `sqlx::query("…")`, `query_as`, `query_scalar`, or an executor's own method.
    SqlxFunction,
    /// A method of tokio-postgres' clients and transactions.
    TokioPostgres,
    /// `diesel::sql_query("…")`.
    DieselSql,
    /// diesel's `table!`: the text selects every column that the macro names.
    DieselTable,
}

/// What becomes of a row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Binding {
    /// Nothing is read, or it is not known what.
    None,
    /// A row struct of the contract, by its name.
    Row(String),
    /// The columns in their order, as a tuple.
    Tuple(Vec<RustType>),
    /// The first column alone.
    Scalar(RustType),
    /// A record that the macro makes of the columns that were described when the service was built.
    Record,
    /// Single columns, by `row.get("…")` in the same function.
    Reads(Vec<ColumnRead>),
}

/// A column that is read by its name or number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnRead {
    /// The name, or the number from 0.
    pub column: String,
    /// The type it is read into, where the sources say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rust_type: Option<RustType>,
}

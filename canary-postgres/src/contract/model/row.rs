//! What rows become: structs, their fields, enums.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Driver, Place};

/// A Rust type as the sources spell it, and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RustType {
    /// As written, with single blanks, without an `Option` around it.
    pub name: String,
    /// What an alias or a transparent wrapper comes to, when that is another type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stands_for: Option<String>,
    /// Whether an `Option` is around it: it takes NULL.
    pub nullable: bool,
}

impl RustType {
    /// The type that decides what is decoded.
    #[must_use]
    pub fn decoded(&self) -> &str {
        self.stands_for.as_deref().unwrap_or(&self.name)
    }
}

impl fmt::Display for RustType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nullable { write!(f, "Option<{}>", self.name) } else { f.write_str(&self.name) }
    }
}

/// A struct that rows become.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowStruct {
    /// The struct's name; with its file before it (`src/a.rs#User`) when another struct has the same name.
    pub name: String,
    /// Where it is defined.
    pub place: Place,
    /// How it is made of a row.
    pub kind: RowKind,
    /// Its fields as they are read, in the order of the sources; flattened structs are spelled out.
    pub fields: Vec<Field>,
    /// The table that diesel's attribute names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
}

/// How a struct is made of a row; decides by what its fields find their columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowKind {
    /// `#[derive(sqlx::FromRow)]`: by [`Field::column`].
    FromRow,
    /// Bound by `query_as!` alone: by [`Field::name`], every column of the query needs a field and the reverse.
    Macro,
    /// An `impl` that reads the columns by name.
    Manual,
    /// `#[derive(Queryable)]`: by position.
    Queryable,
    /// `#[derive(QueryableByName)]`: by [`Field::column`].
    QueryableByName,
    /// diesel's `table!`; the types are diesel's SQL types.
    Table,
}

/// A field of a row struct.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// The field in Rust; `outer.inner` below a flattened struct.
    pub name: String,
    /// The column it reads.
    pub column: String,
    /// The type that the column is decoded into: `try_from`'s, where that attribute stands.
    pub rust_type: RustType,
    /// Whether a missing column is no error (`#[sqlx(default)]`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub default: bool,
    /// Whether the column is JSON that becomes the type (`#[sqlx(json)]`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub json: bool,
}

/// A Rust enum that stands for a PostgreSQL enum, or for an integer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnumType {
    /// The name in Rust.
    pub name: String,
    /// Where it is defined.
    pub place: Place,
    /// The driver whose derive it has.
    pub driver: Driver,
    /// The name of the PostgreSQL type; the integer's Rust type for an enum with `#[repr(i32)]`.
    pub type_name: String,
    /// Whether it is stored as an integer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub integer: bool,
    /// The labels, in the order of the sources; empty for integers.
    pub labels: Vec<String>,
}

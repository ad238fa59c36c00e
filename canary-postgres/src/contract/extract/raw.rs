//! What one file says, before names that other files give a meaning to are looked up.

use std::collections::BTreeMap;

use crate::contract::model::{Driver, EnumType, Place, PoolLibrary, RowKind, SourceKind, Unreadable};

/// Everything of one file.
#[derive(Debug, Default)]
pub(super) struct RawFile {
    pub(super) package: usize,
    /// Constants, by their own name and by `Type::NAME`.
    pub(super) constants: BTreeMap<String, RawValue>,
    pub(super) queries: Vec<RawQuery>,
    pub(super) structs: Vec<RawStruct>,
    /// `Type { field: row.get("column") }`.
    pub(super) made: Vec<RawMade>,
    pub(super) enums: Vec<EnumType>,
    /// What a name stands for: aliases and transparent wrappers.
    pub(super) names: BTreeMap<String, RawType>,
    pub(super) pools: Vec<RawPool>,
    /// Names that constraints of errors are held against.
    pub(super) constraints: Vec<(RawText, Place)>,
    pub(super) unreadable: Vec<Unreadable>,
    /// Drivers that it is seen to use.
    pub(super) drivers: Vec<Driver>,
}

/// A constant's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RawValue {
    Text(RawText),
    Number(RawNumber),
}

/// A query's text as far as one file tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RawText {
    Literal(String),
    /// A constant of this name.
    Name(String),
    /// These after one another.
    Joined(Vec<Self>),
    /// One of these, by what happens when it runs.
    OneOf(Vec<Self>),
    /// A prepared statement: its text is where it was prepared.
    Statement,
    /// Made when it runs, by this.
    Computed(String),
}

/// A pool's setting as far as one file tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RawNumber {
    /// A number; a time in milliseconds.
    Known(u64),
    Unlimited,
    /// A constant of this name, times this.
    Name(String, u64),
    Environment {
        name: String,
        otherwise: Option<u64>,
    },
    Unknown(String),
}

/// A use of a query.
#[derive(Debug)]
pub(super) struct RawQuery {
    pub(super) place: Place,
    pub(super) call: String,
    pub(super) kind: SourceKind,
    pub(super) text: RawText,
    pub(super) binding: RawBinding,
}

/// What becomes of a row, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RawBinding {
    None,
    Record,
    Scalar(RawType),
    /// `query_as`: a struct or a tuple.
    As(RawType),
    /// `query_as!`: a struct whose fields have the columns' names.
    MacroAs(RawType),
    /// The row struct among these, where the compiler infers the type from what is around.
    Inferred(Vec<String>),
    /// Columns by name, and types that are made of whole rows in the same function.
    Reads(Vec<(String, Option<RawType>)>, Vec<String>),
}

/// A type as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RawType {
    /// Without an `Option` around it.
    pub(super) name: String,
    pub(super) nullable: bool,
    /// The parts of a tuple.
    pub(super) tuple: Option<Vec<Self>>,
}

/// A struct with named fields.
#[derive(Debug)]
pub(super) struct RawStruct {
    pub(super) name: String,
    pub(super) place: Place,
    /// How it says that it is made of rows; `None` for a struct that says nothing.
    pub(super) kind: Option<RowKind>,
    pub(super) fields: Vec<RawField>,
    pub(super) table: Option<String>,
}

/// A field as written.
#[derive(Debug, Clone)]
pub(super) struct RawField {
    pub(super) name: String,
    pub(super) column: String,
    pub(super) rust_type: RawType,
    pub(super) default: bool,
    pub(super) json: bool,
    pub(super) flatten: bool,
}

/// A pool's builder.
#[derive(Debug)]
pub(super) struct RawPool {
    /// Line and column of its beginning: what tells pools apart.
    pub(super) at: (usize, usize),
    pub(super) place: Place,
    pub(super) library: PoolLibrary,
    pub(super) max: Option<(RawNumber, Place)>,
    pub(super) acquire: Option<(RawNumber, Place)>,
    pub(super) idle: Option<(RawNumber, Place)>,
    pub(super) lifetime: Option<(RawNumber, Place)>,
}

/// A field of a struct that code fills from a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RawMade {
    pub(super) of: String,
    pub(super) field: String,
    pub(super) column: String,
    pub(super) rust_type: Option<RawType>,
}

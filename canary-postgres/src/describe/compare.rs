//! Holds the description of one query against what its uses make of it. Pure.

use tokio_postgres::types::{Kind, Type};

use crate::contract::{
    Binding, Contract, Driver, Field, Override, PgColumn, Query, RowKind, RustType, SourceKind, TypeTable,
    Violation,
};

/// How grave a finding about a live schema is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Gravity {
    /// Shown; stops nothing.
    Warn,
    /// The question could not be answered.
    Undecided,
    /// The service fails there.
    Refuse,
}

/// One thing that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mismatch {
    /// How grave it is.
    pub gravity: Gravity,
    /// The source line.
    pub place: String,
    /// The column of the result, where it is one.
    pub column: Option<String>,
    /// What the sources make of it.
    pub expected: String,
    /// What the server says.
    pub found: String,
}

/// A column as a server describes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Seen {
    /// Its name, marks of sqlx's macros included.
    pub(super) name: String,
    /// Its type's name in `pg_type`.
    pub(super) pg_type: String,
    /// The labels of an enum, or of an array's enum.
    pub(super) labels: Option<Vec<String>>,
    /// Whether it can be NULL; not known for what is no plain column of a table.
    pub(super) nullable: Option<bool>,
}

impl Seen {
    pub(super) fn new(name: &str, pg_type: &Type, nullable: Option<bool>) -> Self {
        let element = match pg_type.kind() {
            Kind::Array(element) => element,
            _ => pg_type,
        };
        let labels = match element.kind() {
            Kind::Enum(labels) => Some(labels.clone()),
            _ => None,
        };
        Self { name: name.to_owned(), pg_type: pg_type.name().to_owned(), labels, nullable }
    }

    /// The type as people write it (`bigint` for `int8`).
    fn readable(&self) -> String {
        match (self.pg_type.strip_prefix('_'), &self.labels) {
            (Some(element), _) => format!("{}[]", word(element)),
            (None, Some(_)) => format!("enum {}", self.pg_type),
            (None, None) => word(&self.pg_type).to_owned(),
        }
    }
}

/// What a use expects of one column.
struct Wanted<'a> {
    label: String,
    rust: RustType,
    at: Option<usize>,
    field: Option<(RowKind, &'a Field)>,
}

/// Everything in which `columns` do not fit the uses of `query`.
pub(super) fn compare(query: &Query, columns: &[Seen], contract: &Contract) -> Vec<Mismatch> {
    let mut found = Vec::new();
    for used in &query.uses {
        let driver = driver_of(used.kind);
        for wanted in expectations(&used.binding, columns, contract) {
            let place = used.place.to_string();
            let Some(at) = wanted.at else {
                if !wanted.field.is_some_and(|(_, field)| field.default) {
                    found.push(Mismatch {
                        gravity: Gravity::Refuse,
                        place,
                        column: Some(wanted.label.clone()),
                        expected: wanted.rust.to_string(),
                        found: "no such column in the result".to_owned(),
                    });
                }
                continue;
            };
            found.extend(judge(&wanted, &columns[at], place, driver, query, contract));
        }
    }
    found
}

fn judge(
    wanted: &Wanted<'_>,
    seen: &Seen,
    place: String,
    driver: Driver,
    query: &Query,
    contract: &Contract,
) -> Option<Mismatch> {
    let mark = marks(query, &seen.name);
    let mut rust = wanted.rust.clone();
    if let Some(named) = mark.as_ref().and_then(|mark| mark.rust_type.clone()).filter(|name| name != "_") {
        rust.stands_for = Some(named);
    }
    let said = mark.and_then(|mark| mark.nullable);
    rust.nullable |= said == Some(true);
    let column = PgColumn {
        pg_type: seen.pg_type.clone(),
        // With `!` the author vouches for it.
        nullable: if said == Some(false) { None } else { seen.nullable },
        labels: seen.labels.clone(),
    };
    let table = TypeTable::new(driver, contract);
    let fit = match wanted.field {
        Some((kind, field)) if field.json || kind == RowKind::Table => table.field(kind, field, &column),
        _ => table.decodes(&rust, &column),
    };
    let found = seen.readable();
    let (gravity, expected, found) = match fit.err()? {
        Violation::Type { decodes, .. } => {
            let meant = decodes.first().map_or_else(String::new, |name| word(name).to_owned());
            (Gravity::Refuse, format!("{} (from {meant})", wanted.rust), found)
        }
        Violation::Labels { not_in_server, .. } if !not_in_server.is_empty() => {
            let word = if not_in_server.len() == 1 { "label" } else { "labels" };
            let expected = format!("{} with the {word} {}", wanted.rust, not_in_server.join(", "));
            (Gravity::Refuse, expected, format!("{found} without"))
        }
        Violation::Labels { not_in_rust, .. } => {
            let with =
                format!("{found} with {}, which cannot be decoded once written", not_in_rust.join(", "));
            (Gravity::Warn, wanted.rust.to_string(), with)
        }
        Violation::Null { .. } => {
            (Gravity::Refuse, format!("{}, never NULL", wanted.rust), format!("{found} that may be NULL"))
        }
    };
    Some(Mismatch { gravity, place, column: Some(wanted.label.clone()), expected, found })
}

/// The long name of a short one, where people use that.
fn word(name: &str) -> &str {
    match name {
        "int2" => "smallint",
        "int4" => "integer",
        "int8" => "bigint",
        "float4" => "real",
        "float8" => "double precision",
        "bool" => "boolean",
        "bpchar" => "char(n)",
        other => other,
    }
}

/// What the macros were told about a column: by the alias that the server gives back, or by the contract.
fn marks(query: &Query, name: &str) -> Option<Override> {
    Override::of_column_name(name)
        .or_else(|| query.overrides.iter().find(|mark| mark.column == name).cloned())
}

fn expectations<'a>(binding: &Binding, columns: &[Seen], contract: &'a Contract) -> Vec<Wanted<'a>> {
    let bare = |seen: &Seen| {
        Override::of_column_name(&seen.name).map_or_else(|| seen.name.clone(), |mark| mark.column)
    };
    let by_name = |name: &str| columns.iter().position(|seen| bare(seen) == name);
    let by_position = |i: usize| (i < columns.len()).then_some(i);
    let plain = |label: String, rust: &RustType, at| Wanted { label, rust: rust.clone(), at, field: None };
    match binding {
        Binding::None | Binding::Record => Vec::new(),
        Binding::Scalar(rust) => vec![plain("column 1".to_owned(), rust, by_position(0))],
        Binding::Tuple(types) => types
            .iter()
            .enumerate()
            .map(|(i, rust)| plain(format!("column {}", i + 1), rust, by_position(i)))
            .collect(),
        Binding::Reads(reads) => reads
            .iter()
            .filter_map(|read| {
                let rust = read.rust_type.as_ref()?;
                let at = read.column.parse().ok().map_or_else(|| by_name(&read.column), by_position);
                Some(plain(read.column.clone(), rust, at))
            })
            .collect(),
        Binding::Row(name) => {
            let Some(row) = contract.row(name) else {
                return Vec::new();
            };
            let field = |(i, field): (usize, &'a Field)| Wanted {
                label: format!("{}.{}", row.name, field.name),
                rust: field.rust_type.clone(),
                at: match row.kind {
                    RowKind::Queryable => by_position(i),
                    RowKind::Macro => by_name(&field.name),
                    _ => by_name(&field.column),
                },
                field: Some((row.kind, field)),
            };
            row.fields.iter().enumerate().map(field).collect()
        }
    }
}

const fn driver_of(kind: SourceKind) -> Driver {
    match kind {
        SourceKind::SqlxMacro | SourceKind::SqlxUncheckedMacro | SourceKind::SqlxFunction => Driver::Sqlx,
        SourceKind::TokioPostgres => Driver::TokioPostgres,
        SourceKind::DieselSql | SourceKind::DieselTable => Driver::Diesel,
    }
}

#[cfg(test)]
mod tests;

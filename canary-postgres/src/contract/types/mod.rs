//! Whether a column decodes into the Rust type that reads it: pure, by tables.

mod table;

use std::fmt;

use syn::{GenericArgument, PathArguments, Type};

use super::model::{Contract, Driver, EnumType, Field, RowKind, RustType};

/// A column as a server describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PgColumn {
    /// The type's name as `pg_type.typname` has it: `int8`, `timestamptz`, `_text` for `text[]`, an enum's own name.
    pub pg_type: String,
    /// Whether it may be NULL; `None` when nobody can tell.
    pub nullable: Option<bool>,
    /// The labels of an enum, in their order; `None` for other types.
    pub labels: Option<Vec<String>>,
}

impl PgColumn {
    /// A column of a type that is no enum.
    #[must_use]
    pub fn new(pg_type: impl Into<String>, nullable: Option<bool>) -> Self {
        Self { pg_type: pg_type.into(), nullable, labels: None }
    }
}

/// A judgement that found nothing wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// The column decodes.
    Fits,
    /// The Rust type is none that the tables know: its own code decides.
    Unknown,
}

/// Why a column does not decode.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// Another type is read.
    Type {
        /// The Rust type.
        rust: String,
        /// The types it decodes.
        decodes: Vec<String>,
        /// The column's type.
        found: String,
    },
    /// The column may be NULL and the Rust type has no place for it.
    Null {
        /// The Rust type.
        rust: String,
    },
    /// Labels that only one side knows.
    Labels {
        /// The Rust enum.
        rust: String,
        /// What rows may hold and Rust cannot read.
        not_in_rust: Vec<String>,
        /// What Rust writes and the server refuses (22P02).
        not_in_server: Vec<String>,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type { rust, decodes, found } => {
                write!(f, "{rust} decodes {}, the column is {}", decodes.join(" or "), readable(found))
            }
            Self::Null { rust } => write!(f, "the column may be NULL and {rust} is no Option"),
            Self::Labels { rust, not_in_rust, not_in_server } => {
                let words = [(not_in_rust, "cannot be read"), (not_in_server, "cannot be written")];
                let parts = words.iter().filter(|(labels, _)| !labels.is_empty());
                let parts: Vec<_> =
                    parts.map(|(labels, what)| format!("'{}' {what}", labels.join("', '"))).collect();
                write!(f, "labels of {rust}: {}", parts.join(", "))
            }
        }
    }
}

/// A type as a person writes it: `text[]` for `_text`.
fn readable(pg_type: &str) -> String {
    pg_type.strip_prefix('_').map_or_else(|| pg_type.to_owned(), |element| format!("{element}[]"))
}

/// Judges columns against the Rust types of one service.
#[derive(Debug, Clone, Copy)]
pub struct TypeTable<'a> {
    driver: Driver,
    enums: &'a [EnumType],
}

impl<'a> TypeTable<'a> {
    /// The table of a driver with a contract's enums.
    #[must_use]
    pub fn new(driver: Driver, contract: &'a Contract) -> Self {
        Self { driver, enums: &contract.enums }
    }

    /// Whether a column decodes into a field of a struct of this kind.
    ///
    /// # Errors
    ///
    /// The violation, when reading a row fails, or can fail by its values.
    pub fn field(&self, kind: RowKind, field: &Field, column: &PgColumn) -> Result<Fit, Violation> {
        if kind == RowKind::Table {
            return self.diesel(&field.rust_type, column);
        }
        if field.json {
            let rust = &field.rust_type;
            return self
                .nullable(rust, column)
                .and_then(|()| among(rust, &["json", "jsonb"], &column.pg_type));
        }
        self.decodes(&field.rust_type, column)
    }

    /// Whether a column decodes into a Rust type. Integers fit by equality, not by width.
    ///
    /// # Errors
    ///
    /// The violation, when reading a row fails, or can fail by its values.
    pub fn decodes(&self, rust: &RustType, column: &PgColumn) -> Result<Fit, Violation> {
        let fit = self.kind_of(rust, rust.decoded(), column)?;
        if fit == Fit::Fits {
            self.nullable(rust, column)?;
        }
        Ok(fit)
    }

    /// The types that decode into a Rust type, as `pg_type.typname` has them; empty when the tables do not know it.
    #[must_use]
    pub fn decoded(&self, rust: &RustType) -> Vec<String> {
        let Ok(parsed) = syn::parse_str::<Type>(rust.decoded()) else { return Vec::new() };
        self.types_of(&parsed)
    }

    fn nullable(&self, rust: &RustType, column: &PgColumn) -> Result<(), Violation> {
        match column.nullable {
            Some(true) if !rust.nullable => Err(Violation::Null { rust: rust.to_string() }),
            _ => Ok(()),
        }
    }

    fn kind_of(&self, rust: &RustType, name: &str, column: &PgColumn) -> Result<Fit, Violation> {
        let Ok(parsed) = syn::parse_str::<Type>(name) else { return Ok(Fit::Unknown) };
        let decodes = self.types_of(&parsed);
        if decodes.is_empty() {
            return Ok(Fit::Unknown);
        }
        let decodes: Vec<&str> = decodes.iter().map(String::as_str).collect();
        let fit = among(rust, &decodes, &column.pg_type)?;
        match (self.enumeration(&element(&parsed)), &column.labels) {
            (Some(own), Some(labels)) if !own.integer => same_labels(own, labels).map(|()| fit),
            _ => Ok(fit),
        }
    }

    fn enumeration(&self, written: &Type) -> Option<&'a EnumType> {
        let name = spelled(written);
        self.enums.iter().find(|known| known.name == name)
    }

    /// The server's types for a Rust one.
    fn types_of(&self, written: &Type) -> Vec<String> {
        match written {
            Type::Reference(inner) => return self.types_of(&inner.elem),
            Type::Slice(inner) => return self.list_of(&inner.elem),
            Type::Array(inner) => return self.list_of(&inner.elem),
            Type::Paren(inner) => return self.types_of(&inner.elem),
            _ => {}
        }
        let name = spelled(written);
        let inner = generic(written);
        match (name.split('<').next().unwrap_or_default(), inner.as_slice()) {
            ("Vec", [element]) => return self.list_of(element),
            ("Box" | "Arc" | "Rc" | "Cow" | "Option" | "Text", [inner]) => return self.types_of(inner),
            _ => {}
        }
        if let Some(own) = self.enums.iter().find(|known| known.name == name) {
            if own.integer {
                return table::decoded_by(self.driver, &own.type_name)
                    .unwrap_or_default()
                    .iter()
                    .map(|t| (*t).to_owned())
                    .collect();
            }
            let bare = own.type_name.rsplit('.').next().unwrap_or_default();
            return vec![crate::sql::name::fold(bare)];
        }
        table::decoded_by(self.driver, &name).unwrap_or_default().iter().map(|t| (*t).to_owned()).collect()
    }

    fn list_of(&self, element: &Type) -> Vec<String> {
        if spelled(element) == "u8" {
            return vec!["bytea".to_owned()];
        }
        self.types_of(element).iter().map(|pg| format!("_{pg}")).collect()
    }

    fn diesel(&self, rust: &RustType, column: &PgColumn) -> Result<Fit, Violation> {
        let (mut name, mut arrays) = (rust.name.replace(' ', ""), 0);
        while let Some(inner) = name.strip_prefix("Array<").or_else(|| name.strip_prefix("Nullable<")) {
            arrays += usize::from(name.starts_with("Array<"));
            name = inner.strip_suffix('>').unwrap_or(inner).to_owned();
        }
        let Some(pg) = table::diesel(&name) else { return Ok(Fit::Unknown) };
        let pg = if arrays > 0 { format!("_{pg}") } else { pg.to_owned() };
        // diesel reads every kind of text into the same Rust type.
        let texts = ["text", "varchar", "bpchar"];
        let decodes = if texts.contains(&pg.as_str()) { texts.to_vec() } else { vec![pg.as_str()] };
        self.nullable(rust, column).and_then(|()| among(rust, &decodes, &column.pg_type))
    }
}

fn among(rust: &RustType, decodes: &[&str], found: &str) -> Result<Fit, Violation> {
    if decodes.contains(&found) {
        return Ok(Fit::Fits);
    }
    let decodes = decodes.iter().map(|name| readable(name)).collect();
    Err(Violation::Type { rust: rust.to_string(), decodes, found: found.to_owned() })
}

fn same_labels(own: &EnumType, labels: &[String]) -> Result<(), Violation> {
    let only = |here: &[String], there: &[String]| -> Vec<String> {
        here.iter().filter(|label| !there.contains(label)).cloned().collect()
    };
    let (not_in_rust, not_in_server) = (only(labels, &own.labels), only(&own.labels, labels));
    if not_in_rust.is_empty() && not_in_server.is_empty() {
        return Ok(());
    }
    Err(Violation::Labels { rust: own.name.clone(), not_in_rust, not_in_server })
}

/// The element of a list, or the type itself.
fn element(written: &Type) -> Type {
    match (spelled(written).split('<').next(), generic(written).as_slice()) {
        (Some("Vec" | "Option" | "Box"), [inner]) => element(inner),
        _ => written.clone(),
    }
}

fn generic(written: &Type) -> Vec<Type> {
    let Type::Path(path) = written else { return Vec::new() };
    match path.path.segments.last().map(|segment| &segment.arguments) {
        Some(PathArguments::AngleBracketed(arguments)) => arguments
            .args
            .iter()
            .filter_map(|argument| match argument {
                GenericArgument::Type(inner) => Some(inner.clone()),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// The last name of a path with the last names of its generics: `DateTime<Utc>` for `chrono::DateTime<chrono::Utc>`.
fn spelled(written: &Type) -> String {
    let Type::Path(path) = written else { return String::new() };
    let own = path.path.segments.last().map_or_else(String::new, |segment| segment.ident.to_string());
    let inner: Vec<String> = generic(written).iter().map(spelled).collect();
    if inner.is_empty() { own } else { format!("{own}<{}>", inner.join(", ")) }
}

#[cfg(test)]
mod tests;

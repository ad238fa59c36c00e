//! Structs, enums, wrappers and aliases of one file.

use syn::{Fields, ItemEnum, ItemStruct, ItemType};

use super::attributes::{Words, derives, renamed};
use super::raw::{RawField, RawStruct, RawType};
use super::syntax::name;
use super::visit::File;
use crate::contract::model::{Driver, EnumType, RowKind};

/// A struct: fields that rows fill, or a wrapper around one value.
pub(super) fn structure(file: &mut File<'_>, item: &ItemStruct) {
    let own = name(&item.ident);
    let sqlx = Words::of(&item.attrs, "sqlx");
    match &item.fields {
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
            let wraps = sqlx.has("transparent")
                || ["Type", "FromSql", "Decode", "AsExpression", "DieselNewType"]
                    .iter()
                    .any(|name| derives(&item.attrs, name));
            if wraps {
                file.raw.names.insert(own, RawType::of(&fields.unnamed[0].ty));
            }
        }
        Fields::Named(fields) => {
            if sqlx.has("transparent") && fields.named.len() == 1 {
                file.raw.names.insert(own, RawType::of(&fields.named[0].ty));
                return;
            }
            let diesel = Words::of(&item.attrs, "diesel");
            let kind = [
                ("FromRow", RowKind::FromRow),
                ("Queryable", RowKind::Queryable),
                ("QueryableByName", RowKind::QueryableByName),
            ];
            let kind =
                kind.into_iter().find(|(derive, _)| derives(&item.attrs, derive)).map(|(_, kind)| kind);
            let fields = fields.named.iter().filter_map(|written| field(written, &sqlx)).collect();
            let table = diesel.value("table_name").map(str::to_owned);
            let place = file.place(item.ident.span());
            file.raw.structs.push(RawStruct { name: own, place, kind, fields, table });
        }
        _ => {}
    }
}

fn field(written: &syn::Field, container: &Words) -> Option<RawField> {
    let own = name(written.ident.as_ref()?);
    let sqlx = Words::of(&written.attrs, "sqlx");
    let diesel = Words::of(&written.attrs, "diesel");
    if sqlx.has("skip") || diesel.has("skip") {
        return None;
    }
    let column = sqlx.value("rename").or_else(|| diesel.value("column_name")).map(str::to_owned);
    let column = column.unwrap_or_else(|| renamed(&own, container.value("rename_all")));
    let json_nullable = sqlx.has("json(nullable)");
    let json = json_nullable || sqlx.has("json");
    let mut rust_type = RawType::of(sqlx.try_from.as_ref().unwrap_or(&written.ty));
    if json {
        // `#[sqlx(json)]` reads `Json<T>`, with `T` the whole field's type: NULL is an error even into an `Option`.
        rust_type = RawType { nullable: json_nullable, ..rust_type };
    }
    let default = sqlx.has("default") || container.has("default");
    Some(RawField {
        name: own,
        column,
        rust_type,
        default,
        json,
        flatten: sqlx.has("flatten") || diesel.has("embed"),
    })
}

/// An enum that a driver's derive maps to a PostgreSQL enum, or to an integer.
pub(super) fn enumeration(file: &mut File<'_>, item: &ItemEnum) {
    let (driver, attribute) = if derives(&item.attrs, "Type") || derives(&item.attrs, "Decode") {
        (Driver::Sqlx, "sqlx")
    } else if derives(&item.attrs, "FromSql") || derives(&item.attrs, "ToSql") {
        (Driver::TokioPostgres, "postgres")
    } else if derives(&item.attrs, "DbEnum") {
        (Driver::Diesel, "db_enum")
    } else {
        return;
    };
    let own = name(&item.ident);
    let words = Words::of(&item.attrs, attribute);
    let repr = item.attrs.iter().filter(|a| a.path().is_ident("repr")).find_map(|a| {
        let mut found = None;
        let _ = a.parse_nested_meta(|meta| {
            found = meta.path.get_ident().map(ToString::to_string);
            Ok(())
        });
        found.filter(|repr| repr != "C")
    });
    let given = words.value("type_name").or_else(|| words.value("name"));
    let integer = driver == Driver::Sqlx && repr.is_some();
    let type_name =
        repr.filter(|_| integer).or_else(|| given.map(str::to_owned)).unwrap_or_else(|| own.clone());
    let rule = words.value("rename_all");
    let labels = item.variants.iter().filter(|_| !integer).map(|variant| {
        let words = Words::of(&variant.attrs, attribute);
        let own = name(&variant.ident);
        let given = words.value("rename").or_else(|| words.value("name")).map(str::to_owned);
        given.unwrap_or_else(|| renamed(&own, rule))
    });
    let labels = labels.collect();
    let place = file.place(item.ident.span());
    file.raw.enums.push(EnumType { name: own, place, driver, type_name, integer, labels });
}

/// `type Id = i64;`
pub(super) fn alias(file: &mut File<'_>, item: &ItemType) {
    if item.generics.params.is_empty() {
        file.raw.names.insert(name(&item.ident), RawType::of(&item.ty));
    }
}

//! diesel's `table!`: what the service takes its tables to be.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::Macro;
use syn::spanned::Spanned;

use super::raw::{RawBinding, RawField, RawQuery, RawStruct, RawText, RawType};
use super::syntax::last;
use super::visit::File;
use crate::contract::model::{Driver, RowKind, SourceKind};

/// Reads a `table!`: it becomes a query of all its columns and the struct they are read into.
pub(super) fn table(file: &mut File<'_>, call: &Macro) {
    if last(&call.path) != "table" || !file.package.speaks(Driver::Diesel) {
        return;
    }
    let Some((schema, table, columns)) = read(call.tokens.clone()) else { return };
    let place = file.place(call.path.span());
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let list: Vec<String> = columns.iter().map(|field| quoted(&field.column)).collect();
    let from = schema.iter().chain([&table]).map(|name| quoted(name)).collect::<Vec<_>>().join(".");
    let text = RawText::Literal(format!("SELECT {} FROM {from}", list.join(", ")));
    let own = format!("table {table}");
    let binding = RawBinding::As(RawType::plain(own.clone()));
    file.raw.drivers.push(Driver::Diesel);
    file.raw.structs.push(RawStruct {
        name: own,
        place: place.clone(),
        kind: Some(RowKind::Table),
        fields: columns,
        table: Some(table),
    });
    file.raw.queries.push(RawQuery {
        place,
        call: "diesel::table!".to_owned(),
        kind: SourceKind::DieselTable,
        text,
        binding,
    });
}

/// Schema, table and columns of the macro's text: `schema.name (key) { column -> Type, … }`.
fn read(tokens: TokenStream) -> Option<(Option<String>, String, Vec<RawField>)> {
    let (mut names, mut renamed, mut columns) = (Vec::new(), None, None);
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(word) if word == "use" => {
                while tokens.next().is_some_and(|token| token.to_string() != ";") {}
            }
            TokenTree::Ident(word) => names.push(plain(&word.to_string())),
            TokenTree::Punct(mark) if mark.as_char() == '#' => {
                if let Some(TokenTree::Group(group)) = tokens.next() {
                    renamed = sql_name(group.stream()).or(renamed);
                }
            }
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                columns = Some(group.stream());
            }
            _ => {}
        }
    }
    let own = names.pop()?;
    Some((names.pop(), renamed.unwrap_or(own), fields(columns?)))
}

fn fields(tokens: TokenStream) -> Vec<RawField> {
    let (mut fields, mut renamed, mut own, mut written) = (Vec::new(), None, None, String::new());
    let mut tokens = tokens.into_iter().peekable();
    let mut end = |own: &mut Option<String>, renamed: &mut Option<String>, written: &mut String| {
        if let Some(own) = own.take() {
            let rust_type = nullable(&std::mem::take(written));
            let column = renamed.take().unwrap_or_else(|| own.clone());
            fields.push(RawField {
                name: own,
                column,
                rust_type,
                default: false,
                json: false,
                flatten: false,
            });
        }
    };
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(mark) if mark.as_char() == '#' => {
                if let Some(TokenTree::Group(group)) = tokens.next() {
                    renamed = sql_name(group.stream()).or(renamed);
                }
            }
            TokenTree::Punct(mark) if mark.as_char() == ',' => end(&mut own, &mut renamed, &mut written),
            TokenTree::Punct(mark) if mark.as_char() == '-' => {
                tokens.next();
            }
            TokenTree::Ident(word) if own.is_none() => own = Some(plain(&word.to_string())),
            other => written.push_str(&other.to_string()),
        }
    }
    end(&mut own, &mut renamed, &mut written);
    fields
}

fn nullable(written: &str) -> RawType {
    match written.strip_prefix("Nullable<").and_then(|rest| rest.strip_suffix('>')) {
        Some(inner) => RawType { nullable: true, ..RawType::plain(inner.to_owned()) },
        None => RawType::plain(written.to_owned()),
    }
}

/// The name in `sql_name = "…"`.
fn sql_name(tokens: TokenStream) -> Option<String> {
    let text = tokens.to_string();
    let name = text.strip_prefix("sql_name")?.trim_start().strip_prefix('=')?;
    syn::parse_str::<syn::LitStr>(name).ok().map(|name| name.value())
}

fn plain(word: &str) -> String {
    word.strip_prefix("r#").unwrap_or(word).to_owned()
}

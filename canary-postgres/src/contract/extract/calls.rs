//! The calls that hold queries: sqlx' functions and macros, the methods of tokio-postgres, diesel's `sql_query`.

use syn::parse::{Parse, ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{Expr, ExprCall, ExprMethodCall, Macro, Path, Token, Type, UseTree};

use super::fold::LARGEST;
use super::raw::{RawBinding, RawQuery, RawText, RawType};
use super::syntax::{generics, last, last_two, name, path};
use super::text::looks_like_sql;
use super::visit::{File, innermost, names_in};
use crate::contract::model::{Driver, SourceKind};

/// The names that a `use` brings from sqlx.
pub(super) fn imports(tree: &UseTree, inside: bool, out: &mut Vec<String>) {
    match tree {
        UseTree::Path(path) => imports(&path.tree, inside || path.ident == "sqlx", out),
        UseTree::Group(group) => group.items.iter().for_each(|tree| imports(tree, inside, out)),
        UseTree::Name(found) if inside => out.push(name(&found.ident)),
        UseTree::Rename(found) if inside => out.push(name(&found.ident)),
        _ => {}
    }
}

/// Whether a path is sqlx' own name, spelled out or imported.
fn of_sqlx(file: &File<'_>, found: &Path) -> bool {
    match found.segments.len() {
        1 => file.imported.contains(&last(found)),
        _ => {
            found.segments.iter().any(|segment| segment.ident == "sqlx")
                || file.imported.contains(&name(&found.segments[0].ident))
        }
    }
}

/// `sqlx::query("…")` and its relatives, `QueryBuilder::new`, `diesel::sql_query`.
pub(super) fn function(file: &mut File<'_>, call: &ExprCall) {
    let (Some(found), Some(first)) = (path(&call.func), call.args.first()) else { return };
    let called = last(found);
    let two = last_two(found);
    if matches!(two.as_str(), "QueryBuilder::new" | "QueryBuilder::with_arguments")
        && file.package.speaks(Driver::Sqlx)
    {
        let text = RawText::Computed("`QueryBuilder`".to_owned());
        return push(file, call.span(), "QueryBuilder", SourceKind::SqlxFunction, text, RawBinding::None);
    }
    if called == "sql_query" && file.package.speaks(Driver::Diesel) {
        let text = file.scope.text(first);
        return push(file, call.span(), "diesel::sql_query", SourceKind::DieselSql, text, RawBinding::None);
    }
    let binding = match called.as_str() {
        "query" | "query_with" | "raw_sql" => RawBinding::None,
        "query_as" | "query_as_with" => row(file, found),
        "query_scalar" | "query_scalar_with" => scalar(file, found),
        _ => return,
    };
    if !of_sqlx(file, found) || !file.package.speaks(Driver::Sqlx) {
        return;
    }
    let text = file.scope.text(first);
    push(file, call.span(), &format!("sqlx::{called}"), SourceKind::SqlxFunction, text, binding);
}

/// The row's type: the second generic argument, else what is around.
fn row(file: &File<'_>, found: &Path) -> RawBinding {
    let written = generics(found).into_iter().nth(1).map(|written| RawType::of(&written));
    match written.filter(|written| !written.inferred()) {
        Some(written) => RawBinding::As(written),
        None => file
            .expected
            .as_ref()
            .map_or(RawBinding::None, |expected| RawBinding::Inferred(names_in(expected))),
    }
}

fn scalar(file: &File<'_>, found: &Path) -> RawBinding {
    let written = generics(found).into_iter().nth(1).map(|written| RawType::of(&written));
    let written = written.filter(|written| !written.inferred());
    let around = || file.expected.as_ref().and_then(innermost);
    written.or_else(around).map_or(RawBinding::None, RawBinding::Scalar)
}

/// A query that a method takes: tokio-postgres' clients and sqlx' executors.
pub(super) fn method(file: &mut File<'_>, call: &ExprMethodCall) {
    let Some(first) = call.args.first() else { return };
    let method = call.method.to_string();
    let arguments = call.args.len();
    let fits = match method.as_str() {
        "prepare" | "prepare_cached" | "batch_execute" | "simple_query" | "copy_in" | "copy_out" => {
            arguments == 1
        }
        "prepare_typed"
        | "prepare_typed_cached"
        | "query"
        | "query_one"
        | "query_opt"
        | "query_raw"
        | "query_typed"
        | "execute_raw"
        | "query_typed_raw" => arguments == 2,
        "execute" => arguments <= 2,
        "fetch" | "fetch_one" | "fetch_all" | "fetch_optional" | "fetch_many" => arguments == 1,
        _ => false,
    };
    if !fits {
        return;
    }
    let text = file.scope.text(first);
    let known = known_sql(&text);
    let executor = method.starts_with("fetch") || (method == "execute" && arguments == 1);
    if executor {
        // `query.execute(&pool)` passes something else: only what is certainly a text counts.
        if known && file.package.speaks(Driver::Sqlx) {
            push(
                file,
                call.method.span(),
                &format!(".{method}"),
                SourceKind::SqlxFunction,
                text,
                RawBinding::None,
            );
        }
        return;
    }
    if !file.package.speaks(Driver::TokioPostgres) {
        return;
    }
    let counts = known || (file.package.dependencies.is_some() && !matches!(text, RawText::Literal(_)));
    if counts && text != RawText::Statement {
        push(
            file,
            call.method.span(),
            &format!(".{method}"),
            SourceKind::TokioPostgres,
            text,
            RawBinding::None,
        );
    } else if text == RawText::Statement {
        file.raw.drivers.push(Driver::TokioPostgres);
    }
}

/// Whether a text is known in this file and is SQL.
fn known_sql(text: &RawText) -> bool {
    match text {
        RawText::Literal(text) => looks_like_sql(text),
        RawText::Joined(parts) => parts
            .iter()
            .find(|part| !matches!(part, RawText::Literal(text) if text.trim().is_empty()))
            .is_some_and(known_sql),
        RawText::OneOf(all) => !all.is_empty() && all.iter().all(known_sql),
        RawText::Name(_) | RawText::Statement | RawText::Computed(_) => false,
    }
}

/// The arguments of sqlx' macros that matter here.
struct Arguments {
    row: Option<Type>,
    text: Expr,
}

impl Arguments {
    fn parse(input: ParseStream<'_>, with_row: bool) -> syn::Result<Self> {
        let row = if with_row {
            let row = input.parse()?;
            input.parse::<Token![,]>()?;
            Some(row)
        } else {
            None
        };
        let text = Expr::parse(input)?;
        let _: proc_macro2::TokenStream = input.parse()?;
        Ok(Self { row, text })
    }
}

/// `query!` and its relatives.
pub(super) fn macro_call(file: &mut File<'_>, call: &Macro) {
    let called = last(&call.path);
    let (base, unchecked) = match called.strip_suffix("_unchecked") {
        Some(base) => (base, true),
        None => (called.as_str(), false),
    };
    if !matches!(
        base,
        "query" | "query_as" | "query_scalar" | "query_file" | "query_file_as" | "query_file_scalar"
    ) || !file.package.speaks(Driver::Sqlx)
        || (call.path.segments.len() > 1 && !of_sqlx(file, &call.path))
    {
        return;
    }
    let with_row = base.ends_with("_as");
    let parser = |input: ParseStream<'_>| Arguments::parse(input, with_row);
    // A macro of another crate with the same name takes other arguments.
    let Ok(arguments) = parser.parse2(call.tokens.clone()) else { return };
    let mut text = file.scope.text(&arguments.text);
    if base.starts_with("query_file") {
        text = from_file(file, text);
    }
    let binding = match (&arguments.row, base) {
        (Some(row), _) => RawBinding::MacroAs(RawType::of(row)),
        (None, _) => RawBinding::Record,
    };
    let kind = if unchecked { SourceKind::SqlxUncheckedMacro } else { SourceKind::SqlxMacro };
    push(file, arguments.text.span(), &format!("sqlx::{called}!"), kind, text, binding);
}

/// The text of a file that a macro names, relative to the package as sqlx takes it.
fn from_file(file: &File<'_>, named: RawText) -> RawText {
    let RawText::Literal(named) = named else { return named };
    let path = file.package.directory.join(&named);
    let plain = std::fs::metadata(&path).is_ok_and(|facts| facts.is_file() && facts.len() <= LARGEST);
    if !plain {
        return RawText::Computed(format!("the file {named}, which is none that can be read"));
    }
    match std::fs::read_to_string(path) {
        Ok(text) => RawText::Literal(text),
        Err(error) => RawText::Computed(format!("the file {named}, which cannot be read: {error}")),
    }
}

fn push(
    file: &mut File<'_>,
    span: proc_macro2::Span,
    call: &str,
    kind: SourceKind,
    text: RawText,
    binding: RawBinding,
) {
    let place = file.place(span);
    file.raw.drivers.push(match kind {
        SourceKind::TokioPostgres => Driver::TokioPostgres,
        SourceKind::DieselSql | SourceKind::DieselTable => Driver::Diesel,
        _ => Driver::Sqlx,
    });
    if binding == RawBinding::None {
        file.frame.queries.push(file.raw.queries.len());
    }
    file.frame.all += 1;
    file.raw.queries.push(RawQuery { place, call: call.to_owned(), kind, text, binding });
}

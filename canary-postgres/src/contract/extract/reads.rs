//! Columns that a function reads from rows by name, and structs that it fills from them.

use syn::{Expr, ExprMethodCall, ExprStruct, Lit, Member, Path};

use super::raw::{RawBinding, RawMade, RawQuery, RawType};
use super::syntax::{chain, compact, last, name, path, types};
use super::visit::File;

/// What a function does with rows.
#[derive(Debug, Default)]
pub(super) struct Frame {
    /// Its queries of which it is not said what the rows become.
    pub(super) queries: Vec<usize>,
    /// How many queries it has in all.
    pub(super) all: usize,
    reads: Vec<(String, Option<RawType>)>,
    makers: Vec<String>,
}

/// Ends a function: what it reads belongs to its query when it has one alone. With several, nobody can tell whose.
pub(super) fn close(frame: Frame, queries: &mut [RawQuery]) {
    let [only] = frame.queries.as_slice() else { return };
    if frame.all == 1
        && let Some(query) = queries.get_mut(*only)
        && !(frame.reads.is_empty() && frame.makers.is_empty())
    {
        query.binding = RawBinding::Reads(frame.reads, frame.makers);
    }
}

/// `row.get("column")`.
pub(super) fn method(file: &mut File<'_>, call: &ExprMethodCall) {
    if let Some(read) = read(call) {
        file.frame.reads.push(read);
    }
}

/// The column and the type of `row.get::<_, T>("column")`.
fn read(call: &ExprMethodCall) -> Option<(String, Option<RawType>)> {
    if !matches!(call.method.to_string().as_str(), "get" | "try_get" | "get_unchecked" | "try_get_unchecked")
        || call.args.len() != 1
    {
        return None;
    }
    let column = match call.args.first()? {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => text.value(),
            Lit::Int(number) => number.base10_digits().to_owned(),
            _ => return None,
        },
        _ => return None,
    };
    let written = call.turbofish.as_ref().map(|fish| types(&fish.args)).unwrap_or_default();
    let of_row = path(&call.receiver).is_some_and(|receiver| {
        let receiver = last(receiver);
        receiver == "r" || receiver.ends_with("row") || receiver.ends_with("rec") || receiver == "record"
    });
    if !of_row && written.len() != 2 {
        return None;
    }
    let index = |text: &str| matches!(text, "_" | "usize" | "&str" | "&'static str" | "str");
    let mut told = written.iter().filter(|written| !index(&compact(*written)));
    let rust_type = told.next().map(RawType::of);
    Some((column, rust_type.filter(|_| told.next().is_none())))
}

/// `User::from(row)`, `User::from_row(&row)`, `.map(User::from)`.
pub(super) fn maker_path(file: &mut File<'_>, found: &Path) {
    let count = found.segments.len();
    if count >= 2 && matches!(last(found).as_str(), "from" | "try_from" | "from_row" | "try_from_row") {
        maker(file, name(&found.segments[count - 2].ident));
    }
}

fn maker(file: &mut File<'_>, own: String) {
    let own = if own == "Self" { file.scope.this.clone().unwrap_or(own) } else { own };
    if !file.frame.makers.contains(&own) {
        file.frame.makers.push(own);
    }
}

/// `User { id: row.get("id"), … }`.
pub(super) fn literal(file: &mut File<'_>, literal: &ExprStruct) {
    let own = last(&literal.path);
    let own = if own == "Self" { file.scope.this.clone().unwrap_or(own) } else { own };
    let mut made = false;
    for field in &literal.fields {
        let Member::Named(ident) = &field.member else { continue };
        let found = chain(&field.expr).1.into_iter().find_map(read);
        if let Some((column, rust_type)) = found {
            // More calls after it change the type, so that only a plain read has the field's.
            let field = name(ident);
            file.raw.made.push(RawMade { of: own.clone(), field, column, rust_type });
            made = true;
        }
    }
    if made {
        maker(file, own);
    }
}

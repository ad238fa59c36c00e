//! Names of constraints that code matches in errors: `constraint()` of sqlx' and tokio-postgres' errors, `constraint_name()` of diesel's.

use syn::parse::{ParseStream, Parser};
use syn::{Expr, ExprBinary, ExprMethodCall, Macro, Pat, Token};

use super::fold::Scope;
use super::raw::RawText;
use super::syntax::{chain, last, last_two, name};
use super::visit::File;

/// Whether an expression is what an error says its constraint is called, or a name that stands for it.
pub(super) fn asks(scope: &Scope, expr: &Expr) -> bool {
    if let Expr::Unary(inner) = expr {
        return asks(scope, &inner.expr);
    }
    let (start, calls) = chain(expr);
    let held = matches!(start, Expr::Path(path) if path.path.get_ident()
        .and_then(|ident| scope.local(&name(ident))).is_some_and(|local| local.constraint));
    held || calls
        .iter()
        .any(|call| is_question(call) || call.args.iter().any(|passed| passes_on(scope, passed)))
}

fn is_question(call: &ExprMethodCall) -> bool {
    call.args.is_empty() && matches!(name(&call.method).as_str(), "constraint" | "constraint_name")
}

/// `.and_then(|error| error.constraint())`, `.and_then(DatabaseError::constraint)`.
fn passes_on(scope: &Scope, argument: &Expr) -> bool {
    match argument {
        Expr::Closure(closure) => asks(scope, &closure.body),
        Expr::Path(path) => {
            path.path.segments.len() > 1
                && matches!(last(&path.path).as_str(), "constraint" | "constraint_name")
        }
        _ => false,
    }
}

/// `error.constraint() == Some("…")`, either way round.
pub(super) fn binary(file: &mut File<'_>, compared: &ExprBinary) {
    if !matches!(compared.op, syn::BinOp::Eq(_) | syn::BinOp::Ne(_)) {
        return;
    }
    for (asked, other) in [(&compared.left, &compared.right), (&compared.right, &compared.left)] {
        if asks(&file.scope, asked) {
            let text = file.scope.text(other);
            push(file, text, syn::spanned::Spanned::span(&**other));
        }
    }
}

/// `["…", "…"].contains(&name)`.
pub(super) fn method(file: &mut File<'_>, call: &ExprMethodCall) {
    let (Expr::Array(all), "contains", Some(asked)) =
        (&*call.receiver, name(&call.method).as_str(), call.args.first())
    else {
        return;
    };
    if asks(&file.scope, asked) {
        for one in &all.elems {
            let text = file.scope.text(one);
            push(file, text, syn::spanned::Spanned::span(one));
        }
    }
}

/// `matches!(error.constraint(), Some("…"))`.
pub(super) fn macro_call(file: &mut File<'_>, call: &Macro) {
    if last(&call.path) != "matches" {
        return;
    }
    let parser = |input: ParseStream<'_>| {
        let asked: Expr = input.parse()?;
        input.parse::<Token![,]>()?;
        let pattern = Pat::parse_multi_with_leading_vert(input)?;
        let _: proc_macro2::TokenStream = input.parse()?;
        Ok((asked, pattern))
    };
    if let Ok((asked, found)) = parser.parse2(call.tokens.clone())
        && asks(&file.scope, &asked)
    {
        pattern(file, &found);
    }
}

/// The names in a pattern that a constraint's name is held against.
pub(super) fn pattern(file: &mut File<'_>, found: &Pat) {
    let span = syn::spanned::Spanned::span(found);
    match found {
        Pat::Lit(literal) => {
            let text = file.scope.text(&Expr::Lit(literal.clone()));
            push(file, text, span);
        }
        Pat::Path(path) => push(file, RawText::Name(last_two(&path.path)), span),
        // A constant looks like a name that is bound; only its letters tell.
        Pat::Ident(ident) if ident.subpat.is_none() && is_constant(&name(&ident.ident)) => {
            push(file, RawText::Name(name(&ident.ident)), span);
        }
        Pat::Ident(ident) => {
            if let Some((_, inner)) = &ident.subpat {
                pattern(file, inner);
            }
        }
        Pat::TupleStruct(outer) => outer.elems.iter().for_each(|inner| pattern(file, inner)),
        Pat::Or(cases) => cases.cases.iter().for_each(|case| pattern(file, case)),
        Pat::Paren(inner) => pattern(file, &inner.pat),
        Pat::Guard(inner) => pattern(file, &inner.pat),
        Pat::Reference(inner) => pattern(file, &inner.pat),
        _ => {}
    }
}

fn is_constant(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_') && name != "_"
}

fn push(file: &mut File<'_>, text: RawText, span: proc_macro2::Span) {
    let place = file.place(span);
    file.raw.constraints.push((text, place));
}

#[cfg(test)]
mod tests {
    use crate::contract::extract::from_texts;

    fn names(body: &str) -> Vec<String> {
        let text = format!(
            "const USERS_EMAIL: &str = \"users_email_key\";\nfn f(error: sqlx::Error, e: &dyn DatabaseError) -> bool {{\n{body}\n}}"
        );
        let contract = from_texts(&[("src/a.rs", &text)], &["sqlx"]);
        contract.constraints.into_iter().map(|found| format!("{} {}", found.name, found.place.line)).collect()
    }

    #[test]
    fn names_are_found_where_errors_are_matched() {
        for (body, found) in [
            (r#"e.constraint() == Some("a")"#, &["a 3"][..]),
            (r#"Some("a") != e.constraint()"#, &["a 3"]),
            (r#"e.constraint() == Some(USERS_EMAIL)"#, &["users_email_key 3"]),
            (r#"error.as_database_error().and_then(|e| e.constraint()) == Some("a")"#, &["a 3"]),
            (r#"error.as_database_error().and_then(DatabaseError::constraint) == Some("a")"#, &["a 3"]),
            (r#"e.constraint().unwrap_or_default() == "a""#, &["a 3"]),
            (r#"matches!(e.constraint(), Some("a" | "b") if true)"#, &["a 3", "b 3"]),
            (r#"if let Some("a") = e.constraint() { true } else { false }"#, &["a 3"]),
            (
                "match e.constraint() {\nSome(\"b\") => true,\nSome(USERS_EMAIL | \"a\") => true,\n_ => false }",
                &["a 5", "b 4", "users_email_key 5"],
            ),
            (r#"e.constraint().is_some_and(|name| name == "a" || *name == "b")"#, &["a 3", "b 3"]),
            (r#"if let Some(name) = e.constraint() { name == "a" } else { false }"#, &["a 3"]),
            (
                r#"let Some(name) = e.constraint() else { return false }; ["a", "b"].contains(&name)"#,
                &["a 3", "b 3"],
            ),
            (r#"let name = e.constraint(); match name { Some("a") => true, _ => false }"#, &["a 3"]),
            (
                r#"match e.constraint() { Some(name) => match name { "a" => true, _ => false }, None => false }"#,
                &["a 3"],
            ),
            (r#"e.constraint() == None"#, &[]),
            (r#"e.message() == "a""#, &[]),
            (r#"let name = e.constraint(); let name = e.table(); name == Some("a")"#, &[]),
            (r#"if let Some(name) = e.constraint() {} name == "a""#, &[]),
            (r#"e.constraint(1) == Some("a")"#, &[]),
        ] {
            assert_eq!(names(body), found, "{body}");
        }
    }
}

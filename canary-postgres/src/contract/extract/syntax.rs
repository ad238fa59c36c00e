//! Small questions to syntax trees.

use quote::ToTokens;
use syn::{Expr, ExprMethodCall, GenericArgument, Lit, Path, PathArguments, Type};

use super::raw::RawType;

/// Tokens as a person writes them: `Vec<Option<i64>>`, `&'a str`.
pub(super) fn compact(tokens: &impl ToTokens) -> String {
    let spaced = tokens.to_token_stream().to_string();
    let mut out = String::with_capacity(spaced.len());
    let mut before = "";
    for word in spaced.split_whitespace() {
        let tight =
            |text: &str| matches!(text, "::" | "<" | ">" | "&" | "(" | ")" | "[" | "]" | "." | "!" | ">>");
        let joined = before.is_empty() || tight(before) || tight(word) || matches!(word, "," | ";" | "?");
        out.push_str(if joined && before != "," && before != ";" { "" } else { " " });
        out.push_str(word);
        before = word;
    }
    out
}

impl RawType {
    /// The type as written.
    pub(super) fn of(written: &Type) -> Self {
        match written {
            Type::Paren(inner) => Self::of(&inner.elem),
            Type::Group(inner) => Self::of(&inner.elem),
            Type::Tuple(tuple) if !tuple.elems.is_empty() => Self {
                name: compact(written),
                nullable: false,
                tuple: Some(tuple.elems.iter().map(Self::of).collect()),
            },
            Type::Path(path) => match (last(&path.path), generics(&path.path).first()) {
                (name, Some(inner)) if name == "Option" => Self { nullable: true, ..Self::of(inner) },
                _ => Self::plain(compact(written)),
            },
            _ => Self::plain(compact(written)),
        }
    }

    /// A type by its name.
    pub(super) const fn plain(name: String) -> Self {
        Self { name, nullable: false, tuple: None }
    }

    /// Whether it is left to the compiler.
    pub(super) fn inferred(&self) -> bool {
        self.name == "_"
    }
}

/// The last name of a path.
pub(super) fn last(path: &Path) -> String {
    path.segments.last().map_or_else(String::new, |segment| name(&segment.ident))
}

/// The last two names of a path: `Type::NAME`, or one.
pub(super) fn last_two(path: &Path) -> String {
    let names: Vec<String> = path.segments.iter().map(|segment| name(&segment.ident)).collect();
    names[names.len().saturating_sub(2)..].join("::")
}

/// An identifier without `r#`.
pub(super) fn name(ident: &syn::Ident) -> String {
    let text = ident.to_string();
    text.strip_prefix("r#").map_or_else(|| text.clone(), str::to_owned)
}

/// The types in the angle brackets of a path's last name.
pub(super) fn generics(path: &Path) -> Vec<Type> {
    match path.segments.last().map(|segment| &segment.arguments) {
        Some(PathArguments::AngleBracketed(arguments)) => types(&arguments.args),
        _ => Vec::new(),
    }
}

/// The types among generic arguments.
pub(super) fn types<'a>(arguments: impl IntoIterator<Item = &'a GenericArgument>) -> Vec<Type> {
    let types = arguments.into_iter().filter_map(|argument| match argument {
        GenericArgument::Type(written) => Some(written.clone()),
        _ => None,
    });
    types.collect()
}

/// The text of a string literal.
pub(super) fn string(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        Expr::Paren(inner) => string(&inner.expr),
        Expr::Group(inner) => string(&inner.expr),
        Expr::Reference(inner) => string(&inner.expr),
        _ => None,
    }
}

/// The path that an expression is.
pub(super) fn path(expr: &Expr) -> Option<&Path> {
    match expr {
        Expr::Path(path) => Some(&path.path),
        Expr::Paren(inner) => path(&inner.expr),
        Expr::Group(inner) => path(&inner.expr),
        _ => None,
    }
}

/// The beginning of a chain of method calls and the calls after it, `?`, `.await` and brackets passed over.
pub(super) fn chain(expr: &Expr) -> (&Expr, Vec<&ExprMethodCall>) {
    let (mut at, mut calls) = (expr, Vec::new());
    loop {
        at = match at {
            Expr::MethodCall(call) => {
                calls.push(call);
                &call.receiver
            }
            Expr::Await(inner) => &inner.base,
            Expr::Try(inner) => &inner.expr,
            Expr::Paren(inner) => &inner.expr,
            Expr::Group(inner) => &inner.expr,
            Expr::Reference(inner) => &inner.expr,
            _ => break,
        };
    }
    calls.reverse();
    (at, calls)
}

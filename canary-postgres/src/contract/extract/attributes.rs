//! The attributes of sqlx, postgres-types and diesel on structs, enums, fields and variants.

use heck::{
    ToKebabCase, ToLowerCamelCase, ToShoutyKebabCase, ToShoutySnakeCase, ToSnakeCase, ToTrainCase,
    ToUpperCamelCase,
};
use syn::parse::ParseStream;
use syn::{Attribute, Expr, Token, Type};

use super::syntax::{last, string};

/// What stands in `#[sqlx(…)]`, `#[postgres(…)]` or `#[diesel(…)]`; what is not known is passed over.
#[derive(Default)]
pub(super) struct Words {
    words: Vec<(String, Option<String>)>,
    /// The type of `try_from = "T"`.
    pub(super) try_from: Option<Type>,
}

impl Words {
    /// Reads the attributes of this name.
    pub(super) fn of(attributes: &[Attribute], name: &str) -> Self {
        let mut found = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident(name)) {
            // An attribute that cannot be read does not compile either.
            let _ = attribute.parse_nested_meta(|meta| {
                let word = last(&meta.path);
                let value = if meta.input.peek(Token![=]) {
                    meta.value().and_then(|input: ParseStream<'_>| input.parse::<Expr>()).ok()
                } else {
                    if meta.input.peek(syn::token::Paren) {
                        let inner;
                        syn::parenthesized!(inner in meta.input);
                        let tokens: proc_macro2::TokenStream = inner.parse()?;
                        found.words.push((format!("{word}({tokens})"), None));
                    }
                    None
                };
                let text = value
                    .as_ref()
                    .and_then(|value| string(value).or_else(|| super::syntax::path(value).map(last)));
                if word == "try_from" {
                    found.try_from = text.as_deref().and_then(|text| syn::parse_str(text).ok());
                }
                found.words.push((word, text));
                Ok(())
            });
        }
        found
    }

    /// Whether the word stands there.
    pub(super) fn has(&self, word: &str) -> bool {
        self.words.iter().any(|(found, _)| found == word)
    }

    /// The text after `word =`.
    pub(super) fn value(&self, word: &str) -> Option<&str> {
        self.words.iter().find(|(found, _)| found == word).and_then(|(_, value)| value.as_deref())
    }
}

/// Whether a derive of this name stands there; paths count by their last name.
pub(super) fn derives(attributes: &[Attribute], name: &str) -> bool {
    attributes.iter().any(|attribute| {
        // `#[cfg_attr(feature = "sql", derive(FromRow))]` counts: with the feature, it is one.
        let mut found = false;
        if attribute.path().is_ident("derive") || attribute.path().is_ident("cfg_attr") {
            let _ = attribute.parse_nested_meta(|meta| {
                found |= last(&meta.path) == name;
                if meta.path.is_ident("derive") && meta.input.peek(syn::token::Paren) {
                    meta.parse_nested_meta(|inner| {
                        found |= last(&inner.path) == name;
                        Ok(())
                    })?;
                } else if meta.input.peek(Token![=]) {
                    let _: Expr = meta.value()?.parse()?;
                } else if meta.input.peek(syn::token::Paren) {
                    let inner;
                    syn::parenthesized!(inner in meta.input);
                    let _: proc_macro2::TokenStream = inner.parse()?;
                }
                Ok(())
            });
        }
        found
    })
}

/// Whether an item is for tests alone: `#[cfg(test)]`, `#[test]`, `#[tokio::test]`, `#[sqlx::test]`.
pub(super) fn for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        last(attribute.path()) == "test"
            || (attribute.path().is_ident("cfg")
                && matches!(&attribute.meta, syn::Meta::List(list) if list.tokens.to_string() == "test"))
    })
}

/// A name by a rule of `rename_all`; an unknown rule leaves it as it is.
///
/// The rules are sqlx' (`RenameAll`) and postgres-types' (`derive`), which both use the same crate for the cases.
pub(super) fn renamed(name: &str, rule: Option<&str>) -> String {
    match rule {
        Some("lowercase") => name.to_lowercase(),
        Some("UPPERCASE") => name.to_uppercase(),
        Some("snake_case") => name.to_snake_case(),
        Some("SCREAMING_SNAKE_CASE") => name.to_shouty_snake_case(),
        Some("kebab-case") => name.to_kebab_case(),
        Some("SCREAMING-KEBAB-CASE") => name.to_shouty_kebab_case(),
        Some("camelCase") => name.to_lower_camel_case(),
        Some("PascalCase") => name.to_upper_camel_case(),
        Some("Train-Case") => name.to_train_case(),
        _ => name.to_owned(),
    }
}

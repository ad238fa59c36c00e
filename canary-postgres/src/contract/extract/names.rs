//! What names stand for across files: constants, types, structs.

use std::collections::BTreeMap;

use syn::{GenericArgument, PathArguments, Type};

use super::raw::{RawFile, RawNumber, RawText, RawType, RawValue};
use super::syntax::{compact, last};
use crate::contract::model::RustType;

/// More constants than this within one another are a circle.
const DEEPEST: usize = 16;
/// More texts than this of one call are not enumerated.
const MOST: usize = 64;

/// Looks names up from the place where they are used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names<'a> {
    files: &'a [RawFile],
    all: &'a Index<'a>,
    /// The file that asks.
    at: usize,
}

/// All names of all files.
#[derive(Debug, Default)]
pub(super) struct Index<'a> {
    constants: BTreeMap<&'a str, Vec<(usize, &'a RawValue)>>,
    types: BTreeMap<&'a str, Vec<(usize, &'a RawType)>>,
}

impl<'a> Index<'a> {
    pub(super) fn of(files: &'a [RawFile]) -> Self {
        let mut index = Self::default();
        for (at, file) in files.iter().enumerate() {
            for (name, value) in &file.constants {
                index.constants.entry(name).or_default().push((at, value));
            }
            for (name, written) in &file.names {
                index.types.entry(name).or_default().push((at, written));
            }
        }
        index
    }
}

impl<'a> Names<'a> {
    pub(super) const fn at(files: &'a [RawFile], all: &'a Index<'a>, at: usize) -> Self {
        Self { files, all, at }
    }

    /// The nearest of several: in the same file, else the only one of the package, else the only one of all. Equal ones
    /// are one.
    fn nearest<T: PartialEq + ?Sized>(&self, found: &[(usize, &'a T)]) -> Option<(usize, &'a T)> {
        let package = self.files[self.at].package;
        let one = |candidates: Vec<(usize, &'a T)>| {
            let first = *candidates.first()?;
            candidates.iter().all(|(_, value)| *value == first.1).then_some(first)
        };
        let of = |keep: &dyn Fn(usize) -> bool| {
            found.iter().copied().filter(|(at, _)| keep(*at)).collect::<Vec<_>>()
        };
        let here = of(&|at| at == self.at);
        if !here.is_empty() {
            return one(here);
        }
        let inside = of(&|at| self.files[at].package == package);
        if inside.is_empty() { one(of(&|_| true)) } else { one(inside) }
    }

    fn constant(&self, name: &str) -> Option<(usize, &'a RawValue)> {
        let bare = name.rsplit("::").next().unwrap_or(name);
        let found = self.all.constants.get(name).or_else(|| self.all.constants.get(bare))?;
        self.nearest(found)
    }

    /// Every text that a raw one may come to; else what makes it.
    pub(super) fn texts(&self, text: &RawText) -> Result<Vec<String>, String> {
        self.texts_below(text, 0)
    }

    fn texts_below(&self, text: &RawText, depth: usize) -> Result<Vec<String>, String> {
        if depth > DEEPEST {
            return Err("constants that name one another".to_owned());
        }
        match text {
            RawText::Literal(text) => Ok(vec![text.clone()]),
            RawText::Name(name) => match self.constant(name) {
                Some((at, RawValue::Text(text))) => Self { at, ..*self }.texts_below(text, depth + 1),
                _ => Err(format!("`{name}`")),
            },
            RawText::Joined(parts) => {
                let mut all = vec![String::new()];
                for part in parts {
                    let ends = self.texts_below(part, depth + 1)?;
                    if all.len() * ends.len() > MOST {
                        return Err(format!("more than {MOST} texts"));
                    }
                    all = all
                        .iter()
                        .flat_map(|start| ends.iter().map(move |end| format!("{start}{end}")))
                        .collect();
                }
                Ok(all)
            }
            RawText::OneOf(some) => {
                let mut all = Vec::new();
                for one in some {
                    all.extend(self.texts_below(one, depth + 1)?);
                }
                if all.len() > MOST { Err(format!("more than {MOST} texts")) } else { Ok(all) }
            }
            RawText::Statement => Ok(Vec::new()),
            RawText::Computed(what) => Err(what.clone()),
        }
    }

    /// A number with its constants looked up.
    pub(super) fn number(&self, number: &RawNumber) -> RawNumber {
        self.number_below(number, 0)
    }

    fn number_below(&self, number: &RawNumber, depth: usize) -> RawNumber {
        let RawNumber::Name(name, factor) = number else { return number.clone() };
        let unknown = || RawNumber::Unknown(format!("`{name}`"));
        match self.constant(name) {
            Some((at, RawValue::Number(value))) if depth < DEEPEST => {
                match (Self { at, ..*self }.number_below(value, depth + 1), factor) {
                    (RawNumber::Known(value), factor) => {
                        value.checked_mul(*factor).map_or_else(unknown, RawNumber::Known)
                    }
                    (other, _) => other,
                }
            }
            Some((at, RawValue::Text(RawText::Name(other)))) if depth < DEEPEST => {
                Self { at, ..*self }.number_below(&RawNumber::Name(other.clone(), *factor), depth + 1)
            }
            _ => unknown(),
        }
    }

    /// A type with its aliases and wrappers looked up.
    pub(super) fn rust_type(&self, raw: &RawType) -> RustType {
        let resolved = syn::parse_str::<Type>(&raw.name).ok().map(|written| self.resolved(&written, 0));
        let mut nullable = raw.nullable;
        let stands_for = resolved.and_then(|resolved| {
            let inner = RawType::of(&resolved);
            nullable |= inner.nullable;
            (inner.name != raw.name).then_some(inner.name)
        });
        RustType { name: raw.name.clone(), stands_for, nullable }
    }

    fn resolved(&self, written: &Type, depth: usize) -> Type {
        let Type::Path(path) = written else { return written.clone() };
        let mut path = path.clone();
        let own = last(&path.path);
        let plain = path.path.segments.last().is_some_and(|segment| segment.arguments.is_none());
        if plain
            && depth < DEEPEST
            && let Some((at, raw)) = self.all.types.get(own.as_str()).and_then(|found| self.nearest(found))
        {
            let text = if raw.nullable { format!("Option<{}>", raw.name) } else { raw.name.clone() };
            // `type DateTime = chrono::DateTime<Utc>` names itself last: one step is enough there.
            if let Ok(next) = syn::parse_str::<Type>(&text) {
                let itself = matches!(&next, Type::Path(next) if last(&next.path) == own);
                return if itself { next } else { Self { at, ..*self }.resolved(&next, depth + 1) };
            }
        }
        if depth < DEEPEST
            && let Some(segment) = path.path.segments.last_mut()
            && let PathArguments::AngleBracketed(arguments) = &mut segment.arguments
        {
            for argument in &mut arguments.args {
                if let GenericArgument::Type(inner) = argument {
                    *inner = self.resolved(inner, depth + 1);
                }
            }
        }
        Type::Path(path)
    }
}

/// The name by which a struct is looked for: the last one, without generics and references.
pub(super) fn bare(written: &str) -> String {
    let parsed = syn::parse_str::<Type>(written);
    match parsed {
        Ok(Type::Path(path)) => last(&path.path),
        Ok(Type::Reference(inner)) => bare(&compact(&inner.elem)),
        _ => written.to_owned(),
    }
}

//! Values as they were written, before they are read.

use std::collections::BTreeSet;

use super::address;
use super::file::WrittenSli;
use super::kind::{Kind, Reason, Value};
use super::origin::Origin;
use super::table::{Key, Setting};
use crate::error::Problem;

/// A setting that somebody wrote.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Written {
    pub(super) key: Key,
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// What the layers said so far, the weakest first.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) written: Vec<Written>,
    pub(super) slis: Vec<WrittenSli>,
    pub(super) problems: Vec<Problem>,
    /// Settings whose value could not be read: what they would be compared with is left alone.
    pub(super) broken: BTreeSet<Key>,
}

impl Gathered {
    /// Notes that a setting's value cannot be used.
    pub(super) fn refuse(&mut self, key: Key, problem: Problem) {
        self.broken.insert(key);
        self.problems.push(problem);
    }

    /// Reads one text of a variable or a flag.
    pub(super) fn read(&mut self, setting: &'static Setting, text: &str, origin: Origin) {
        let seconds = matches!(origin, Origin::Variable(_));
        match setting.kind.read(text, seconds) {
            Ok(value) => self.written.push(Written { key: setting.id, value, origin }),
            Err(reason) => {
                let value = shown(&setting.kind, text);
                let place = match origin {
                    Origin::Variable(name) => format!("environment variable {name}={value}"),
                    Origin::Flag(name) => format!("flag --{name} {value}"),
                    other => format!("{other}: {} = {value}", setting.key),
                };
                self.refuse(setting.id, problem(&place, reason));
            }
        }
    }
}

/// A problem at a place.
pub(super) fn problem(place: &str, reason: Reason) -> Problem {
    Problem::new(format!("{place}: {}", reason.why), reason.remedy)
}

/// A value for people: quoted, cut, without passwords.
pub(super) fn shown(kind: &Kind, text: &str) -> String {
    let text = match kind {
        // What stands after the names is often a secret.
        Kind::Assignments => return "…".to_owned(),
        // A password may be anywhere in it.
        Kind::Shadow => {
            text.split_once("://").map_or_else(|| text.to_owned(), |(scheme, _)| format!("{scheme}://…"))
        }
        Kind::Url | Kind::SecureUrl | Kind::Address => address::without_password(text),
        _ => text.to_owned(),
    };
    quoted(&text)
}

/// A text in quotes with everything unprintable escaped, cut after 80 characters.
pub(super) fn quoted(text: &str) -> String {
    if text.chars().count() <= 80 {
        return format!("{text:?}");
    }
    let head: String = text.chars().take(80).collect();
    format!("{head:?}…")
}

//! The configuration file: TOML, walked with the place of every key and value at hand.

mod convert;
mod own;
mod sli;

use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub(super) use sli::{BUILT_IN, Measured, WrittenSli};

use super::origin::{Origin, position};
use super::raw::{Gathered, Written, problem, quoted};
use super::suggest::nearest;
use super::table::{SETTINGS, Setting};
use crate::backend::{File, Registry};
use crate::error::Problem;

/// A file's text and name, to say where things are.
pub(super) struct Source<'a> {
    /// As the operator named it.
    name: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    fn origin(&self, offset: usize) -> Origin {
        let (line, column) = position(self.text, offset);
        Origin::File { path: self.name.to_owned(), line, column }
    }
}

/// Reads a file of at most 1 MiB.
pub(super) fn read(
    name: &Path,
    directory: &Path,
    registry: &Registry,
    gathered: &mut Gathered,
) -> Option<Arc<File>> {
    let read = match text(&directory.join(name)) {
        Ok(text) => walk(&Source { name, text: &text }, registry, gathered)
            .then(|| Arc::new(File { path: name.to_owned(), text })),
        Err((why, remedy)) => {
            let message = format!("cannot read the configuration file {}: {why}", name.display());
            gathered.problems.push(Problem::new(message, remedy));
            None
        }
    };
    if read.is_none() {
        gathered.broken.extend(SETTINGS.iter().map(|setting| setting.id));
    }
    read
}

fn text(path: &Path) -> Result<String, (String, &'static str)> {
    const LIMIT: u64 = 1 << 20;
    let io = |error: std::io::Error| {
        (error.to_string(), "name another with -f, or leave -f away to use variables alone")
    };
    let facts = std::fs::metadata(path).map_err(io)?;
    if facts.is_dir() {
        return Err(("it is a directory".to_owned(), "name the file in it"));
    }
    if !facts.is_file() {
        return Err(("it is not a regular file".to_owned(), "name a regular file"));
    }
    if facts.len() > LIMIT {
        return Err((
            format!("it has {} bytes", facts.len()),
            "name a configuration file; those have at most 1 MiB",
        ));
    }
    let bytes = std::fs::read(path).map_err(io)?;
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..good].iter().filter(|byte| **byte == b'\n').count() + 1;
        (format!("line {line} is not UTF-8 text"), "save the file as UTF-8")
    })
}

/// Takes in what the file says; false when it is no TOML.
fn walk(source: &Source<'_>, registry: &Registry, gathered: &mut Gathered) -> bool {
    let (table, errors) = DeTable::parse_recoverable(source.text);
    if !errors.is_empty() {
        gathered.problems.extend(syntax(source, &errors));
        return false;
    }
    for (key, value) in in_order(table.get_ref()) {
        let name = key.get_ref().as_ref();
        if name == "sli" {
            sli::read(source, value, gathered);
        } else if name == "backend" {
            own::check(source, value, registry, gathered);
        } else if let Some(setting) = SETTINGS.iter().find(|s| s.key == name) {
            set(source, setting, value, gathered);
        } else if SETTINGS.iter().any(|s| s.section() == name) {
            section(source, name, value, gathered);
        } else {
            gathered.problems.push(unknown_section(source, key, value));
        }
    }
    true
}

/// The entries of a table as they stand in the file.
fn in_order<'t, 'i>(
    table: &'t DeTable<'i>,
) -> Vec<(&'t Spanned<std::borrow::Cow<'i, str>>, &'t Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

/// One problem a line: what follows from the first on a line is noise.
fn syntax(source: &Source<'_>, errors: &[toml::de::Error]) -> Vec<Problem> {
    let mut lines = std::collections::BTreeSet::new();
    let mut problems = Vec::new();
    for error in errors {
        let (line, column) = position(source.text, error.span().map_or(0, |span| span.start));
        if !lines.insert(line) {
            continue;
        }
        let origin = Origin::File { path: source.name.to_owned(), line, column };
        let hint = match error.message() {
            "duplicate key" => "write each key and each [section] once",
            _ => "correct the TOML; texts and times stand in quotes, as in timeout = \"30s\"",
        };
        problems.push(Problem::new(format!("{origin}: {}", error.message()), hint));
    }
    problems
}

fn section(source: &Source<'_>, section: &str, value: &Spanned<DeValue<'_>>, gathered: &mut Gathered) {
    let DeValue::Table(table) = value.get_ref() else {
        let place = source.origin(value.span().start);
        gathered.problems.push(Problem::new(
            format!(
                "{place}: {section} = {}: {section} is a section, not a setting",
                convert::excerpt(source, value)
            ),
            format!("write [{section}] on a line of its own and the settings below it"),
        ));
        return;
    };
    for (key, value) in in_order(table) {
        let name = key.get_ref().as_ref();
        match SETTINGS.iter().find(|s| s.section() == section && s.name() == name) {
            Some(setting) => set(source, setting, value, gathered),
            None => gathered.problems.push(unknown_key(source, section, key)),
        }
    }
}

fn set(
    source: &Source<'_>,
    setting: &'static Setting,
    value: &Spanned<DeValue<'_>>,
    gathered: &mut Gathered,
) {
    match convert::value(&setting.kind, value) {
        Ok(read) => gathered.written.push(Written {
            key: setting.id,
            value: convert::from_directory(read, source.name.parent().unwrap_or_else(|| Path::new(""))),
            origin: source.origin(value.span().start),
        }),
        Err((span, reason)) => {
            let place = source.origin(span.start);
            let shown = convert::shown(source, &setting.kind, value);
            gathered.refuse(setting.id, problem(&format!("{place}: {} = {shown}", setting.key), reason));
        }
    }
}

fn unknown_key(source: &Source<'_>, section: &str, key: &Spanned<std::borrow::Cow<'_, str>>) -> Problem {
    let name = key.get_ref().as_ref();
    let place = source.origin(key.span().start);
    let here: Vec<_> = SETTINGS.iter().filter(|s| s.section() == section).map(Setting::name).collect();
    let elsewhere = || SETTINGS.iter().find(|s| s.name() == name).map(|s| s.key);
    let hint = if let Some(near) = nearest(name, here.iter().copied()) {
        format!("did you mean {section}.{near}?")
    } else if let Some(other) = elsewhere() {
        format!("did you mean {other}?")
    } else {
        format!("[{section}] knows {}", here.join(", "))
    };
    Problem::new(format!("{place}: {}: there is no such setting", dotted(section, name)), hint)
}

fn dotted(section: &str, name: &str) -> String {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if plain { format!("{section}.{name}") } else { format!("{section}.{}", quoted(name)) }
}

fn unknown_section(
    source: &Source<'_>,
    key: &Spanned<std::borrow::Cow<'_, str>>,
    value: &Spanned<DeValue<'_>>,
) -> Problem {
    let name = key.get_ref().as_ref();
    let place = source.origin(key.span().start);
    let mut sections: Vec<_> = SETTINGS.iter().map(Setting::section).filter(|s| !s.is_empty()).collect();
    sections.dedup();
    sections.push("sli");
    let table = value.get_ref().is_table();
    let setting = || SETTINGS.iter().find(|s| s.name() == name || s.variable == name).map(|s| s.key);
    let hint = if let Some(key) = setting() {
        format!("did you mean {key}?")
    } else if let Some(near) = nearest(name, sections.iter().copied()) {
        format!("did you mean [{near}]?")
    } else {
        format!("the sections are {}", sections.join(", "))
    };
    let what = if table { "section" } else { "setting" };
    Problem::new(format!("{place}: {}: there is no such {what}", quoted(name).trim_matches('"')), hint)
}

//! Which convention a directory follows, from the names and markers of all its files together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Convention, has_extension, versioned};

/// A convention that was found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Detected {
    /// How the files are read.
    pub(crate) convention: Convention,
    /// What it was seen by.
    pub(crate) by: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Trace {
    DieselDirectories,
    GooseMarkers,
    DbmateMarkers,
    SqlMigrateMarkers,
    UpAndDownFiles,
    Versioned,
    Undo,
    Repeatable,
    Whole,
}

impl Trace {
    const fn says(self) -> &'static str {
        match self {
            Self::DieselDirectories => "directories with up.sql and down.sql (diesel)",
            Self::GooseMarkers => "`-- +goose` markers (goose)",
            Self::DbmateMarkers => "`-- migrate:` markers (dbmate)",
            Self::SqlMigrateMarkers => "`-- +migrate` markers (sql-migrate)",
            Self::UpAndDownFiles => "files named .up.sql and .down.sql (sqlx or golang-migrate)",
            Self::Versioned => "files named V<n>__x.sql (flyway or refinery)",
            Self::Undo => "files named U<n>__x.sql (undone by flyway, run by refinery)",
            Self::Repeatable => "files named R__x.sql or B<n>__x.sql (flyway)",
            Self::Whole => "files with neither markers nor telling names (sqlx, plain)",
        }
    }
}

/// Finds the convention, in this order: diesel's directories; markers of goose, dbmate or sql-migrate; `.up.sql` and
/// `.down.sql`; `V`, `U`, `R` names; else plain files. Every file must agree.
///
/// # Errors
/// What disagrees, and what to set.
pub(crate) fn detect<'a>(files: impl Iterator<Item = (&'a Path, &'a str)>) -> Result<Detected, String> {
    let mut traces: BTreeMap<Trace, PathBuf> = BTreeMap::new();
    let mut no_transaction = false;
    for (path, text) in files.filter(|(path, _)| has_extension(path, "sql")) {
        no_transaction |= text.starts_with("-- no-transaction");
        for trace in traces_of(path, text) {
            traces.entry(trace).or_insert_with(|| path.to_owned());
        }
    }
    let found = |convention, by| Ok(Detected { convention, by });
    match traces.keys().copied().collect::<Vec<_>>()[..] {
        [] => found(Convention::Plain, "no file tells otherwise"),
        [Trace::Whole] if no_transaction => found(Convention::Sqlx, "a file starts with -- no-transaction"),
        [Trace::Whole] => found(Convention::Plain, "every file is read whole"),
        [one @ Trace::DieselDirectories] => found(Convention::Diesel, one.says()),
        [one @ Trace::GooseMarkers] => found(Convention::Goose, one.says()),
        [one @ Trace::DbmateMarkers] => found(Convention::Dbmate, one.says()),
        [one @ Trace::SqlMigrateMarkers] => found(Convention::SqlMigrate, one.says()),
        [one @ Trace::UpAndDownFiles] if no_transaction => found(Convention::Sqlx, one.says()),
        [one @ Trace::UpAndDownFiles] => found(Convention::GolangMigrate, one.says()),
        [one @ Trace::Versioned] => found(Convention::Flyway, one.says()),
        [one @ Trace::Repeatable] | [Trace::Versioned, one @ Trace::Repeatable] => {
            found(Convention::Flyway, one.says())
        }
        _ => Err(disagreement(&traces)),
    }
}

fn disagreement(traces: &BTreeMap<Trace, PathBuf>) -> String {
    let seen: Vec<String> =
        traces.iter().map(|(trace, path)| format!("{} such as {}", trace.says(), path.display())).collect();
    let known = Convention::ALL.map(Convention::name).join(", ");
    format!(
        "the migration files do not say by which tool they run: there are {}; set the convention to one of {known}",
        seen.join(", and ")
    )
}

fn traces_of(path: &Path, text: &str) -> Vec<Trace> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let in_directory = path.parent().is_some_and(|parent| !parent.as_os_str().is_empty());
    let mut traces = Vec::new();
    if in_directory && (name == "up.sql" || name == "down.sql") {
        traces.push(Trace::DieselDirectories);
    }
    for line in text.lines().filter_map(|line| line.strip_prefix("--")) {
        let line = line.trim().to_ascii_lowercase();
        let marker = if line.starts_with("+goose ") {
            Trace::GooseMarkers
        } else if line.starts_with("migrate:up") || line.starts_with("migrate:down") {
            Trace::DbmateMarkers
        } else if line.starts_with("+migrate ") {
            Trace::SqlMigrateMarkers
        } else {
            continue;
        };
        if !traces.contains(&marker) {
            traces.push(marker);
        }
    }
    if name.ends_with(".up.sql") || name.ends_with(".down.sql") {
        traces.push(Trace::UpAndDownFiles);
    }
    match versioned(&name) {
        Some('V') => traces.push(Trace::Versioned),
        Some('U') => traces.push(Trace::Undo),
        Some(_) => traces.push(Trace::Repeatable),
        None => {}
    }
    if traces.is_empty() {
        traces.push(Trace::Whole);
    }
    traces
}

//! Which convention a directory follows, from the names and markers of all its files together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::project::{Claim, Project};
use super::read::owner;
use super::{Convention, has_extension, versioned};

/// A convention that was found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Detected {
    /// How the files are read.
    pub(crate) convention: Convention,
    /// What it was seen by.
    pub(crate) by: String,
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
    TernMarkers,
    LiquibaseHeader,
    AtlasMarkers,
    PsqlCommands,
    Whole,
}

impl Trace {
    const fn convention(self) -> Option<Convention> {
        Some(match self {
            Self::DieselDirectories => Convention::Diesel,
            Self::GooseMarkers => Convention::Goose,
            Self::DbmateMarkers => Convention::Dbmate,
            Self::SqlMigrateMarkers => Convention::SqlMigrate,
            Self::UpAndDownFiles => Convention::GolangMigrate,
            Self::Versioned | Self::Repeatable => Convention::Flyway,
            Self::TernMarkers => Convention::Tern,
            Self::LiquibaseHeader => Convention::Liquibase,
            Self::AtlasMarkers => Convention::Atlas,
            Self::PsqlCommands => Convention::Psql,
            Self::Whole => Convention::Plain,
            // Undone by flyway, run by refinery.
            Self::Undo => return None,
        })
    }

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
            Self::TernMarkers => "`---- create above / drop below ----` lines (tern)",
            Self::LiquibaseHeader => "`--liquibase formatted sql` headers (liquibase)",
            Self::AtlasMarkers => "`-- atlas:` directives (atlas)",
            Self::PsqlCommands => "lines that begin with a backslash (psql)",
            Self::Whole => "files with neither markers nor telling names (sqlx, plain)",
        }
    }
}

/// Finds the convention, in this order: the project's dependencies; its settings files; then the files' own names and
/// markers, all of which must agree.
///
/// # Errors
/// What disagrees, and what to set.
pub(crate) fn detect<'a>(
    project: &Project,
    files: impl Iterator<Item = (&'a Path, &'a str)>,
) -> Result<Detected, String> {
    for (claims, what) in [
        (&project.dependencies, "the project's dependencies say"),
        (&project.settings, "the project's settings files say"),
    ] {
        if let Some(detected) = agreed(claims, what)? {
            return Ok(detected);
        }
    }
    of_files(files)
}

/// The one convention of all claims, if there are any.
fn agreed(claims: &[Claim], what: &str) -> Result<Option<Detected>, String> {
    let Some(first) = claims.first() else { return Ok(None) };
    let Some(other) = claims.iter().find(|claim| claim.convention != first.convention) else {
        return Ok(Some(Detected { convention: first.convention, by: first.by.clone() }));
    };
    Err(format!(
        "{what} both {} ({}) and {} ({}); set the convention to the one that runs these migrations",
        first.convention, first.by, other.convention, other.by
    ))
}

fn of_files<'a>(files: impl Iterator<Item = (&'a Path, &'a str)>) -> Result<Detected, String> {
    let mut traces: BTreeMap<Trace, PathBuf> = BTreeMap::new();
    let mut no_transaction = false;
    for (path, text) in files.filter(|(path, _)| has_extension(path, "sql")) {
        no_transaction |= text.starts_with("-- no-transaction");
        for trace in traces_of(path, text) {
            traces.entry(trace).or_insert_with(|| path.to_owned());
        }
    }
    // psql's commands may be in some of its files only, as atlas' directives are.
    for sparse in [Trace::PsqlCommands, Trace::AtlasMarkers] {
        if traces.contains_key(&sparse) {
            traces.remove(&Trace::Whole);
        }
    }
    let found = |convention, by: &str| Ok(Detected { convention, by: by.to_owned() });
    match traces.keys().copied().collect::<Vec<_>>()[..] {
        [] => found(Convention::Plain, "no file tells otherwise"),
        [Trace::Whole] if no_transaction => found(Convention::Sqlx, "a file starts with -- no-transaction"),
        [Trace::Whole] => found(Convention::Plain, "every file is read whole"),
        [one @ Trace::UpAndDownFiles] if no_transaction => found(Convention::Sqlx, one.says()),
        [Trace::Versioned, one @ Trace::Repeatable] => found(Convention::Flyway, one.says()),
        [one] => one
            .convention()
            .map_or_else(|| Err(disagreement(&traces)), |convention| found(convention, one.says())),
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
    for line in text.lines() {
        let marker = match owner(line) {
            Some(Convention::Goose) => Trace::GooseMarkers,
            Some(Convention::Dbmate) => Trace::DbmateMarkers,
            Some(Convention::SqlMigrate) => Trace::SqlMigrateMarkers,
            Some(Convention::Tern) => Trace::TernMarkers,
            Some(Convention::Liquibase) => Trace::LiquibaseHeader,
            Some(Convention::Atlas) => Trace::AtlasMarkers,
            _ if line.starts_with('\\') && line != "\\." => Trace::PsqlCommands,
            _ => continue,
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

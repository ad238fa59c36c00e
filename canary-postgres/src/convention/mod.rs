//! How a project's migration files are to be read: which files and which parts of them a deploy runs, and how.

mod detect;
mod liquibase;
mod order;
mod project;
mod psql;
mod read;
mod run;
mod sections;
mod template;

use std::fmt;
use std::path::Path;
use std::str::FromStr;

pub(crate) use detect::{Detected, detect};
pub(crate) use order::{Late, order, version};
pub(crate) use project::Project;
pub(crate) use read::foreign_markers;
pub use run::{Part, Splitting, Transaction, Up};
pub use sections::SectionError;

/// The tool that runs a project's migrations. One for a whole project: a marker of one tool is a plain comment to
/// another, which then runs what stands below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Convention {
    /// sqlx: `<version>_<name>.sql`, or `.up.sql` and `.down.sql`; all of a file, in a transaction unless it starts with
    /// `-- no-transaction`.
    Sqlx,
    /// diesel: a directory a migration, with `up.sql` and `down.sql`; `run_in_transaction` in its `metadata.toml`.
    Diesel,
    /// golang-migrate: `<version>_<name>.up.sql` and `.down.sql`.
    GolangMigrate,
    /// goose: sections `-- +goose Up` and `-- +goose Down`.
    Goose,
    /// dbmate: sections `-- migrate:up` and `-- migrate:down`.
    Dbmate,
    /// sql-migrate: sections `-- +migrate Up` and `-- +migrate Down`.
    SqlMigrate,
    /// refinery: `V<n>__<name>.sql` and `U<n>__<name>.sql`, both of which go up.
    Refinery,
    /// tern: `<n>_<name>.sql`, up to the line `---- create above / drop below ----`.
    Tern,
    /// Flyway: `V…__<name>.sql` and `R__<name>.sql` go up, `U…__<name>.sql` undoes.
    Flyway,
    /// Liquibase's formatted SQL: `--changeset author:id`, `--rollback`.
    Liquibase,
    /// Atlas: `<version>_<name>.sql` beside `atlas.sum`, all of a file.
    Atlas,
    /// Scripts for psql: all of a file, its own commands and COPY data aside.
    Psql,
    /// No tool known: all of every `.sql` file.
    Plain,
}

/// The name of no known convention.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no migration convention known here; known are {known}", known = Convention::ALL.map(Convention::name).join(", "))]
pub struct UnknownConvention(String);

impl Convention {
    /// Every convention.
    pub const ALL: [Self; 13] = [
        Self::Sqlx,
        Self::Diesel,
        Self::GolangMigrate,
        Self::Goose,
        Self::Dbmate,
        Self::SqlMigrate,
        Self::Refinery,
        Self::Tern,
        Self::Flyway,
        Self::Liquibase,
        Self::Atlas,
        Self::Psql,
        Self::Plain,
    ];

    /// Its name in settings (`golang-migrate`).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqlx => "sqlx",
            Self::Diesel => "diesel",
            Self::GolangMigrate => "golang-migrate",
            Self::Goose => "goose",
            Self::Dbmate => "dbmate",
            Self::SqlMigrate => "sql-migrate",
            Self::Refinery => "refinery",
            Self::Tern => "tern",
            Self::Flyway => "flyway",
            Self::Liquibase => "liquibase",
            Self::Atlas => "atlas",
            Self::Psql => "psql",
            Self::Plain => "plain",
        }
    }

    /// What a file of this path (below the migrations directory) is to a deploy.
    #[must_use]
    pub fn role(self, path: &Path) -> Role {
        let Some(name) = path.file_name().map(|name| name.to_string_lossy()) else {
            return Role::Ignored("it has no name");
        };
        if !has_extension(path, "sql") {
            return if is_program(path) { Role::Program } else { Role::Ignored("not a .sql file") };
        }
        let down = match self {
            Self::Sqlx | Self::GolangMigrate => name.ends_with(".down.sql"),
            Self::Diesel => name == "down.sql",
            Self::Flyway => versioned(&name) == Some('U'),
            _ => false,
        };
        if down {
            return Role::Down;
        }
        match self {
            Self::Sqlx if !name.contains('_') => Role::Ignored("sqlx reads files named <version>_<name>.sql"),
            Self::Flyway if versioned(&name).is_none() => {
                Role::Ignored("flyway reads files named V…__<name>.sql and R__<name>.sql")
            }
            Self::Tern if order::version(self, path).is_none() => {
                Role::Ignored("tern reads files named <n>_<name>.sql")
            }
            _ => Role::Up,
        }
    }

    /// Whether a change of a file that was there already is the convention's normal way (Flyway's repeatable ones).
    pub(crate) fn repeatable(self, path: &Path) -> bool {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        self == Self::Flyway && versioned(&name) == Some('R')
    }

    /// The file beside `path` that says how it runs, if the convention has one.
    pub(crate) fn side_file(self, path: &Path) -> Option<std::path::PathBuf> {
        match self {
            Self::Diesel => Some(path.with_file_name("metadata.toml")),
            Self::Flyway => {
                let name = path.file_name()?.to_string_lossy().into_owned();
                Some(path.with_file_name(format!("{name}.conf")))
            }
            _ => None,
        }
    }

    /// What a deploy runs of a file with this text; `side` is the text of the file beside it that says how it runs, where a convention has one.
    ///
    /// # Errors
    /// When its sections cannot be told apart, or its tool would refuse it.
    pub fn read(self, text: &str, side: Option<&str>) -> Result<Up, SectionError> {
        read::read(self, text, side)
    }
}

impl fmt::Display for Convention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Convention {
    type Err = UnknownConvention;

    fn from_str(text: &str) -> Result<Self, UnknownConvention> {
        let wanted = text.trim().to_ascii_lowercase();
        let known = Self::ALL.into_iter().find(|convention| convention.name() == wanted);
        known.ok_or_else(|| UnknownConvention(text.chars().take(60).collect()))
    }
}

/// What a file is to a deploy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It runs.
    Up,
    /// It runs only to go back.
    Down,
    /// It is a program, which cannot be read as SQL.
    Program,
    /// It is nothing to a deploy, and why.
    Ignored(&'static str),
}

/// Whether the path ends in `.extension`, in any case.
pub(crate) fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

/// Whether the file is a migration written in a programming language: `0042_x.go`, `V7__x.rs`.
fn is_program(path: &Path) -> bool {
    const LANGUAGES: [&str; 10] = ["rs", "go", "py", "js", "ts", "rb", "java", "kt", "sh", "php"];
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let numbered = name.starts_with(|c: char| c.is_ascii_digit()) || versioned(&name).is_some();
    numbered && LANGUAGES.iter().any(|language| has_extension(path, language))
}

/// The letter of a name like `V1_2__x.sql`, `U3__x.sql` or `R__x.sql`.
pub(crate) fn versioned(name: &str) -> Option<char> {
    let letter = name.chars().next().filter(|c| matches!(c, 'V' | 'U' | 'R' | 'B'))?;
    let (version, _) = name[1..].split_once("__")?;
    let numbers = version.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '_'));
    (numbers && (version.is_empty() == (letter == 'R'))).then_some(letter)
}

#[cfg(test)]
mod tests;

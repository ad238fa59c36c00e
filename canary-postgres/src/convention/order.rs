//! The order in which migrations run, and what becomes of one that comes late.

use std::path::Path;

use super::{Convention, versioned};

/// A key that sorts paths as runners do: by the leading numbers of the file (or, for `up.sql`, of its directory), then
/// by path; repeatable ones (`R__x.sql`) last.
pub(crate) fn order(path: &Path) -> (bool, Vec<u128>, String) {
    let text = path.to_string_lossy().into_owned();
    let (letter, name) = named(path);
    (letter == Some('R'), numbers(letter, &name), text)
}

/// A file's version, by the same numbers; none where its name has none.
pub(crate) fn version(convention: Convention, path: &Path) -> Option<Vec<u128>> {
    let (letter, name) = named(path);
    let unordered = letter == Some('R') || matches!(convention, Convention::Liquibase);
    let version = numbers(letter, &name);
    (!unordered && !version.is_empty()).then_some(version)
}

fn named(path: &Path) -> (Option<char>, String) {
    let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let parent = path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let name = match parent {
        Some(parent) if file == "up.sql" => parent,
        _ => file,
    };
    (versioned(&name), name)
}

fn numbers(letter: Option<char>, name: &str) -> Vec<u128> {
    let digits = if letter.is_some() { &name[1..] } else { name };
    let end =
        digits.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '_' | '-'))).unwrap_or(digits.len());
    let numbers = digits[..end].split(['.', '_', '-']).filter(|part| !part.is_empty());
    numbers.map(|part| part.parse().unwrap_or(u128::MAX)).collect()
}

/// What a runner does with a migration whose version is below one that was applied already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Late {
    /// It applies it, after the others.
    Applied,
    /// It passes it over for good.
    Skipped,
    /// It stops with an error.
    Stops,
}

impl Convention {
    /// By default, without the switches some have for it.
    pub(crate) const fn late(self) -> Late {
        match self {
            Self::GolangMigrate | Self::Tern => Late::Skipped,
            Self::Goose | Self::Refinery | Self::Flyway | Self::Atlas => Late::Stops,
            Self::Sqlx | Self::Diesel | Self::Dbmate | Self::SqlMigrate => Late::Applied,
            Self::Liquibase | Self::Psql | Self::Plain => Late::Applied,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_as_runners_do() {
        let mut names = ["R__v.sql", "V10__b.sql", "V2.1__c.sql", "V2__a.sql"];
        names.sort_by_key(|name| order(Path::new(name)));
        assert_eq!(names, ["V2__a.sql", "V2.1__c.sql", "V10__b.sql", "R__v.sql"]);
        let mut names = ["10_b.sql", "9_a.sql", "2024-01-01-000000_x/up.sql", "00011_c.sql"];
        names.sort_by_key(|name| order(Path::new(name)));
        assert_eq!(names, ["9_a.sql", "10_b.sql", "00011_c.sql", "2024-01-01-000000_x/up.sql"]);
    }

    #[test]
    fn versions_are_the_numbers_of_the_name() {
        for (convention, path, version_of) in [
            (Convention::Sqlx, "0007_x.up.sql", Some(vec![7])),
            (Convention::Diesel, "2024-01-01-000000_x/up.sql", Some(vec![2024, 1, 1, 0])),
            (Convention::Flyway, "V1_2__x.sql", Some(vec![1, 2])),
            (Convention::Flyway, "R__x.sql", None),
            (Convention::Liquibase, "1_x.sql", None),
            (Convention::Plain, "x.sql", None),
        ] {
            assert_eq!(version(convention, Path::new(path)), version_of, "{path}");
        }
    }
}

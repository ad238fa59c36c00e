//! The order in which migrations run.

use std::path::Path;

use super::versioned;

/// A key that sorts paths as runners do: by the leading numbers of the file (or, for `up.sql`, of its directory), then
/// by path; repeatable ones (`R__x.sql`) last.
pub(crate) fn order(path: &Path) -> (bool, Vec<u128>, String) {
    let text = path.to_string_lossy().into_owned();
    let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let parent = path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let name = match parent {
        Some(parent) if file == "up.sql" => parent,
        _ => file,
    };
    let letter = versioned(&name);
    let digits = if letter.is_some() { &name[1..] } else { &name[..] };
    let end =
        digits.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '_' | '-'))).unwrap_or(digits.len());
    let numbers = digits[..end].split(['.', '_', '-']).filter(|part| !part.is_empty());
    let numbers = numbers.map(|part| part.parse().unwrap_or(u128::MAX)).collect();
    (letter == Some('R'), numbers, text)
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
}

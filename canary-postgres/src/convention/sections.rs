//! The up part of a file with sections; the rest is blanked, so that every line and column stays where it was.

use super::Convention;

/// A file whose sections cannot be told apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SectionError {
    /// The tool refuses a file without an up marker.
    #[error("no `{0}` line, without which {1} refuses the file")]
    NoUp(&'static str, Convention),
    /// Environment variables are put into the text.
    #[error("goose substitutes environment variables in it (ENVSUB ON)")]
    Substituted,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Up,
    Down,
    Substitute,
}

/// The text with everything but its up part replaced by blanks.
///
/// Markers are read by line, as the tools read them, whatever quotes or comments stand around.
pub(crate) fn up_part(convention: Convention, text: &str) -> Result<String, SectionError> {
    let (mark, wanted): (fn(&str) -> Option<Mark>, _) = match convention {
        Convention::Goose => (goose, "-- +goose Up"),
        Convention::Dbmate => (dbmate, "-- migrate:up"),
        Convention::SqlMigrate => (sql_migrate, "-- +migrate Up"),
        _ => return Ok(text.to_owned()),
    };
    // goose and dbmate refuse SQL before the first marker, so it is judged; sql-migrate passes over it.
    let mut judged = convention != Convention::SqlMigrate;
    let (mut found, mut out) = (false, String::with_capacity(text.len()));
    for line in text.split_inclusive('\n') {
        match mark(line.trim_end_matches(['\n', '\r'])) {
            Some(Mark::Up) => (judged, found) = (true, true),
            Some(Mark::Down) => judged = false,
            Some(Mark::Substitute) => return Err(SectionError::Substituted),
            None => {}
        }
        if judged { out.push_str(line) } else { blank(line, &mut out) }
    }
    if found { Ok(out) } else { Err(SectionError::NoUp(wanted, convention)) }
}

/// Appends as many blanks as the line has bytes, line endings kept.
fn blank(line: &str, out: &mut String) {
    out.extend(line.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { char::from(byte) } else { ' ' }));
}

fn goose(line: &str) -> Option<Mark> {
    let mut words = line.strip_prefix("--")?.split_whitespace().map(str::to_ascii_lowercase);
    if words.next()? != "+goose" {
        return None;
    }
    match (words.next()?.as_str(), words.next().as_deref()) {
        ("up", None) => Some(Mark::Up),
        ("down", None) => Some(Mark::Down),
        ("envsub", Some("on")) => Some(Mark::Substitute),
        _ => None,
    }
}

fn dbmate(line: &str) -> Option<Mark> {
    let rest = line.strip_prefix("--")?.trim_start().strip_prefix("migrate:")?;
    match rest.split(char::is_whitespace).next()? {
        "up" => Some(Mark::Up),
        "down" => Some(Mark::Down),
        _ => None,
    }
}

fn sql_migrate(line: &str) -> Option<Mark> {
    let rest = line.strip_prefix("-- +migrate ")?;
    match rest.split_whitespace().next()? {
        "Up" => Some(Mark::Up),
        "Down" => Some(Mark::Down),
        _ => None,
    }
}

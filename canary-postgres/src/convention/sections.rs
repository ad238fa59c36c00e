//! Files with sections (goose, dbmate, sql-migrate, tern): what is not for a deploy is blanked, so that every line and
//! column stays where it was.

use super::Convention;
use super::run::{Note, Part, Splitting, Transaction, Up};
use crate::sql::position::Span;

/// A file that its tool would not run as it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SectionError {
    /// The tool refuses a file without an up marker.
    #[error("no `{marker}` line, without which {tool} refuses the file")]
    NoUp {
        /// The line that is missing.
        marker: &'static str,
        /// Whose.
        tool: Convention,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Up { transaction: bool },
    Down,
    NoTransaction,
    Substitute,
}

/// What a deploy runs of a file with sections.
///
/// Markers are read by line, as the tools read them, whatever quotes or comments stand around.
pub(super) fn up(convention: Convention, text: &str) -> Result<Up, SectionError> {
    let (mark, marker): (fn(&str) -> Option<Mark>, _) = match convention {
        Convention::Goose => (goose, "-- +goose Up"),
        Convention::Dbmate => (dbmate, "-- migrate:up"),
        Convention::Tern => (tern, ""),
        _ => (sql_migrate, "-- +migrate Up"),
    };
    // goose and dbmate refuse SQL before the first marker, so it is judged; sql-migrate passes over it; tern begins with it.
    let mut judged = convention != Convention::SqlMigrate;
    let (mut found, mut at, mut whole) = (convention == Convention::Tern, 0, true);
    let (mut out, mut notes) = (String::with_capacity(text.len()), Vec::new());
    let mut parts = vec![(0, true)];
    for line in text.split_inclusive('\n') {
        let shown = line.trim_end_matches(['\n', '\r']);
        match mark(shown) {
            Some(Mark::Up { transaction }) => {
                if found {
                    parts.push((at, transaction));
                } else if let Some(first) = parts.last_mut() {
                    first.1 = transaction;
                }
                (judged, found) = (true, true);
            }
            Some(Mark::Down) => judged = false,
            Some(Mark::NoTransaction) => whole = false,
            Some(Mark::Substitute) => notes.push(Note {
                rule: "opaque-sql",
                span: Span { start: at, end: at + shown.len() },
                what: "goose puts environment variables into the text that follows".to_owned(),
            }),
            None => {}
        }
        if judged {
            out.push_str(line);
        } else {
            blank(line, &mut out);
        }
        at += line.len();
    }
    if !found {
        return Err(SectionError::NoUp { marker, tool: convention });
    }
    let ends = parts.iter().skip(1).map(|(start, _)| *start).chain([text.len()]).collect::<Vec<_>>();
    let parts = parts.iter().zip(ends).map(|(&(start, transaction), end)| {
        let on = transaction && whole;
        Part {
            range: start..end,
            transaction: if on { Transaction::Around } else { Transaction::None },
            splitting: match convention {
                Convention::Dbmate => Splitting::Whole,
                Convention::Tern if on => Splitting::Whole,
                Convention::Tern => Splitting::Statements,
                _ => Splitting::Lines,
            },
        }
    });
    Ok(Up { parts: parts.collect(), text: out, notes })
}

/// Appends as many blanks as the line has bytes, line endings kept.
pub(super) fn blank(line: &str, out: &mut String) {
    out.extend(line.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { char::from(byte) } else { ' ' }));
}

fn goose(line: &str) -> Option<Mark> {
    let mut words = line.strip_prefix("--")?.split_whitespace().map(str::to_ascii_lowercase);
    if words.next()? != "+goose" {
        return None;
    }
    match (words.next()?.as_str(), words.next().as_deref()) {
        ("up", None) => Some(Mark::Up { transaction: true }),
        ("down", None) => Some(Mark::Down),
        ("no", Some("transaction")) => Some(Mark::NoTransaction),
        ("envsub", Some("on")) => Some(Mark::Substitute),
        _ => None,
    }
}

fn dbmate(line: &str) -> Option<Mark> {
    let rest = line.strip_prefix("--")?.trim_start().strip_prefix("migrate:")?;
    let mut words = rest.split_whitespace();
    match words.next()? {
        "up" => Some(Mark::Up { transaction: !words.any(|word| word == "transaction:false") }),
        "down" => Some(Mark::Down),
        _ => None,
    }
}

fn sql_migrate(line: &str) -> Option<Mark> {
    let rest = line.strip_prefix("-- +migrate ")?;
    let mut words = rest.split_whitespace();
    match words.next()? {
        "Up" => Some(Mark::Up { transaction: !words.any(|word| word == "notransaction") }),
        "Down" => Some(Mark::Down),
        _ => None,
    }
}

fn tern(line: &str) -> Option<Mark> {
    match line.trim_end() {
        "---- create above / drop below ----" => Some(Mark::Down),
        "---- tern: disable-tx ----" => Some(Mark::NoTransaction),
        _ => None,
    }
}

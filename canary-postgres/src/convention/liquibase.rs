//! Liquibase's formatted SQL: changesets, each with its own transaction, and what only goes back blanked.

use super::run::{Note, Part, Splitting, Transaction, Up};
use super::sections::{SectionError, blank};
use crate::sql::position::Span;

/// What a deploy runs of a file of changesets.
pub(super) fn up(text: &str) -> Result<Up, SectionError> {
    let (mut out, mut notes) = (String::with_capacity(text.len()), Vec::new());
    let mut parts: Vec<Part> = Vec::new();
    let (mut at, mut rollback, mut formatted) = (0, false, false);
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let shown = line.trim();
        let lower = shown.to_ascii_lowercase();
        let comment = lower.strip_prefix("--").map(str::trim_start);
        if comment.is_some_and(|words| words.starts_with("liquibase formatted sql")) {
            formatted = true;
        }
        if let Some(attributes) = comment.and_then(|words| words.strip_prefix("changeset ")) {
            if let Some(last) = parts.last_mut() {
                last.range.end = start;
            }
            parts.push(part(start..text.len(), attributes));
            if attributes.contains("enddelimiter:") {
                let span = Span { start, end: start + line.trim_end().len() };
                let what = "a changeset with a delimiter of its own is not cut as it will run".to_owned();
                notes.push(Note { rule: "opaque-sql", span, what });
            }
        }
        // `--rollback` lines are comments to the server anyway; a block needs its end found.
        rollback |= lower.starts_with("/* liquibase rollback") || lower.starts_with("/*liquibase rollback");
        if rollback {
            blank(line, &mut out);
        } else {
            out.push_str(line);
        }
        if rollback && shown.ends_with("*/") {
            rollback = false;
        }
    }
    if !formatted {
        return Err(SectionError::NoUp {
            marker: "--liquibase formatted sql",
            tool: super::Convention::Liquibase,
        });
    }
    if let Some(first) = parts.first_mut() {
        first.range.start = 0;
    } else {
        parts.push(part(0..text.len(), ""));
    }
    Ok(Up { text: out, parts, notes })
}

fn part(range: std::ops::Range<usize>, attributes: &str) -> Part {
    let off = |name: &str| {
        let words = attributes.split_whitespace();
        words.filter_map(|word| word.split_once(':')).any(|(key, value)| key == name && value == "false")
    };
    Part {
        range,
        transaction: if off("runintransaction") { Transaction::None } else { Transaction::Around },
        splitting: if off("splitstatements") { Splitting::Whole } else { Splitting::Statements },
    }
}

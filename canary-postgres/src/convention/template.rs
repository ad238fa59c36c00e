//! Text that is put together only when the migration runs: placeholders of the tool, or of whatever calls it.

use super::Convention;
use super::run::Note;
use crate::sql::lex::past_quoted;
use crate::sql::position::Span;

/// Records every placeholder. What its own tool replaces counts inside strings and comments too; what another one might
/// have replaced counts only where it would be SQL.
pub(super) fn notes(convention: Convention, text: &str, notes: &mut Vec<Note>) {
    let own = match convention {
        Convention::Flyway | Convention::Liquibase => Some("${"),
        Convention::Tern => Some("{{"),
        _ => None,
    };
    if let Some(open) = own {
        let mut from = 0;
        while let Some(at) = text.get(from..).and_then(|rest| rest.find(open)).map(|found| from + found) {
            let end = end_of(text, at, open);
            notes.push(note(text, at, end, &format!("{convention} puts a value in place of")));
            from = end;
        }
        return;
    }
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let next = past_quoted(bytes, at);
        // psql puts variables even into quoted names and strings written :'x' and :"x".
        if let Some(end) = placeholder(text, at) {
            notes.push(note(text, at, end, "a placeholder that something replaces before it runs:"));
            at = end;
        } else {
            at = if next > at { next } else { at + 1 };
        }
    }
}

fn note(text: &str, start: usize, end: usize, what: &str) -> Note {
    let shown: String = text.get(start..end).unwrap_or_default().chars().take(60).collect();
    Note { rule: "opaque-sql", span: Span { start, end }, what: format!("{what} {shown}") }
}

/// The end of the placeholder that begins at `at`, if one does.
fn placeholder(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let rest = &bytes[at..];
    let before = at.checked_sub(1).map_or(b' ', |before| bytes[before]);
    match rest {
        [b'$', b'{', ..] => Some(end_of(text, at, "${")),
        [b'{', b'{', ..] => Some(end_of(text, at, "{{")),
        // A cast (::), a slice (a[1:n]) and an assignment (:=) have something else on one of their sides.
        [b':', first, ..]
            if !(before.is_ascii_alphanumeric() || b"_:)]\"'".contains(&before) || before >= 0x80)
                && (first.is_ascii_alphabetic() || b"_'\"{".contains(first)) =>
        {
            let word = |b: &u8| b.is_ascii_alphanumeric() || b"_'\"{}".contains(b);
            Some(at + 1 + rest[1..].iter().take_while(|b| word(b)).count())
        }
        _ => None,
    }
}

fn end_of(text: &str, at: usize, open: &str) -> usize {
    let close = if open == "{{" { "}}" } else { "}" };
    let rest = text.get(at..).unwrap_or_default();
    let line = rest.find(['\n', '\r']).unwrap_or(rest.len());
    at + rest[..line].find(close).map_or(open.len(), |end| end + close.len())
}

//! Query texts in one spelling, and the names quoted in them.

use crate::contract::model::Override;
use crate::sql::lex::past_quoted;

/// The text on one line: blanks outside of quotes become one, comments go, so does the semicolon at the end.
pub(super) fn normalise(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let (mut at, mut blank) = (0, false);
    while at < bytes.len() {
        let comment = matches!(bytes[at..], [b'-', b'-', ..] | [b'/', b'*', ..]);
        let next = past_quoted(bytes, at).min(bytes.len());
        if comment || (next == at && bytes[at].is_ascii_whitespace()) {
            blank = true;
            at = next.max(at + 1);
            continue;
        }
        if blank && !out.is_empty() {
            out.push(' ');
        }
        blank = false;
        // A step is a quoted part, or one byte; bytes of one character stay together since all that is looked for is ASCII.
        let end = if next > at { next } else { at + 1 };
        let end = (end..=bytes.len()).find(|end| text.is_char_boundary(*end)).unwrap_or(bytes.len());
        out.push_str(&text[at..end]);
        at = end;
    }
    out.truncate(out.trim_end_matches([';', ' ']).len());
    out
}

/// What the quoted aliases of a text say to sqlx's macros, in their order.
pub(super) fn overrides(normalised: &str) -> Vec<Override> {
    let bytes = normalised.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let next = past_quoted(bytes, at).min(bytes.len());
        if let (b'"', Some(name)) = (bytes[at], normalised.get(at + 1..next.saturating_sub(1))) {
            found.extend(Override::of_column_name(&name.replace("\"\"", "\"")));
        }
        at = next.max(at + 1);
    }
    found.sort();
    found.dedup();
    found
}

/// Whether a text begins as SQL does: what tells a query from any other string that a method called `query` takes.
pub(super) fn looks_like_sql(text: &str) -> bool {
    const VERBS: &[&str] = &[
        "abort",
        "alter",
        "analyze",
        "begin",
        "call",
        "cluster",
        "comment",
        "commit",
        "copy",
        "create",
        "declare",
        "delete",
        "discard",
        "do",
        "drop",
        "end",
        "execute",
        "explain",
        "fetch",
        "grant",
        "insert",
        "listen",
        "lock",
        "merge",
        "notify",
        "prepare",
        "reassign",
        "refresh",
        "reindex",
        "release",
        "reset",
        "revoke",
        "rollback",
        "savepoint",
        "select",
        "set",
        "show",
        "start",
        "table",
        "truncate",
        "unlisten",
        "update",
        "vacuum",
        "values",
        "with",
    ];
    let text = normalise(text);
    let word =
        text.trim_start_matches('(').split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    VERBS.binary_search(&word.to_ascii_lowercase().as_str()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_does_not_matter_and_strings_do() {
        for (written, normal) in [
            ("  SELECT  1\n  FROM t ;\n", "SELECT 1 FROM t"),
            ("SELECT 1 -- one\n, 2 /* two /* deep */ */, 3", "SELECT 1 , 2 , 3"),
            ("SELECT '  a -- b' , \"c  d\"", "SELECT '  a -- b' , \"c  d\""),
            ("SELECT $$ a  b $$, E'\\'  '", "SELECT $$ a  b $$, E'\\'  '"),
            ("SELECT 'ü  ',\tä", "SELECT 'ü  ', ä"),
            ("-- only\n", ""),
            ("SELECT 'open", "SELECT 'open"),
        ] {
            assert_eq!(normalise(written), normal);
            assert_eq!(normalise(normal), normal);
        }
    }

    #[test]
    fn aliases_say_what_the_macros_read() {
        let of = |text: &str| {
            let seen = overrides(text).into_iter();
            seen.map(|o| format!("{} {:?} {:?}", o.column, o.nullable, o.rust_type))
                .collect::<Vec<_>>()
                .join("; ")
        };
        assert_eq!(
            of(r#"SELECT a AS "a!", b AS "b?: i64", c AS "c: Mood", d AS "d", 'x!' "#),
            r#"a Some(false) None; b Some(true) Some("i64"); c None Some("Mood")"#
        );
        assert_eq!(of(r#"SELECT a AS "a! : _" "#), r#"a Some(false) Some("_")"#);
    }

    #[test]
    fn words_that_begin_statements_are_known() {
        for yes in ["select 1", "(SELECT 1)", "-- x\n WITH a AS (SELECT 1) SELECT", "SET x = 1", "VALUES (1)"]
        {
            assert!(looks_like_sql(yes), "{yes}");
        }
        for no in ["", "users", "page", "?q=select", "SELECTED"] {
            assert!(!looks_like_sql(no), "{no}");
        }
    }
}

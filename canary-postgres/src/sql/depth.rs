//! How deep a text nests, without parsing it: a recursive parser must not be handed what overflows its stack.

use super::lex::past_quoted;
use super::statement::ParseError;

/// The deepest nesting of brackets that is handed to the parser.
const MAX_DEPTH: usize = 200;

/// The longest run of blanks and operators without a statement's end, a comma or a bracket between them.
const MAX_RUN: usize = 5_000;

/// Refuses text that would make a recursive parser overflow its stack. Linear in the text.
pub(crate) fn too_deep(text: &str) -> Option<ParseError> {
    let bytes = text.as_bytes();
    let (mut at, mut depth, mut run) = (0_usize, 0_usize, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        let next = past_quoted(bytes, at);
        if next > at {
            (at, run) = (next, run + 1);
        } else {
            match byte {
                b'(' | b'[' => (depth, run) = (depth + 1, 0),
                b')' | b']' => (depth, run) = (depth.saturating_sub(1), 0),
                b';' | b',' => run = 0,
                // Indentation is one part, however deep.
                _ if byte.is_ascii_whitespace() && at > 0 && bytes[at - 1].is_ascii_whitespace() => {}
                _ if !byte.is_ascii_alphanumeric() => run += 1,
                _ => {}
            }
            at += 1;
        }
        if depth > MAX_DEPTH {
            return Some(ParseError { at, message: format!("brackets nested deeper than {MAX_DEPTH}") });
        }
        if run > MAX_RUN {
            let message = format!("an expression of more than {MAX_RUN} parts without a comma or bracket");
            return Some(ParseError { at, message });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_comments_hide_no_bracket_that_counts() {
        for level in [
            "(')' || ",
            "(E'\\')' || ",
            "(\")\" || ",
            "($$)$$ || ",
            "($a$)$$$a$ || ",
            "(/* ) /* ) */ ) */ ",
            "( -- )\n",
            "(a$$) + (",
            "(($1",
        ] {
            assert!(too_deep(&level.repeat(1000)).is_some(), "{level}");
        }
        for flat in
            ["'((('", "E'\\'((('", "$$((($$", "$x$((( $$ $x$", "-- (((\n", "/* ((( */", "\"(((\"", "(1),"]
        {
            assert_eq!(too_deep(&format!("{flat} ").repeat(1000)), None, "{flat}");
        }
        assert!(too_deep(&"- ".repeat(MAX_RUN)).is_some());
    }
}

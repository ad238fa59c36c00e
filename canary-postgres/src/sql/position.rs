//! Byte offsets to lines and columns, and statements cut to a readable length.

/// A range of bytes in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    /// The first byte.
    pub(crate) start: usize,
    /// The byte after the last.
    pub(crate) end: usize,
}

/// The longest statement text a finding carries, in characters.
const SHOWN: usize = 200;

/// Line and column (in characters) of a byte offset, both from 1.
///
/// `\n`, `\r\n` and a lone `\r` end a line, as they end a `--` comment for the server.
pub(crate) fn line_and_column(text: &str, offset: usize) -> (u64, u64) {
    let offset = (0..=offset.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    let (mut line, mut column) = (1_u64, 1_u64);
    let mut before = text[..offset].chars().peekable();
    while let Some(c) = before.next() {
        match c {
            '\n' => (line, column) = (line + 1, 1),
            '\r' if before.peek() == Some(&'\n')
                || text[offset..].starts_with('\n') && before.peek().is_none() => {}
            '\r' => (line, column) = (line + 1, 1),
            '\u{feff}' if (line, column) == (1, 1) => {}
            _ => column += 1,
        }
    }
    (line, column)
}

/// The statement's text on one line, cut to 200 characters.
pub(crate) fn shown(text: &str, span: Span) -> String {
    let raw = text.get(span.start..span.end.min(text.len())).unwrap_or_default();
    let mut out = String::new();
    for (i, word) in raw.split_whitespace().enumerate() {
        if i > 0 {
            out.push(' ');
        }
        out.push_str(word);
        if out.chars().count() > SHOWN {
            let cut: String = out.chars().take(SHOWN).collect();
            return format!("{cut}…");
        }
    }
    out.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_every_line_ending_once() {
        let text = "a\r\nb\rc\nä d";
        let at = |needle: &str| line_and_column(text, text.find(needle).unwrap());
        assert_eq!((at("a"), at("b"), at("c"), at("d")), ((1, 1), (2, 1), (3, 1), (4, 3)));
        assert_eq!(line_and_column("\u{feff}x", 3), (1, 1));
        assert_eq!(line_and_column("", 9), (1, 1));
    }

    #[test]
    fn cuts_and_joins_lines() {
        let text = format!("select\n  '{}'", "x".repeat(500));
        let shown = shown(&text, Span { start: 0, end: text.len() });
        assert_eq!(shown.chars().count(), SHOWN + 1);
        assert!(shown.starts_with("select 'x") && shown.ends_with('…'));
    }
}

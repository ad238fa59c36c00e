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

/// Where the lines of a text start.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    /// Finds the lines. `\n`, `\r\n` and a lone `\r` end one, as they end a `--` comment for the server.
    pub(crate) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let ends = |at: usize| bytes[at] == b'\n' || bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n');
        let starts = std::iter::once(0).chain((0..bytes.len()).filter(|at| ends(*at)).map(|at| at + 1));
        Self { starts: starts.collect() }
    }

    /// Line and column (in characters) of a byte offset, both from 1; a byte order mark has no column.
    pub(crate) fn at(&self, text: &str, offset: usize) -> (u64, u64) {
        let offset = (0..=offset.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let before =
            text.get(start..offset).unwrap_or_default().trim_start_matches('\u{feff}').chars().count();
        (u64::try_from(line).unwrap_or(u64::MAX), u64::try_from(before).unwrap_or(u64::MAX).saturating_add(1))
    }
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
        let at = |needle: &str| Lines::of(text).at(text, text.find(needle).unwrap());
        assert_eq!((at("a"), at("b"), at("c"), at("d")), ((1, 1), (2, 1), (3, 1), (4, 3)));
        assert_eq!(Lines::of("\u{feff}x").at("\u{feff}x", 3), (1, 1));
        assert_eq!(Lines::of("").at("", 9), (1, 1));
    }

    #[test]
    fn cuts_and_joins_lines() {
        let text = format!("select\n  '{}'", "x".repeat(500));
        let shown = shown(&text, Span { start: 0, end: text.len() });
        assert_eq!(shown.chars().count(), SHOWN + 1);
        assert!(shown.starts_with("select 'x") && shown.ends_with('…'));
    }
}

//! Byte offsets to lines and columns, and statements cut to a readable length.

use canary_core::traits::SourceLine;

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
    /// Every character has one byte: columns need no counting, which takes long in a line of megabytes.
    ascii: bool,
}

impl Lines {
    /// Finds the lines. `\n`, `\r\n` and a lone `\r` end one, as they end a `--` comment for the server.
    pub(crate) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let ends = |at: usize| bytes[at] == b'\n' || bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n');
        let starts = std::iter::once(0).chain((0..bytes.len()).filter(|at| ends(*at)).map(|at| at + 1));
        Self { starts: starts.collect(), ascii: text.is_ascii() }
    }

    /// Line and column (in characters) of a byte offset, both from 1; a byte order mark has no column.
    pub(crate) fn at(&self, text: &str, offset: usize) -> (u64, u64) {
        let offset = (0..=offset.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let before = text.get(start..offset).unwrap_or_default();
        let before =
            if self.ascii { before.len() } else { before.trim_start_matches('\u{feff}').chars().count() };
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

/// The most lines of a clause that are shown.
const LINES: usize = 4;

/// The longest stretch of a line that is shown, in characters.
const WIDTH: usize = 160;

/// The lines a span stands in, with the characters that are meant; of a long span the first lines.
pub(crate) fn excerpt(text: &str, lines: &Lines, span: Span) -> Vec<SourceLine> {
    let end = span.end.min(text.len()).max(span.start);
    let trimmed = text.get(span.start..end).map_or(end, |meant| span.start + meant.trim_end().len());
    let mut shown = Vec::new();
    let mut at = span.start;
    while at < trimmed.max(span.start + 1) && shown.len() < LINES && at <= text.len() {
        let number = lines.starts.partition_point(|start| *start <= at).max(1);
        let start = lines.starts.get(number - 1).copied().unwrap_or(0);
        let next = lines.starts.get(number).copied().unwrap_or(text.len());
        let line = text.get(start..next).unwrap_or_default().trim_end_matches(['\n', '\r']);
        shown.push(source_line(
            line,
            number,
            at.max(start) - start,
            trimmed.min(start + line.len()).max(start) - start,
        ));
        if next <= at {
            break;
        }
        at = next;
    }
    shown.retain(|line| !line.text.trim().is_empty());
    shown
}

/// The longest stretch of a line that is looked at around what is meant, in bytes before it and after its start.
const AROUND: usize = 4 * WIDTH;

/// One line; of a very long one the stretch around what is meant.
fn source_line(line: &str, number: usize, from: usize, to: usize) -> SourceLine {
    let whole = |at: usize| (0..=at.min(line.len())).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
    // A line of megabytes is not counted through for each finding in it.
    let (start, end) = (whole(from.saturating_sub(AROUND)), whole(from.saturating_add(2 * AROUND)));
    let (line, from, to) = (&line[start..end], from - start, to.min(end).saturating_sub(start));
    let plain = line.trim_start_matches('\u{feff}');
    let dropped = line.len() - plain.len();
    let chars =
        |bytes: usize| plain.get(..bytes.saturating_sub(dropped)).map_or(0, |before| before.chars().count());
    let (mut from, mut to) = (chars(from), chars(to));
    // A line after the first starts with its indentation, which nobody means.
    let indent = plain.chars().take_while(|c| c.is_whitespace()).count();
    from = from.max(indent.min(to));
    let cut = from.saturating_sub(WIDTH / 4) * usize::from(from > WIDTH / 2);
    let mut shown: String = plain.chars().skip(cut).take(WIDTH).collect();
    let total = plain.chars().count() - cut;
    (from, to) = (from - cut, (to - cut).min(WIDTH));
    if cut > 0 {
        shown = format!("…{}", shown.chars().skip(1).collect::<String>());
    }
    if total > WIDTH {
        shown.push('…');
    }
    let text = shown.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect();
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    SourceLine { line: count(number), text, from: count(from), to: count(to) }
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
    fn shows_the_stretch_of_a_long_line_that_is_meant() {
        let values = "('ä', 1), ".repeat(50_000);
        let text = format!("{values}drop me, {values}");
        let start = values.len();
        let shown = excerpt(&text, &Lines::of(&text), Span { start, end: start + 7 });
        let [line] = shown.as_slice() else { panic!("{shown:?}") };
        let meant: String = line.text.chars().skip(40).take(7).collect();
        assert_eq!((meant.as_str(), line.from, line.to), ("drop me", 40, 47));
        assert!(line.text.starts_with('…') && line.text.ends_with('…'), "{}", line.text);
        assert_eq!(line.text.chars().count(), WIDTH + 1);
        assert_eq!(Lines::of(&text).at(&text, start), (1, 10 * 50_000 + 1));
    }

    #[test]
    fn cuts_and_joins_lines() {
        let text = format!("select\n  '{}'", "x".repeat(500));
        let shown = shown(&text, Span { start: 0, end: text.len() });
        assert_eq!(shown.chars().count(), SHOWN + 1);
        assert!(shown.starts_with("select 'x") && shown.ends_with('…'));
    }
}

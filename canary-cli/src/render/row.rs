//! One line of the view: words in tones, cut to the terminal's width.

use unicode_width::UnicodeWidthChar as _;

use super::paint::Paint;

/// How words are shown where there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Quiet,
    Strong,
    Good,
    Careful,
    Bad,
}

impl Tone {
    fn paint(self, text: &str, paint: Paint) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Quiet => paint.quiet(text),
            Self::Strong => paint.strong(text),
            Self::Good => paint.good(text),
            Self::Careful => paint.careful(text),
            Self::Bad => paint.bad(text),
        }
    }
}

/// A line before it is cut and painted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Row(Vec<(Tone, String)>);

impl Row {
    /// Adds words; what is no character to be seen becomes a blank.
    pub(super) fn add(&mut self, tone: Tone, text: &str) {
        let text = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.0.push((tone, text));
    }

    pub(super) fn with(mut self, tone: Tone, text: &str) -> Self {
        self.add(tone, text);
        self
    }

    /// Adds words in a column of `width`, and two blanks.
    pub(super) fn cell(self, tone: Tone, text: &str, width: usize, mark: &str) -> Self {
        let text = cut(text, width, mark);
        let pad = " ".repeat(width.saturating_sub(columns(&text)) + 2);
        self.with(tone, &text).with(Tone::Plain, &pad)
    }

    /// The columns it takes.
    pub(super) fn columns(&self) -> usize {
        self.0.iter().map(|(_, text)| columns(text)).sum()
    }

    /// The line in colours, at most `width` columns, without blanks at its end; what is cut ends with `mark`.
    pub(super) fn fit(&self, width: usize, mark: &str, paint: Paint) -> String {
        let whole = self.columns() <= width;
        let mut left = if whole { width } else { width.saturating_sub(columns(mark)) };
        let mut spans: Vec<(Tone, String)> = Vec::new();
        for (tone, text) in &self.0 {
            let part = start(text, left);
            left -= columns(part);
            spans.push((*tone, part.to_owned()));
            if part.len() < text.len() {
                break;
            }
        }
        match spans.last_mut() {
            Some((_, last)) if !whole => last.push_str(start(mark, width)),
            _ => {}
        }
        while let Some((_, last)) = spans.last_mut() {
            last.truncate(last.trim_end().len());
            if !last.is_empty() {
                break;
            }
            spans.pop();
        }
        spans
            .iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(tone, text)| tone.paint(text, paint))
            .collect()
    }
}

/// The columns that a terminal shows words in.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// The longest beginning that takes at most `width` columns.
fn start(text: &str, width: usize) -> &str {
    let mut left = width;
    for (at, c) in text.char_indices() {
        match left.checked_sub(c.width().unwrap_or(0)) {
            Some(rest) => left = rest,
            None => return &text[..at],
        }
    }
    text
}

/// Words of at most `width` columns; what is cut ends with `mark`.
pub(super) fn cut(text: &str, width: usize, mark: &str) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    format!("{}{}", start(text, width.saturating_sub(columns(mark))), start(mark, width))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Paint = Paint { on: false };

    #[test]
    fn lines_are_cut_by_the_columns_they_take() {
        let row = Row::default()
            .with(Tone::Plain, "日本 ")
            .with(Tone::Bad, "e\u{301}té\u{1b}[2J")
            .with(Tone::Plain, "  ");
        let cut = |width| row.fit(width, "…", PLAIN);
        assert_eq!(row.columns(), 14);
        assert_eq!(cut(14), "日本 e\u{301}té [2J");
        assert_eq!(cut(13), "日本 e\u{301}té [2J…");
        assert_eq!(cut(6), "日本 …");
        assert_eq!(cut(4), "日…");
        assert_eq!(cut(2), "…");
        assert_eq!(cut(1), "…");
        assert_eq!(cut(0), "");
        assert_eq!(row.fit(8, "…", Paint { on: true }), "日本 \u{1b}[31me\u{301}t…\u{1b}[0m");
    }

    #[test]
    fn no_line_is_wider_than_it_may_be() {
        let row = Row::default().cell(Tone::Good, "backend-api-2 日本", 12, "...").with(Tone::Plain, "drain");
        for width in 0..40 {
            assert!(columns(&row.fit(width, "...", PLAIN)) <= width, "{width}");
        }
        assert_eq!(row.fit(40, "...", PLAIN), "backend-a...  drain");
    }
}

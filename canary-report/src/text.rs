//! Foreign text, made harmless: names, reasons, queries, replies and log lines were written by others.

/// Text without what could hide or reorder its neighbours: control characters and marks of direction are spelled out.
///
/// Line feeds and tabs stay.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        let hidden = (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        // Neither HTML nor XML can hold these two at all.
        let unknown = matches!(c, '\u{fffe}' | '\u{ffff}');
        if hidden || unknown {
            plain.extend(c.escape_unicode());
        } else {
            plain.push(c);
        }
    }
    plain
}

/// At most so many characters, with a sign that there were more.
pub(crate) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{} …", &text[..end]),
    }
}

/// One line, each run of white space a blank.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

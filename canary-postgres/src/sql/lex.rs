//! Where strings, quoted names, dollar quotes and comments end, without parsing: PostgreSQL manual, section 4.1.

/// The byte after the string, quoted name or comment that starts here; `at` itself when none does.
pub(crate) fn past_quoted(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    match rest {
        [b'\'', ..] => at + string(rest, escapes(bytes, at)),
        [b'"', ..] => {
            at + 1 + rest[1..].iter().position(|b| *b == b'"').map_or(rest.len() - 1, |end| end + 1)
        }
        [b'-', b'-', ..] => at + rest.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(rest.len()),
        [b'/', b'*', ..] => at + comment(rest),
        [b'$', ..] if !in_word(bytes, at) => at + dollar(rest),
        _ => at,
    }
}

fn in_word(bytes: &[u8], at: usize) -> bool {
    at.checked_sub(1).is_some_and(|before| {
        let before = bytes[before];
        before.is_ascii_alphanumeric() || matches!(before, b'_' | b'$') || before >= 0x80
    })
}

/// Whether the string at `at` is an `E'…'`, in which a backslash escapes.
fn escapes(bytes: &[u8], at: usize) -> bool {
    at.checked_sub(1).is_some_and(|e| matches!(bytes[e], b'e' | b'E') && !in_word(bytes, e))
}

fn string(rest: &[u8], escapes: bool) -> usize {
    let mut at = 1;
    while let Some(byte) = rest.get(at) {
        match byte {
            b'\\' if escapes => at += 2,
            b'\'' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn comment(rest: &[u8]) -> usize {
    let (mut at, mut depth) = (2, 1_usize);
    while depth > 0 {
        match rest.get(at..) {
            Some([b'/', b'*', ..]) => (at, depth) = (at + 2, depth + 1),
            Some([b'*', b'/', ..]) => (at, depth) = (at + 2, depth - 1),
            Some([_, ..]) => at += 1,
            _ => return rest.len(),
        }
    }
    at
}

/// The length of `$tag$ … $tag$`; 0 when no tag starts here (`$1`).
fn dollar(rest: &[u8]) -> usize {
    let tag = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_' || *b >= 0x80;
    let Some(end) = rest[1..].iter().position(|b| !tag(b)).filter(|end| rest[end + 1] == b'$') else {
        return 0;
    };
    if rest[1].is_ascii_digit() {
        return 0;
    }
    let quote = &rest[..end + 2];
    let body = &rest[quote.len()..];
    let mut windows = body.windows(quote.len());
    windows.position(|window| window == quote).map_or(rest.len(), |at| at + 2 * quote.len())
}

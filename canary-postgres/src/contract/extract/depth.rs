//! Refuses Rust sources that would overflow a recursive parser's stack.

/// The deepest nesting of brackets that is handed to the parser.
const MAX_DEPTH: usize = 256;

/// The longest run of operators and blanks without a bracket, a comma or a semicolon between them.
const MAX_RUN: usize = 10_000;

/// Whether a text nests too deep, with the line where it does. What stands in strings and comments counts as well: that
/// errs towards refusing, and no source that people write comes near.
pub(super) fn too_deep(text: &str) -> Option<u32> {
    let (mut depth, mut run, mut line) = (0_usize, 0_usize, 1_u32);
    for byte in text.bytes() {
        match byte {
            b'\n' => (line, run) = (line.saturating_add(1), 0),
            b'(' | b'[' | b'{' => (depth, run) = (depth + 1, 0),
            b')' | b']' | b'}' => (depth, run) = (depth.saturating_sub(1), 0),
            b';' | b',' => run = 0,
            b'&' | b'*' | b'!' | b'-' | b'<' | b'>' | b'=' | b'|' | b'+' | b'.' | b'?' | b':' => run += 1,
            _ => {}
        }
        if depth > MAX_DEPTH || run > MAX_RUN {
            return Some(line);
        }
    }
    None
}

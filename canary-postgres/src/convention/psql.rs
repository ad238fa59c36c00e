//! Scripts for psql: its own commands, its variables and the data of COPY are not SQL.

use super::run::{Note, Splitting, Transaction, Up};
use super::sections::blank;
use crate::sql::lex::past_quoted;
use crate::sql::position::Span;

/// Commands that print or set up the client and run no SQL.
const HARMLESS: [&str; 22] = [
    "set",
    "unset",
    "echo",
    "qecho",
    "warn",
    "pset",
    "timing",
    "x",
    "a",
    "t",
    "H",
    "f",
    "C",
    "T",
    "encoding",
    "restrict",
    "unrestrict",
    "conninfo",
    "errverbose",
    "p",
    "r",
    "h",
];

/// The SQL of a script; commands that run something else are noted.
pub(super) fn up(text: &str) -> Up {
    let bytes = text.as_bytes();
    let (mut out, mut notes) = (String::with_capacity(text.len()), Vec::new());
    let (mut at, mut kept, mut statement) = (0, 0, 0);
    while at < bytes.len() {
        let next = past_quoted(bytes, at);
        if next > at {
            at = next;
        } else if bytes[at] == b'\\' {
            let end = line_end(text, at);
            out.push_str(&text[kept..at]);
            blank(&text[at..end], &mut out);
            notes.extend(command(&text[at..end], at));
            (at, kept, statement) = (end, end, end);
        } else if bytes[at] == b';' {
            at += 1;
            if reads_data(&text[statement..at]) {
                let from = line_end(text, at);
                let end = data_end(text, from);
                out.push_str(&text[kept..from]);
                blank_lines(&text[from..end], &mut out);
                (at, kept) = (end, end);
            }
            statement = at;
        } else {
            at += 1;
        }
    }
    out.push_str(&text[kept..]);
    let mut up = Up::whole(&out, Transaction::None, Splitting::Statements);
    up.notes = notes;
    up
}

fn command(line: &str, at: usize) -> Option<Note> {
    let name: String = line[1..].chars().take_while(char::is_ascii_alphabetic).collect();
    if HARMLESS.contains(&name.as_str()) {
        return None;
    }
    let shown: String = line.trim_end().chars().take(60).collect();
    let span = Span { start: at, end: at + line.trim_end().len() };
    Some(Note { rule: "opaque-sql", span, what: format!("psql runs {shown}, which is not in this file") })
}

/// Whether a statement is followed by data: `COPY … FROM STDIN`.
fn reads_data(statement: &str) -> bool {
    let words: Vec<String> = statement
        .lines()
        .filter(|line| !line.trim_start().starts_with("--"))
        .flat_map(str::split_whitespace)
        .map(|word| word.trim_end_matches(';').to_ascii_lowercase())
        .collect();
    words.first().is_some_and(|word| word == "copy")
        && words.windows(2).any(|pair| pair[0] == "from" && pair[1] == "stdin")
}

fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |end| at + end + 1)
}

fn data_end(text: &str, from: usize) -> usize {
    let mut at = from;
    for line in text[from..].split_inclusive('\n') {
        at += line.len();
        if line.trim_end_matches(['\n', '\r']) == "\\." {
            break;
        }
    }
    at
}

fn blank_lines(text: &str, out: &mut String) {
    text.split_inclusive('\n').for_each(|line| blank(line, out));
}

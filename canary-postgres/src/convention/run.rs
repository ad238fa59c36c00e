//! How a runner brings a file to the server: in which transactions, and cut into which queries.

use std::ops::Range;

use crate::sql::position::Span;
use crate::sql::statement::Script;

/// Whether a runner puts a transaction around what it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transaction {
    /// One around the whole part.
    Around,
    /// None of its own. Several statements in one query are one transaction all the same (PostgreSQL manual, 55.2.2.1).
    None,
    /// Nobody said by what the files are run: either may be true.
    Unknown,
}

/// How a runner cuts a part into queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Splitting {
    /// Not at all: one query, however many statements.
    Whole,
    /// A query a statement.
    Statements,
    /// At lines that end in `;`, unless between lines that say `StatementBegin` and `StatementEnd`.
    Lines,
}

/// A part of a file that runs as one: the whole file, an up section, a changeset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its bytes.
    pub range: Range<usize>,
    /// Whether it has a transaction around it.
    pub transaction: Transaction,
    /// How it is cut.
    pub splitting: Splitting,
}

/// What a deploy runs of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Up {
    /// The file's text with everything but the SQL of a deploy blanked, so that every byte is where it was.
    pub text: String,
    /// What runs as one, in order.
    pub parts: Vec<Part>,
    /// What cannot be read as it will run, or is for another tool.
    pub(crate) notes: Vec<Note>,
}

/// Something about a file's text that is no statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    /// The rule it meets.
    pub(crate) rule: &'static str,
    /// Where.
    pub(crate) span: Span,
    /// What it is.
    pub(crate) what: String,
}

impl Up {
    /// The whole text as one part.
    pub(crate) fn whole(text: &str, transaction: Transaction, splitting: Splitting) -> Self {
        Self {
            text: text.to_owned(),
            parts: vec![Part { range: 0..text.len(), transaction, splitting }],
            notes: Vec::new(),
        }
    }

    /// The queries of a part as the runner sends them, as ranges of [`Up::text`]; blank ones are left out.
    #[must_use]
    pub fn queries(&self, part: &Part) -> Vec<Range<usize>> {
        let script = crate::sql::parse::parse(&self.text);
        self.queries_of(part, &script)
    }

    pub(crate) fn queries_of(&self, part: &Part, script: &Script) -> Vec<Range<usize>> {
        let cut = match part.splitting {
            Splitting::Whole => vec![part.range.clone()],
            Splitting::Lines => lines(&self.text, &part.range),
            Splitting::Statements => {
                let spans = script.within(&part.range).iter().map(|statement| statement.span);
                spans.filter(|span| span.end <= part.range.end).map(|span| span.start..span.end).collect()
            }
        };
        let holds_sql = |range: &Range<usize>| {
            // Statements stand in order and do not overlap.
            let first = script.statements.partition_point(|statement| statement.span.end <= range.start);
            let overlaps = script.statements.get(first).is_some_and(|s| s.span.start < range.end);
            overlaps || !script.errors.is_empty() && !self.text[range.clone()].trim().is_empty()
        };
        cut.into_iter().filter(holds_sql).collect()
    }
}

/// goose's and sql-migrate's way: a line whose last word before a comment ends in `;` ends a query.
fn lines(text: &str, part: &Range<usize>) -> Vec<Range<usize>> {
    let (mut found, mut start, mut at, mut block) = (Vec::new(), part.start, part.start, false);
    for line in text[part.clone()].split_inclusive('\n') {
        at += line.len();
        if let Some(comment) = line.trim().strip_prefix("--") {
            let words = comment.trim().to_ascii_lowercase();
            match words.split_once(' ').map_or("", |(_, rest)| rest.trim()) {
                "statementbegin" if marker(&words) => block = true,
                "statementend" if marker(&words) => {
                    block = false;
                    found.push(start..at);
                    start = at;
                }
                _ => {}
            }
            continue;
        }
        let code = line.split_whitespace().take_while(|word| !word.starts_with("--")).last();
        if !block && code.is_some_and(|word| word.ends_with(';')) {
            found.push(start..at);
            start = at;
        }
    }
    if start < part.end {
        found.push(start..part.end);
    }
    found
}

fn marker(words: &str) -> bool {
    words.starts_with("+goose") || words.starts_with("+migrate")
}

//! The adapter to the parser: text in, [`Script`] out. Nothing outside `sql::parse` knows the parser.
//!
//! The list of statement forms in [`lower`] is closed: what is not on it becomes [`EffectKind::Unknown`], so that a
//! newer parser or server cannot open a hole.

mod body;
mod column;
mod create;
mod lower;
mod node;
mod query;
mod table;

use std::collections::BTreeSet;

use squawk_syntax::ast::AstNode as _;

use super::depth::too_deep;
use super::position::Span;
use super::statement::{Effect, EffectKind, ParseError, Script, Statement};
use crate::deep;

/// Parses a file's text, on a thread of its own with a large stack.
pub(crate) fn parse(text: &str) -> Script {
    deep::each(&[text], |text| parse_deep(text)).pop().flatten().unwrap_or_else(gave_up)
}

/// What comes of a text whose thread died.
pub(crate) fn gave_up() -> Script {
    let message = "the parser gave up: internal error".to_owned();
    Script { statements: Vec::new(), errors: vec![ParseError { at: 0, message }] }
}

/// Parses a file's text on this thread, whose stack must be large ([`deep::each`]): the parser is recursive. Text nested deeper
/// than 200 brackets and runs of operators of absurd length are refused before it.
pub(crate) fn parse_deep(text: &str) -> Script {
    too_deep(text)
        .map_or_else(|| parse_here(text), |error| Script { statements: Vec::new(), errors: vec![error] })
}

fn parse_here(text: &str) -> Script {
    let parsed = squawk_syntax::SourceFile::parse(text);
    let mut errors: Vec<ParseError> = parsed
        .errors()
        .iter()
        .map(|error| ParseError { at: error.range().start().into(), message: worded(error.message()) })
        .collect();
    errors.sort_by_key(|error| error.at);
    let mut statements = Vec::new();
    for statement in parsed.tree().syntax().children() {
        let span = node::span(&statement);
        // The errors come sorted: the first at or after the statement's start decides.
        let first = errors.partition_point(|error| error.at < span.start);
        if errors.get(first).is_some_and(|error| error.at <= span.end) {
            continue;
        }
        if statement.kind() == squawk_syntax::SyntaxKind::EMPTY_STMT {
            continue;
        }
        let mut effects = Vec::new();
        lower::lower(&statement, &mut effects);
        statements.push(Statement { span, effects });
    }
    if let (true, Some(at)) = (errors.is_empty(), text.find('\0')) {
        errors.push(ParseError { at, message: "a NUL byte, which the server does not accept".to_owned() });
    }
    Script { statements, errors }
}

/// The parser's message with keywords as people write them: it says `ALTER_KW`.
fn worded(message: &str) -> String {
    message.replace("_KW", "")
}

/// What names a query spells, folded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Words {
    /// All of them, keywords too.
    pub(crate) all: BTreeSet<String>,
    /// Those that stand alone, without a table before them.
    pub(crate) bare: BTreeSet<String>,
    /// Whether it takes all columns of something (`*`).
    pub(crate) star: bool,
}

/// The words of a query; text that does not parse has the words it has.
pub(crate) fn words(text: &str) -> Words {
    use squawk_syntax::SyntaxKind as K;
    if too_deep(text).is_some() {
        return Words { star: true, ..Words::default() };
    }
    let parsed = squawk_syntax::SourceFile::parse(text);
    let mut words = Words::default();
    for token in node::tokens(parsed.tree().syntax()) {
        let parents: Vec<K> = token.parent_ancestors().take(2).map(|node| node.kind()).collect();
        match token.kind() {
            // Not that of a multiplication, nor of count(*).
            K::STAR => words.star |= !parents.iter().any(|kind| matches!(kind, K::BIN_EXPR | K::ARG_LIST)),
            _ if token.text().starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '"') => {
                let word = super::name::fold(token.text());
                if parents.first() == Some(&K::NAME_REF) && parents.get(1) != Some(&K::FIELD_EXPR) {
                    words.bare.insert(word.clone());
                }
                words.all.insert(word);
            }
            _ => {}
        }
    }
    words
}

/// Records an effect of a clause.
fn push(effects: &mut Vec<Effect>, span: Span, kind: EffectKind) {
    effects.push(Effect { span, kind });
}

#[cfg(test)]
mod tests;

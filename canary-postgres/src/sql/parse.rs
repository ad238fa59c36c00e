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

/// The stack of the thread that parses; only what is used is ever touched.
const STACK: usize = 64 << 20;

/// Parses a file's text.
///
/// Runs on a thread of its own with a large stack, since the parser is recursive; text nested deeper than 200 brackets
/// and runs of operators of absurd length are refused before it.
pub(crate) fn parse(text: &str) -> Script {
    if let Some(error) = too_deep(text) {
        return Script { statements: Vec::new(), errors: vec![error] };
    }
    let failed = |why: String| Script {
        statements: Vec::new(),
        errors: vec![ParseError { at: 0, message: format!("the parser gave up: {why}") }],
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("sql-parse".to_owned()).stack_size(STACK);
        match thread.spawn_scoped(scope, || parse_here(text)) {
            Ok(handle) => handle.join().unwrap_or_else(|_| failed("internal error".to_owned())),
            Err(error) => failed(error.to_string()),
        }
    })
}

fn parse_here(text: &str) -> Script {
    let parsed = squawk_syntax::SourceFile::parse(text);
    let mut errors: Vec<ParseError> = parsed
        .errors()
        .iter()
        .map(|error| ParseError { at: error.range().start().into(), message: error.message().to_owned() })
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

//! Reading the lossless tree: children, tokens, names.

use squawk_syntax::{SyntaxKind, SyntaxNode, SyntaxToken};

use crate::sql::name::{Name, fold};
use crate::sql::position::Span;

/// Where a node stands.
pub(super) fn span(node: &SyntaxNode) -> Span {
    let range = node.text_range();
    Span { start: range.start().into(), end: range.end().into() }
}

/// The first child node of one of these kinds.
pub(super) fn child(node: &SyntaxNode, kinds: &[SyntaxKind]) -> Option<SyntaxNode> {
    node.children().find(|child| kinds.contains(&child.kind()))
}

/// Whether the node has a child node of this kind.
pub(super) fn has(node: &SyntaxNode, kind: SyntaxKind) -> bool {
    node.children().any(|child| child.kind() == kind)
}

/// Whether the node has this token directly below it.
pub(super) fn has_token(node: &SyntaxNode, kind: SyntaxKind) -> bool {
    node.children_with_tokens().any(|element| element.as_token().is_some_and(|token| token.kind() == kind))
}

/// Every token of a node but blanks and comments.
pub(super) fn tokens(node: &SyntaxNode) -> impl Iterator<Item = SyntaxToken> + use<> {
    node.descendants_with_tokens()
        .filter_map(rowan_token)
        .filter(|token| !matches!(token.kind(), SyntaxKind::WHITESPACE | SyntaxKind::COMMENT))
}

fn rowan_token(element: squawk_syntax::SyntaxElement) -> Option<SyntaxToken> {
    element.into_token()
}

/// The name a node spells, up to an opening bracket; `ONLY`, `*` and the bracket of `ONLY (t)` are passed over.
pub(super) fn name(node: &SyntaxNode) -> Name {
    let mut parts = Vec::new();
    let mut only = false;
    for token in tokens(node) {
        match token.kind() {
            SyntaxKind::ONLY_KW if parts.is_empty() => only = true,
            SyntaxKind::L_PAREN if only && parts.is_empty() => {}
            SyntaxKind::L_PAREN => break,
            SyntaxKind::DOT | SyntaxKind::STAR | SyntaxKind::R_PAREN => {}
            _ => parts.push(token.text().to_owned()),
        }
    }
    Name::from_parts(&parts)
}

/// The name of a routine with the types it takes, `f(int,text)`: overloads are different routines. Without a list of
/// parameters (`DROP FUNCTION f`) the name alone.
pub(super) fn routine(node: &SyntaxNode, holder: &SyntaxNode) -> Name {
    let mut name = name(node);
    if let Some(list) = child(holder, &[SyntaxKind::PARAM_LIST]) {
        let taken =
            list.children().filter(|p| p.kind() == SyntaxKind::PARAM && !has(p, SyntaxKind::PARAM_OUT));
        let types: Vec<String> = taken.map(|param| type_of(&param)).collect();
        name.object = format!("{}({})", name.object, types.join(","));
    }
    name
}

/// A parameter's type as written, in lower case.
fn type_of(param: &SyntaxNode) -> String {
    use SyntaxKind::{PARAM_DEFAULT, PARAM_IN, PARAM_IN_OUT, PARAM_NAME, PARAM_VARIADIC};
    let parts = param.children().filter(|part| {
        !matches!(part.kind(), PARAM_NAME | PARAM_DEFAULT | PARAM_IN | PARAM_IN_OUT | PARAM_VARIADIC)
    });
    parts.map(|part| words(&part).to_ascii_lowercase()).collect::<Vec<_>>().join(" ")
}

/// The name in the first child node of one of these kinds; empty when there is none (the parser reports that).
pub(super) fn name_in(node: &SyntaxNode, kinds: &[SyntaxKind]) -> Name {
    child(node, kinds).map_or_else(|| Name::bare(""), |child| name(&child))
}

/// The last identifier of the first child node of one of these kinds, folded.
pub(super) fn word_in(node: &SyntaxNode, kinds: &[SyntaxKind]) -> String {
    child(node, kinds)
        .and_then(|child| tokens(&child).last())
        .map_or_else(String::new, |token| fold(token.text()))
}

/// The node's text with single blanks and no comments.
pub(super) fn words(node: &SyntaxNode) -> String {
    let mut out = String::new();
    for token in tokens(node) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(token.text());
    }
    out
}

/// The first two or three keywords of a statement, for messages (`ALTER SYSTEM`).
pub(super) fn title(node: &SyntaxNode) -> String {
    let words: Vec<String> = tokens(node).take(3).map(|token| token.text().to_uppercase()).collect();
    words.join(" ").chars().take(60).collect()
}

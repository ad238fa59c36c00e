//! Code inside strings: DO blocks and the bodies of routines, read as the server would run them.

use squawk_syntax::ast::{self, AstNode as _};
use squawk_syntax::body::{Body as Parsed, BodyLanguage};
use squawk_syntax::decoded_text::DecodedText;
use squawk_syntax::{SourceFile, SyntaxKind as K, SyntaxNode};

use super::super::depth::too_deep;
use super::{lower, node, push, query, worded};
use crate::sql::position::Span;
use crate::sql::statement::{Body, Effect, EffectKind};

/// A DO block runs here and now.
pub(super) fn of_do(statement: &SyntaxNode, out: &mut Vec<Effect>) {
    let span = node::span(statement);
    let body = match ast::Do::cast(statement.clone()) {
        Some(block) if deep(statement) => unreadable(&format!("{} is nested too deep", title(&block))),
        Some(block) => block.plpgsql().map_or_else(|| unreadable("it is not plpgsql"), |body| plpgsql(&body)),
        None => unreadable("it is no DO"),
    };
    if let Some(why) = body.unreadable {
        push(out, span, EffectKind::Opaque { what: format!("DO runs code that cannot be read: {why}") });
    }
    push(out, span, EffectKind::Code { effects: body.effects });
}

fn title(block: &ast::Do) -> String {
    node::title(block.syntax())
}

/// The code of a `CREATE FUNCTION` or `CREATE PROCEDURE`.
pub(super) fn of_routine(statement: &SyntaxNode) -> Body {
    if deep(statement) {
        return unreadable("it is nested too deep");
    }
    if let Some(atomic) = node::child(statement, &[K::ATOMIC_BODY, K::RETURN_STMT]) {
        let mut effects = Vec::new();
        for inner in atomic.children() {
            match inner.kind() {
                K::RETURN_STMT => query::calls(&inner, &mut effects),
                _ if atomic.kind() == K::RETURN_STMT => {}
                _ => lower::lower(&inner, &mut effects),
            }
        }
        if atomic.kind() == K::RETURN_STMT {
            query::calls(&atomic, &mut effects);
        }
        return Body { effects, unreadable: None };
    }
    let (function, procedure) =
        (ast::CreateFunction::cast(statement.clone()), ast::CreateProcedure::cast(statement.clone()));
    let code = function.as_ref().and_then(ast::CreateFunction::plpgsql);
    if let Some(code) = code.or_else(|| procedure.as_ref().and_then(ast::CreateProcedure::plpgsql)) {
        return plpgsql(&code);
    }
    let code = function.as_ref().and_then(ast::CreateFunction::sql_body);
    if let Some(code) = code.or_else(|| procedure.as_ref().and_then(ast::CreateProcedure::sql_body)) {
        return sql(&code);
    }
    unreadable("it is written in another language than SQL and PL/pgSQL")
}

/// The text of the first string below a node.
pub(super) fn literal(action: &SyntaxNode) -> String {
    let literal = node::child(action, &[K::LITERAL]).and_then(ast::Literal::cast);
    literal.and_then(|literal| literal.string_value()).unwrap_or_default()
}

fn unreadable(why: &str) -> Body {
    Body { effects: Vec::new(), unreadable: Some(why.to_owned()) }
}

/// Whether any string below the node nests deeper than a recursive parser may be asked to go.
fn deep(statement: &SyntaxNode) -> bool {
    let literals = statement.descendants().filter_map(ast::Literal::cast);
    literals.filter_map(|literal| literal.string_value()).any(|text| too_deep(&text).is_some())
}

fn sql(parsed: &Parsed<ast::SourceFile>) -> Body {
    let unreadable = first_error(parsed);
    let mut effects = Vec::new();
    for statement in parsed.syntax().children() {
        lower::lower(&statement, &mut effects);
    }
    moved(&mut effects, &|span| source(parsed, span));
    Body { effects, unreadable }
}

fn plpgsql(parsed: &Parsed<ast::Plpgsql>) -> Body {
    let unreadable = first_error(parsed);
    let mut effects = Vec::new();
    block(&parsed.syntax(), &mut effects);
    moved(&mut effects, &|span| source(parsed, span));
    Body { effects, unreadable }
}

fn first_error<T: BodyLanguage>(parsed: &Parsed<T>) -> Option<String> {
    parsed.errors().first().map(|error| worded(error.message()))
}

/// Where a span of the body's text stands in the file, through its quotes and escapes.
fn source<T: BodyLanguage>(parsed: &Parsed<T>, span: Span) -> Span {
    // The parser's type of a range has no name outside it; this one is moved to where it is wanted.
    let whole = parsed.syntax().text_range();
    let none = whole.intersect(whole + whole.len()).map(|end| end - whole.len());
    let Some(none) = none else { return span };
    let range = (none + offset(whole.start(), span.start)).cover_offset(offset(whole.start(), span.end));
    let range = parsed.source_range(range);
    Span { start: range.start().into(), end: range.end().into() }
}

/// An offset in the type of another.
fn offset<T: From<u32>>(_: T, at: usize) -> T {
    u32::try_from(at).unwrap_or(u32::MAX).into()
}

/// Moves every effect, those of code in code too.
fn moved(effects: &mut [Effect], to: &dyn Fn(Span) -> Span) {
    for effect in effects {
        effect.span = to(effect.span);
        match &mut effect.kind {
            EffectKind::Code { effects } => moved(effects, to),
            EffectKind::Routine { body, .. } => moved(&mut body.effects, to),
            _ => {}
        }
    }
}

/// What the statements of PL/pgSQL do, each branch as if it ran.
fn block(at: &SyntaxNode, out: &mut Vec<Effect>) {
    for child in at.children() {
        match child.kind() {
            K::PLPGSQL_DYN_EXECUTE_STMT
            | K::PLPGSQL_FOR_DYN_STMT
            | K::PLPGSQL_OPEN_EXECUTE
            | K::PLPGSQL_RETURN_QUERY_EXECUTE_STMT => {
                dynamic(&child, out);
                block(&child, out);
            }
            K::PLPGSQL_EXPR => query::computed(&child, out),
            K::PLPGSQL_CALL_STMT => call(&child, out),
            K::PLPGSQL_DO_STMT => {
                let what = "DO inside of code is not looked into".to_owned();
                push(out, node::span(&child), EffectKind::Opaque { what });
            }
            K::PLPGSQL_RAISE_STMT | K::PLPGSQL_ASSERT_STMT => query::computed(&child, out),
            // What does not parse is told of the code as a whole.
            K::ERROR => {}
            kind if is_plpgsql(kind) => block(&child, out),
            kind if is_type_or_name(kind) => {}
            _ => lower::lower(&child, out),
        }
    }
}

fn call(statement: &SyntaxNode, out: &mut Vec<Effect>) {
    match node::child(statement, &[K::CALL]) {
        Some(call) => lower::lower(&call, out),
        None => {
            let what = "CALL of something that cannot be told".to_owned();
            push(out, node::span(statement), EffectKind::Opaque { what });
        }
    }
}

/// `EXECUTE` of one string is the SQL in it; of anything else nobody can tell before it runs.
fn dynamic(statement: &SyntaxNode, out: &mut Vec<Effect>) {
    let span = node::span(statement);
    let text = node::child(statement, &[K::PLPGSQL_EXPR]).and_then(|text| only_literal(&text));
    let Some(text) = text.and_then(|literal| literal.decoded_value()) else {
        let what = "EXECUTE runs text that is put together while it runs".to_owned();
        return push(out, span, EffectKind::Opaque { what });
    };
    if too_deep(text.text()).is_some() {
        return push(out, span, EffectKind::Opaque { what: "EXECUTE runs text nested too deep".to_owned() });
    }
    let parsed = SourceFile::parse(text.text());
    if let Some(error) = parsed.errors().first() {
        let what = format!("EXECUTE runs text that does not parse: {}", worded(error.message()));
        return push(out, span, EffectKind::Opaque { what });
    }
    let mut effects = Vec::new();
    for inner in parsed.tree().syntax().children() {
        lower::lower(&inner, &mut effects);
    }
    moved(&mut effects, &|span| decoded(&text, &parsed.tree(), span));
    out.append(&mut effects);
}

fn decoded(text: &DecodedText, file: &SourceFile, span: Span) -> Span {
    let like = file.syntax().text_range().start();
    let at = |position: usize| text.source_pos(offset(like, position)).into();
    Span { start: at(span.start), end: at(span.end) }
}

/// The string that an expression consists of.
fn only_literal(expression: &SyntaxNode) -> Option<ast::Literal> {
    let mut node = expression.clone();
    loop {
        let mut children = node.children();
        let only = children.next().filter(|_| children.next().is_none())?;
        if let Some(literal) = ast::Literal::cast(only.clone()) {
            return Some(literal);
        }
        if !matches!(only.kind(), K::TARGET_LIST | K::TARGET | K::PAREN_EXPR) {
            return None;
        }
        node = only;
    }
}

fn is_plpgsql(kind: K) -> bool {
    format!("{kind:?}").starts_with("PLPGSQL")
}

/// Parts of declarations, which run nothing.
fn is_type_or_name(kind: K) -> bool {
    super::column::TYPES.contains(&kind) || matches!(kind, K::NAME_REF | K::PATH | K::PATH_REF | K::COLLATE)
}

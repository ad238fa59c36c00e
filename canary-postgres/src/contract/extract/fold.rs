//! What an expression comes to, as far as its own file tells: query texts and numbers, constants folded.

use std::path::PathBuf;

use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{BinOp, Block, Expr, ExprCall, ExprMethodCall, Lit, Macro, Stmt, Token};

use super::raw::{RawNumber, RawText};
use super::syntax::{chain, compact, last, last_two, path, string};

/// The largest file that is taken for a query's text.
pub(super) const LARGEST: u64 = 1 << 20;

/// What a name stands for where it is used.
#[derive(Debug, Clone)]
pub(super) struct Local {
    pub(super) name: String,
    pub(super) text: RawText,
    pub(super) number: RawNumber,
    /// The pool whose builder it is.
    pub(super) pool: Option<usize>,
    /// Whether it is what an error says its constraint is called.
    pub(super) constraint: bool,
}

impl Local {
    /// A name of which nothing is known.
    pub(super) fn opaque(name: String) -> Self {
        let text = RawText::Computed(format!("the variable `{name}`"));
        let number = RawNumber::Unknown(format!("the variable `{name}`"));
        Self { name, text, number, pool: None, constraint: false }
    }
}

/// The names in sight, and what `Self` is.
#[derive(Debug, Default)]
pub(super) struct Scope {
    pub(super) locals: Vec<Local>,
    pub(super) this: Option<String>,
    /// The directory of the file, where there is one: `include_str!` is relative to it.
    pub(super) directory: Option<PathBuf>,
}

impl Scope {
    pub(super) fn local(&self, name: &str) -> Option<&Local> {
        self.locals.iter().rev().find(|local| local.name == name)
    }

    /// The name of a constant, `Self` replaced.
    fn constant(&self, path: &syn::Path) -> String {
        let name = last_two(path);
        match (name.strip_prefix("Self::"), &self.this) {
            (Some(rest), Some(this)) => format!("{this}::{rest}"),
            _ => name,
        }
    }

    /// The text that an expression comes to.
    pub(super) fn text(&self, expr: &Expr) -> RawText {
        match expr {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => RawText::Literal(text.value()),
                Lit::Int(number) => RawText::Literal(number.base10_digits().to_owned()),
                _ => computed(expr),
            },
            Expr::Path(path) => self.named(&path.path),
            Expr::Reference(inner) => self.text(&inner.expr),
            Expr::Paren(inner) => self.text(&inner.expr),
            Expr::Group(inner) => self.text(&inner.expr),
            Expr::Unary(inner) => self.text(&inner.expr),
            Expr::Await(inner) => self.text(&inner.base),
            Expr::Try(inner) => self.text(&inner.expr),
            Expr::Index(inner) if matches!(&*inner.index, Expr::Range(range) if range.start.is_none() && range.end.is_none()) => {
                self.text(&inner.expr)
            }
            Expr::Binary(sum) if matches!(sum.op, BinOp::Add(_)) => {
                RawText::Joined(vec![self.text(&sum.left), self.text(&sum.right)])
            }
            Expr::Block(block) => self.tail(&block.block),
            Expr::If(branch) => {
                let other = branch.else_branch.as_ref().map(|(_, other)| self.text(other));
                RawText::OneOf(std::iter::once(self.tail(&branch.then_branch)).chain(other).collect())
            }
            Expr::Match(branches) => RawText::OneOf(branches.arms.iter().map(|arm| self.arm(arm)).collect()),
            Expr::Macro(call) => self.macro_text(&call.mac),
            Expr::MethodCall(call) => self.method_text(expr, call),
            Expr::Call(call) => self.call_text(call),
            other => computed(other),
        }
    }

    fn arm(&self, arm: &syn::Arm) -> RawText {
        self.text(&arm.body)
    }

    fn named(&self, path: &syn::Path) -> RawText {
        match path.get_ident().and_then(|ident| self.local(&ident.to_string())) {
            Some(local) => local.text.clone(),
            None => RawText::Name(self.constant(path)),
        }
    }

    fn tail(&self, block: &Block) -> RawText {
        match block.stmts.as_slice() {
            [Stmt::Expr(expr, None)] => self.text(expr),
            [Stmt::Macro(call)] if call.semi_token.is_none() => self.macro_text(&call.mac),
            _ => RawText::Computed("a block".to_owned()),
        }
    }

    fn method_text(&self, expr: &Expr, call: &ExprMethodCall) -> RawText {
        let method = call.method.to_string();
        match method.as_str() {
            "to_string" | "to_owned" | "into" | "as_str" | "as_ref" | "clone" | "trim" | "borrow"
            | "deref" | "to_sql_str" => self.text(&call.receiver),
            _ if chain(expr).1.iter().any(|c| prepares(&c.method)) => RawText::Statement,
            _ => RawText::Computed(format!("`{method}()`")),
        }
    }

    fn call_text(&self, call: &ExprCall) -> RawText {
        let name = path(&call.func).map(last_two).unwrap_or_default();
        let only = (call.args.len() == 1).then(|| &call.args[0]);
        match (name.as_str(), only) {
            (
                "String::from"
                | "AssertSqlSafe"
                | "sqlx::AssertSqlSafe"
                | "SqlStr::from_static"
                | "Cow::Borrowed"
                | "Some"
                | "Ok",
                Some(only),
            ) => self.text(only),
            _ => RawText::Computed(format!("`{name}()`")),
        }
    }

    /// The text that a macro makes.
    pub(super) fn macro_text(&self, call: &Macro) -> RawText {
        let name = last(&call.path);
        let arguments =
            || call.parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated).unwrap_or_default();
        match name.as_str() {
            "concat" | "concatcp" | "concat_const" => {
                RawText::Joined(arguments().iter().map(|a| self.text(a)).collect())
            }
            "include_str" => self.included(&arguments()).unwrap_or_else(|| computed_by(&name)),
            "indoc" | "unindent" => {
                arguments().first().map_or_else(|| computed_by(&name), |first| self.text(first))
            }
            "format" | "formatcp" | "formatdoc" | "const_format" => {
                self.format(&arguments()).unwrap_or_else(|| computed_by(&name))
            }
            _ => computed_by(&name),
        }
    }

    /// The text of a file beside the sources, when it is one of reasonable size.
    fn included(&self, arguments: &Punctuated<Expr, Token![,]>) -> Option<RawText> {
        let path = self.directory.as_ref()?.join(string(arguments.first()?)?);
        let facts = std::fs::metadata(&path).ok()?;
        (facts.is_file() && facts.len() <= LARGEST)
            .then(|| std::fs::read_to_string(path).ok().map(RawText::Literal))?
    }

    /// `format!` whose every argument is known: the common `format!("SELECT {COLUMNS} FROM users")`.
    fn format(&self, arguments: &Punctuated<Expr, Token![,]>) -> Option<RawText> {
        let mut arguments = arguments.iter();
        let template = string(arguments.next()?)?;
        let (mut positional, mut named) = (Vec::new(), Vec::new());
        for argument in arguments {
            match argument {
                Expr::Assign(assign) => named.push((path(&assign.left).map(last)?, &*assign.right)),
                other => positional.push(other),
            }
        }
        let (mut parts, mut next, mut rest) = (Vec::new(), 0, template.as_str());
        let mut literal = String::new();
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let brace = rest.as_bytes()[at];
            rest = &rest[at + 1..];
            if rest.as_bytes().first() == Some(&brace) {
                literal.push(char::from(brace));
                rest = &rest[1..];
                continue;
            }
            let (hole, after) = rest.split_once('}').filter(|_| brace == b'{')?;
            rest = after;
            parts.push(RawText::Literal(std::mem::take(&mut literal)));
            parts.push(match hole.trim() {
                "" => {
                    next += 1;
                    self.text(positional.get(next - 1)?)
                }
                number if number.bytes().all(|b| b.is_ascii_digit()) => {
                    self.text(positional.get(number.parse::<usize>().ok()?)?)
                }
                name => match named.iter().find(|(known, _)| known == name) {
                    Some((_, expr)) => self.text(expr),
                    None => self.named(&syn::parse_str(name).ok()?),
                },
            });
        }
        literal.push_str(rest);
        parts.push(RawText::Literal(literal));
        // What cannot be known in one place is `format!` for the reader, not one of its arguments.
        let known = parts.iter().all(|part| !matches!(part, RawText::Computed(_)));
        known.then_some(RawText::Joined(parts))
    }

    /// The number that an expression comes to, times `factor`; durations become milliseconds.
    pub(super) fn number(&self, expr: &Expr, factor: u64) -> RawNumber {
        // A variable of the environment may be anywhere in what is not folded.
        let unknown = || match environment(expr) {
            Some((name, otherwise)) => RawNumber::Environment {
                name,
                otherwise: otherwise.and_then(|number| number.checked_mul(factor)),
            },
            None => RawNumber::Unknown(shortened(expr)),
        };
        match expr {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Int(number) => number
                    .base10_parse::<u64>()
                    .ok()
                    .and_then(|n| n.checked_mul(factor))
                    .map_or_else(unknown, RawNumber::Known),
                // Seconds as `from_secs_f64` takes them: exact to the millisecond.
                Lit::Float(number) => {
                    number.base10_digits().parse::<f64>().ok().map_or_else(unknown, |n| {
                        milliseconds(n, factor).map_or_else(unknown, RawNumber::Known)
                    })
                }
                _ => unknown(),
            },
            Expr::Path(found) if last(&found.path) == "None" => RawNumber::Unlimited,
            Expr::Path(found) => {
                match found.path.get_ident().and_then(|ident| self.local(&ident.to_string())) {
                    Some(local) => scaled(&local.number, factor),
                    None if last_two(&found.path) == "Duration::ZERO" => RawNumber::Known(0),
                    None => RawNumber::Name(self.constant(&found.path), factor),
                }
            }
            Expr::Cast(cast) => self.number(&cast.expr, factor),
            Expr::Paren(inner) => self.number(&inner.expr, factor),
            Expr::Group(inner) => self.number(&inner.expr, factor),
            Expr::Reference(inner) => self.number(&inner.expr, factor),
            Expr::Try(inner) => self.number(&inner.expr, factor),
            Expr::Binary(binary) => self.arithmetic(binary, factor).unwrap_or_else(unknown),
            Expr::Call(call) => self.call_number(call, factor).unwrap_or_else(unknown),
            Expr::MethodCall(call) if call.args.is_empty() && call.method == "into" => {
                self.number(&call.receiver, factor)
            }
            _ => unknown(),
        }
    }

    fn arithmetic(&self, binary: &syn::ExprBinary, factor: u64) -> Option<RawNumber> {
        let (RawNumber::Known(left), RawNumber::Known(right)) =
            (self.number(&binary.left, 1), self.number(&binary.right, 1))
        else {
            return None;
        };
        let value = match binary.op {
            BinOp::Add(_) => left.checked_add(right),
            BinOp::Sub(_) => left.checked_sub(right),
            BinOp::Mul(_) => left.checked_mul(right),
            BinOp::Div(_) => left.checked_div(right),
            _ => None,
        };
        value.and_then(|value| value.checked_mul(factor)).map(RawNumber::Known)
    }

    fn call_number(&self, call: &ExprCall, factor: u64) -> Option<RawNumber> {
        let name = last_two(path(&call.func)?);
        let scale = match name.as_str() {
            "Some" | "Ok" | "u32::from" | "u64::from" | "usize::from" => factor,
            "Duration::from_millis" => 1,
            "Duration::from_secs" | "Duration::from_secs_f64" | "Duration::from_secs_f32" => 1000,
            "Duration::from_mins" => 60_000,
            "Duration::from_hours" => 3_600_000,
            "Duration::new" => {
                let nanos = self.number(call.args.get(1)?, 1);
                return match (self.number(call.args.first()?, 1000), nanos) {
                    (RawNumber::Known(seconds), RawNumber::Known(nanos)) => {
                        Some(RawNumber::Known(seconds.checked_add(nanos / 1_000_000)?))
                    }
                    _ => None,
                };
            }
            _ => return None,
        };
        Some(self.number(call.args.first()?, scale))
    }
}

/// Whether a method makes a prepared statement.
pub(super) fn prepares(method: &syn::Ident) -> bool {
    method.to_string().starts_with("prepare")
}

fn computed(expr: &Expr) -> RawText {
    RawText::Computed(shortened(expr))
}

fn computed_by(name: &str) -> RawText {
    RawText::Computed(format!("`{name}!`"))
}

/// An expression for a person, cut.
fn shortened(expr: &Expr) -> String {
    let text = compact(expr);
    if text.chars().count() <= 60 {
        format!("`{text}`")
    } else {
        format!("`{}…`", text.chars().take(59).collect::<String>())
    }
}

fn scaled(number: &RawNumber, factor: u64) -> RawNumber {
    match number {
        RawNumber::Known(n) => n
            .checked_mul(factor)
            .map_or_else(|| RawNumber::Unknown("a number too large".to_owned()), RawNumber::Known),
        RawNumber::Name(name, own) => RawNumber::Name(name.clone(), own.saturating_mul(factor)),
        RawNumber::Environment { name, otherwise } => RawNumber::Environment {
            name: name.clone(),
            otherwise: otherwise.and_then(|n| n.checked_mul(factor)),
        },
        other => other.clone(),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "bounds are looked at before"
)]
fn milliseconds(number: f64, factor: u64) -> Option<u64> {
    let value = number * factor as f64;
    (value.is_finite() && (0.0..1e15).contains(&value)).then_some(value.round() as u64)
}

/// The variable that an expression reads, and what holds without it.
fn environment(expr: &Expr) -> Option<(String, Option<u64>)> {
    let mut search = Environment::default();
    search.visit_expr(expr);
    search.name.map(|name| (name, search.otherwise))
}

#[derive(Default)]
struct Environment {
    name: Option<String>,
    otherwise: Option<u64>,
}

impl<'ast> Visit<'ast> for Environment {
    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        let function = path(&call.func).map(last_two).unwrap_or_default();
        let reads =
            matches!(function.as_str(), "env::var" | "env::var_os" | "dotenvy::var" | "dotenv::var" | "var")
                || function.to_ascii_lowercase().contains("env");
        if let (true, Some(name)) = (reads, call.args.first().and_then(string)) {
            self.name.get_or_insert(name);
            self.otherwise = self.otherwise.or_else(|| call.args.get(1).and_then(plain_number));
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        visit::visit_expr_method_call(self, call);
        if call.method.to_string().starts_with("unwrap_or") || call.method == "map_or" {
            let value = call.args.first().and_then(|argument| match argument {
                Expr::Closure(closure) => plain_number(&closure.body),
                other => plain_number(other),
            });
            self.otherwise = self.otherwise.or(value);
        }
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        if let ("env" | "option_env", Ok(name)) =
            (last(&call.path).as_str(), call.parse_body::<syn::LitStr>())
        {
            self.name.get_or_insert_with(|| name.value());
        }
    }
}

fn plain_number(expr: &Expr) -> Option<u64> {
    let scope = Scope::default();
    if let RawNumber::Known(number) = match expr {
        Expr::Call(_) | Expr::MethodCall(_) => RawNumber::Unlimited,
        other => scope.number(other, 1),
    } {
        return Some(number);
    }
    match scope.text(expr) {
        RawText::Literal(text) => text.parse().ok(),
        _ => None,
    }
}

//! One walk over a file's syntax tree.

use proc_macro2::Span;
use syn::visit::{self, Visit};
use syn::{
    Block, Expr, ExprCall, ExprClosure, ExprForLoop, ExprIf, ExprLet, ExprMatch, ExprMethodCall, ExprStruct,
    ExprWhile, FnArg, ImplItemConst, ImplItemFn, ItemConst, ItemEnum, ItemFn, ItemImpl, ItemMod, ItemStatic,
    ItemStruct, ItemType, Local as Let, Macro, Pat, PatIdent, ReturnType, Signature, TraitItemFn, Type,
};

use super::attributes::for_tests;
use super::files::Package;
use super::fold::{Local, Scope};
use super::raw::{RawFile, RawNumber, RawText, RawType, RawValue};
use super::syntax::name;
use super::{calls, constraints, diesel, items, pools, reads};
use crate::contract::model::Place;

/// A file while it is walked.
pub(super) struct File<'a> {
    pub(super) path: &'a str,
    pub(super) package: &'a Package,
    /// Whether items for tests count.
    pub(super) tests: bool,
    pub(super) raw: RawFile,
    pub(super) scope: Scope,
    /// The function at hand.
    pub(super) frame: reads::Frame,
    /// The type that is written where the value at hand goes.
    pub(super) expected: Option<Type>,
    /// Names that `use` brings from sqlx.
    pub(super) imported: Vec<String>,
    /// Whether the pattern at hand takes what an error says its constraint is called.
    pub(super) holds: bool,
    /// The same of the parameters of the closure at hand.
    pub(super) closure_holds: bool,
}

impl File<'_> {
    /// Where a token stands.
    pub(super) fn place(&self, span: Span) -> Place {
        Place { file: self.path.to_owned(), line: u32::try_from(span.start().line).unwrap_or(u32::MAX) }
    }

    fn constant(&mut self, own: &str, expr: &Expr) {
        let value = match (self.scope.text(expr), self.scope.number(expr, 1)) {
            (_, number @ (RawNumber::Known(_) | RawNumber::Unlimited | RawNumber::Environment { .. })) => {
                RawValue::Number(number)
            }
            // A lone name may be either; a text is what is asked for more often.
            (text @ (RawText::Literal(_) | RawText::Joined(_) | RawText::Name(_) | RawText::OneOf(_)), _) => {
                RawValue::Text(text)
            }
            _ => return,
        };
        if let Some(this) = &self.scope.this {
            self.raw.constants.insert(format!("{this}::{own}"), value.clone());
        }
        self.raw.constants.insert(own.to_owned(), value);
    }

    /// Walks a function with names and reads of its own.
    fn function(&mut self, signature: &Signature, walk: impl FnOnce(&mut Self)) {
        let names = self.scope.locals.len();
        let frame = std::mem::take(&mut self.frame);
        let expected = match &signature.output {
            ReturnType::Type(_, written) => Some((**written).clone()),
            ReturnType::Default => None,
        };
        let expected = std::mem::replace(&mut self.expected, expected);
        for input in &signature.inputs {
            if let FnArg::Typed(typed) = input {
                self.parameter(&typed.pat, &typed.ty);
            }
        }
        walk(self);
        let frame = std::mem::replace(&mut self.frame, frame);
        reads::close(frame, &mut self.raw.queries);
        self.scope.locals.truncate(names);
        self.expected = expected;
    }

    fn parameter(&mut self, pattern: &Pat, written: &Type) {
        if let Pat::Ident(ident) = pattern {
            let own = name(&ident.ident);
            let text = if super::syntax::compact(written).contains("Statement") {
                RawText::Statement
            } else {
                RawText::Computed(format!("the parameter `{own}`"))
            };
            self.scope.locals.push(Local { text, ..Local::opaque(own) });
        }
    }

    /// Takes the names of a pattern, for what is `asked` where they are matched.
    fn bind(&mut self, pattern: &Pat, asked: bool) {
        if asked {
            constraints::pattern(self, pattern);
        }
        let before = std::mem::replace(&mut self.holds, asked);
        self.visit_pat(pattern);
        self.holds = before;
    }

    /// Walks with the names that come into sight forgotten after it.
    fn inside(&mut self, walk: impl FnOnce(&mut Self)) {
        let names = self.scope.locals.len();
        walk(self);
        self.scope.locals.truncate(names);
    }
}

impl<'ast> Visit<'ast> for File<'_> {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if self.tests || !for_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        if self.tests || !for_tests(&item.attrs) {
            self.function(&item.sig, |file| file.visit_block(&item.block));
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if self.tests || !for_tests(&item.attrs) {
            self.function(&item.sig, |file| file.visit_block(&item.block));
        }
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        if let Some(body) = &item.default {
            self.function(&item.sig, |file| file.visit_block(body));
        }
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        if !self.tests && for_tests(&item.attrs) {
            return;
        }
        let this = match &*item.self_ty {
            Type::Path(path) => Some(super::syntax::last(&path.path)),
            _ => None,
        };
        let before = std::mem::replace(&mut self.scope.this, this);
        visit::visit_item_impl(self, item);
        self.scope.this = before;
    }

    fn visit_item_struct(&mut self, item: &'ast ItemStruct) {
        items::structure(self, item);
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast ItemEnum) {
        items::enumeration(self, item);
        visit::visit_item_enum(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast ItemType) {
        items::alias(self, item);
    }

    fn visit_item_const(&mut self, item: &'ast ItemConst) {
        self.constant(&name(&item.ident), &item.expr);
        visit::visit_item_const(self, item);
    }

    fn visit_item_static(&mut self, item: &'ast ItemStatic) {
        self.constant(&name(&item.ident), &item.expr);
        visit::visit_item_static(self, item);
    }

    fn visit_impl_item_const(&mut self, item: &'ast ImplItemConst) {
        self.constant(&name(&item.ident), &item.expr);
        visit::visit_impl_item_const(self, item);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        calls::imports(&item.tree, false, &mut self.imported);
    }

    fn visit_block(&mut self, block: &'ast Block) {
        self.inside(|file| visit::visit_block(file, block));
    }

    fn visit_expr_for_loop(&mut self, body: &'ast ExprForLoop) {
        self.inside(|file| visit::visit_expr_for_loop(file, body));
    }

    fn visit_expr_while(&mut self, body: &'ast ExprWhile) {
        self.inside(|file| visit::visit_expr_while(file, body));
    }

    fn visit_expr_if(&mut self, branch: &'ast ExprIf) {
        self.inside(|file| visit::visit_expr_if(file, branch));
    }

    fn visit_expr_match(&mut self, matched: &'ast ExprMatch) {
        let asked = constraints::asks(&self.scope, &matched.expr);
        self.visit_expr(&matched.expr);
        for arm in &matched.arms {
            self.inside(|file| {
                file.bind(&arm.pat, asked);
                file.visit_expr(&arm.body);
            });
        }
    }

    fn visit_expr_let(&mut self, matched: &'ast ExprLet) {
        self.visit_expr(&matched.expr);
        let asked = constraints::asks(&self.scope, &matched.expr);
        self.bind(&matched.pat, asked);
    }

    fn visit_expr_closure(&mut self, closure: &'ast ExprClosure) {
        let asked = std::mem::take(&mut self.closure_holds);
        self.inside(|file| {
            closure.inputs.iter().for_each(|input| file.bind(input, asked));
            file.visit_expr(&closure.body);
        });
    }

    fn visit_pat_ident(&mut self, pattern: &'ast PatIdent) {
        let constraint = self.holds;
        self.scope.locals.push(Local { constraint, ..Local::opaque(name(&pattern.ident)) });
    }

    fn visit_pat_guard(&mut self, guarded: &'ast syn::PatGuard) {
        self.visit_pat(&guarded.pat);
        let before = std::mem::take(&mut self.holds);
        self.visit_expr(&guarded.guard);
        self.holds = before;
    }

    fn visit_expr_binary(&mut self, compared: &'ast syn::ExprBinary) {
        constraints::binary(self, compared);
        visit::visit_expr_binary(self, compared);
    }

    fn visit_local(&mut self, local: &'ast Let) {
        let (pattern, written) = match &local.pat {
            Pat::Type(typed) => (&*typed.pat, Some((*typed.ty).clone())),
            other => (other, None),
        };
        let Some(init) = &local.init else {
            self.visit_pat(pattern);
            return;
        };
        let expected = std::mem::replace(&mut self.expected, written);
        self.visit_expr(&init.expr);
        self.expected = expected;
        if let Some((_, diverge)) = &init.diverge {
            self.visit_expr(diverge);
        }
        let asked = constraints::asks(&self.scope, &init.expr);
        let Pat::Ident(ident) = pattern else {
            self.bind(pattern, asked);
            return;
        };
        let own = name(&ident.ident);
        let mut bound = Local::opaque(own.clone());
        if ident.mutability.is_none() {
            bound.text = self.scope.text(&init.expr);
            bound.number = self.scope.number(&init.expr, 1);
        } else {
            bound.text = RawText::Computed(format!("the variable `{own}`, which changes"));
        }
        bound.pool = pools::bound(self, &init.expr);
        bound.constraint = asked;
        self.scope.locals.push(bound);
    }

    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        calls::function(self, call);
        pools::call(self, call);
        visit::visit_expr_call(self, call);
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        pools::method(self, call);
        calls::method(self, call);
        reads::method(self, call);
        constraints::method(self, call);
        let asked = constraints::asks(&self.scope, &call.receiver);
        self.visit_expr(&call.receiver);
        for argument in &call.args {
            self.closure_holds = asked && matches!(argument, Expr::Closure(_));
            self.visit_expr(argument);
        }
    }

    fn visit_expr_path(&mut self, path: &'ast syn::ExprPath) {
        reads::maker_path(self, &path.path);
        visit::visit_expr_path(self, path);
    }

    fn visit_expr_struct(&mut self, literal: &'ast ExprStruct) {
        pools::literal(self, literal);
        reads::literal(self, literal);
        visit::visit_expr_struct(self, literal);
    }

    fn visit_expr_assign(&mut self, assign: &'ast syn::ExprAssign) {
        pools::assign(self, assign);
        visit::visit_expr_assign(self, assign);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        calls::macro_call(self, call);
        constraints::macro_call(self, call);
        diesel::table(self, call);
        // What stands in macros of others is tokens; those that hold plain expressions are looked into.
        let arguments =
            call.parse_body_with(syn::punctuated::Punctuated::<Expr, syn::Token![,]>::parse_terminated);
        for argument in arguments.iter().flatten() {
            self.visit_expr(argument);
        }
    }
}

/// What a type written in a `let`, or as a function's result, may mean for a row: every name in it.
pub(super) fn names_in(written: &Type) -> Vec<String> {
    struct Names(Vec<String>);
    impl<'ast> Visit<'ast> for Names {
        fn visit_path(&mut self, path: &'ast syn::Path) {
            self.0.push(super::syntax::last(path));
            visit::visit_path(self, path);
        }
    }
    let mut names = Names(Vec::new());
    names.visit_type(written);
    names.0
}

/// The type behind `Result`, `Option` and `Vec`, when it is a single one: what a scalar query reads.
pub(super) fn innermost(written: &Type) -> Option<RawType> {
    match written {
        Type::Path(path) => {
            let inner = super::syntax::generics(&path.path);
            match (super::syntax::last(&path.path).as_str(), inner.first()) {
                ("Result" | "Vec", Some(inner)) => innermost(inner),
                _ => Some(RawType::of(written)),
            }
        }
        _ => None,
    }
}

//! The builders of connection pools.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{Expr, ExprAssign, ExprCall, ExprMethodCall, ExprStruct, Member};

use super::raw::{RawNumber, RawPool};
use super::syntax::{chain, compact, last, last_two, name, path};
use super::visit::File;
use crate::contract::model::{Driver, PoolLibrary};

/// Which setting a method or field of a builder is.
#[derive(Debug, Clone, Copy)]
enum What {
    Max,
    Acquire,
    Idle,
    Lifetime,
}

fn what(word: &str) -> Option<What> {
    Some(match word {
        "max_connections" | "max_size" => What::Max,
        "acquire_timeout" | "connect_timeout" | "connection_timeout" | "wait_timeout" | "wait" => {
            What::Acquire
        }
        "idle_timeout" => What::Idle,
        "max_lifetime" => What::Lifetime,
        _ => return None,
    })
}

/// A call on a builder.
pub(super) fn method(file: &mut File<'_>, call: &ExprMethodCall) {
    let Some(what) = what(&call.method.to_string()) else { return };
    let Some(pool) = pool_of(file, &call.receiver) else { return };
    let Some(argument) = call.args.first() else { return };
    set(file, pool, what, argument, call.method.span());
}

fn set(file: &mut File<'_>, pool: usize, what: What, argument: &Expr, span: Span) {
    let number = file.scope.number(argument, 1);
    let place = file.place(span);
    let Some(pool) = file.raw.pools.get_mut(pool) else { return };
    let slot = match what {
        What::Max => &mut pool.max,
        What::Acquire => &mut pool.acquire,
        What::Idle => &mut pool.idle,
        What::Lifetime => &mut pool.lifetime,
    };
    // The last call of a chain wins, and is visited first; so does a later statement.
    let later = slot.as_ref().is_none_or(|(_, before)| place.line > before.line);
    if later {
        *slot = Some((number, place));
    }
}

/// The pool whose builder a chain begins with; a new one the first time its beginning is seen.
fn pool_of(file: &mut File<'_>, receiver: &Expr) -> Option<usize> {
    let (root, _) = chain(receiver);
    match root {
        Expr::Path(found) => file.scope.local(&found.path.get_ident()?.to_string())?.pool,
        Expr::Call(call) => begun(file, call),
        _ => None,
    }
}

/// The pool that a call begins: `PgPoolOptions::new()`, `Pool::builder()`.
fn begun(file: &mut File<'_>, call: &ExprCall) -> Option<usize> {
    let library = library(file, call)?;
    Some(add(file, library, call.span()))
}

fn add(file: &mut File<'_>, library: PoolLibrary, span: Span) -> usize {
    let at = (span.start().line, span.start().column);
    let place = file.place(span);
    let pools = &mut file.raw.pools;
    if let Some(known) = pools.iter().position(|pool| pool.at == at) {
        return known;
    }
    pools.push(RawPool { at, place, library, max: None, acquire: None, idle: None, lifetime: None });
    pools.len() - 1
}

fn library(file: &File<'_>, call: &ExprCall) -> Option<PoolLibrary> {
    let found = path(&call.func)?;
    let package = file.package;
    let of = |crate_name: &str| found.segments.iter().any(|segment| name(&segment.ident) == crate_name);
    match (last_two(found).as_str(), call.args.len()) {
        ("PgPoolOptions::new" | "PgPoolOptions::default", 0) if package.speaks(Driver::Sqlx) => {
            Some(PoolLibrary::Sqlx)
        }
        ("PoolOptions::new" | "PoolOptions::default", 0) if package.speaks(Driver::Sqlx) => {
            let written = found.segments.iter().rev().nth(1).map(compact).unwrap_or_default();
            (written.contains("Postgres") || !written.contains('<')).then_some(PoolLibrary::Sqlx)
        }
        (
            "PgPool::connect" | "PgPool::connect_lazy" | "PgPool::connect_with" | "PgPool::connect_lazy_with",
            1,
        ) if package.speaks(Driver::Sqlx) => Some(PoolLibrary::Sqlx),
        ("Pool::builder", 1) if package.uses(&["deadpool", "deadpool-postgres"]) => {
            Some(PoolLibrary::Deadpool)
        }
        ("PoolConfig::new", 1) if package.uses(&["deadpool", "deadpool-postgres"]) => {
            Some(PoolLibrary::Deadpool)
        }
        ("Pool::builder" | "Builder::new", 0)
            if of("bb8") || (package.dependencies.is_some() && package.uses(&["bb8", "bb8-postgres"])) =>
        {
            Some(PoolLibrary::Bb8)
        }
        ("Pool::builder" | "Builder::new", 0)
            if of("r2d2") || (package.dependencies.is_some() && package.uses(&["r2d2", "diesel"])) =>
        {
            Some(PoolLibrary::R2d2)
        }
        _ => None,
    }
}

/// A call that begins a pool, with or without settings after it.
pub(super) fn call(file: &mut File<'_>, call: &ExprCall) {
    let Some(pool) = begun(file, call) else { return };
    if path(&call.func).is_some_and(|found| last_two(found) == "PoolConfig::new")
        && let Some(size) = call.args.first()
    {
        set(file, pool, What::Max, size, call.span());
    }
}

/// The pool whose builder an initialiser is; none once it is connected.
pub(super) fn bound(file: &mut File<'_>, init: &Expr) -> Option<usize> {
    let connected =
        |name: &str| name.starts_with("connect") && what(name).is_none() || name.starts_with("build");
    let (root, calls) = chain(init);
    let begins =
        matches!(root, Expr::Call(call) if path(&call.func).is_some_and(|found| connected(&last(found))));
    if begins || calls.iter().any(|call| connected(&call.method.to_string())) {
        return None;
    }
    pool_of(file, init)
}

/// deadpool's settings as plain structs: `PoolConfig { max_size: 16, timeouts: Timeouts { wait: … } }`.
pub(super) fn literal(file: &mut File<'_>, literal: &ExprStruct) {
    if last(&literal.path) != "PoolConfig" || !file.package.uses(&["deadpool", "deadpool-postgres"]) {
        return;
    }
    let pool = add(file, PoolLibrary::Deadpool, literal.path.span());
    let mut fields: Vec<_> = literal.fields.iter().collect();
    let nested = literal.fields.iter().filter_map(|field| match &field.expr {
        Expr::Struct(inner) => Some(inner.fields.iter()),
        _ => None,
    });
    fields.extend(nested.flatten());
    for field in fields {
        if let Member::Named(ident) = &field.member
            && !matches!(field.expr, Expr::Struct(_))
            && let Some(what) = what(&name(ident))
        {
            set(file, pool, what, &field.expr, ident.span());
        }
    }
}

/// `pool_config.max_size = 16`.
pub(super) fn assign(file: &mut File<'_>, assign: &ExprAssign) {
    if let Expr::Field(field) = &*assign.left
        && let Member::Named(ident) = &field.member
        && let Some(what) = what(&name(ident))
        && let Some(pool) = pool_of(file, &field.base)
    {
        set(file, pool, what, &assign.right, ident.span());
    }
}

/// What a pool without a word about it has, by its library.
pub(super) fn default(library: PoolLibrary, which: usize) -> Option<RawNumber> {
    // sqlx 0.8 and 0.9 `PoolOptions::new`, bb8 0.9 and r2d2 0.8 `Builder::default`: ten connections, 30 s for one of them,
    // closed after ten idle minutes and after thirty in all. deadpool: a multiple of the processors, no timeouts.
    match (library, which) {
        (PoolLibrary::Deadpool, 0) => None,
        (PoolLibrary::Deadpool, _) => Some(RawNumber::Unlimited),
        (_, 0) => Some(RawNumber::Known(10)),
        (_, 1) => Some(RawNumber::Known(30_000)),
        (_, 2) => Some(RawNumber::Known(600_000)),
        _ => Some(RawNumber::Known(1_800_000)),
    }
}

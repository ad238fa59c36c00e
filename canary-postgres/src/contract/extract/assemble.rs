//! What all files say, put together: names get their meaning, lists their order.

use std::collections::BTreeMap;
use std::path::Path;

use super::files::Found;
use super::names::{Index, Names, bare};
use super::offline::{self, Offline};
use super::pools;
use super::raw::{RawBinding, RawFile, RawNumber, RawPool, RawQuery};
use super::rows::Rows;
use super::text::{looks_like_sql, normalise, overrides};
use crate::contract::model::{
    Binding, Budgets, ColumnRead, Computed, Contract, Coverage, Driver, EnumType, FORMAT, Limit,
    MatchedConstraint, Place, PoolSettings, Query, QueryHash, QueryUse, Setting, SourceKind, Unreadable,
    Unresolved,
};

/// The contract of what was read.
pub(super) fn assemble(root: &Path, found: &Found, files: Vec<RawFile>) -> Contract {
    let index = Index::of(&files);
    let mut coverage =
        Coverage { files: u32::try_from(files.len()).unwrap_or(u32::MAX), ..Coverage::default() };
    for (path, why) in &found.lost {
        let place = Place { file: super::relative(root, path), line: 1 };
        coverage.unreadable.push(Unreadable { place, column: 1, why: why.clone() });
    }
    coverage.unreadable.extend(files.iter().flat_map(|file| file.unreadable.iter().cloned()));
    let mut rows = Rows::of(&files, &index);
    let mut queries = BTreeMap::new();
    for (at, file) in files.iter().enumerate() {
        for raw in &file.queries {
            let names = Names::at(&files, &index, at);
            one_query(raw, at, names, &mut rows, &mut queries, &mut coverage);
        }
    }
    with_offline(root, found, &mut queries, &mut coverage);
    let queries: Vec<Query> = queries.into_values().map(finished).collect();
    coverage.known = queries.iter().map(|query| u32::try_from(query.uses.len()).unwrap_or(u32::MAX)).sum();
    let rows = rows.into_rows(&mut coverage);
    sort(&mut coverage.computed);
    sort(&mut coverage.unreadable);
    sort(&mut coverage.unresolved);
    let mut enums: Vec<EnumType> = files.iter().flat_map(|file| file.enums.iter().cloned()).collect();
    enums.sort_by(|a, b| (&a.name, &a.place).cmp(&(&b.name, &b.place)));
    Contract {
        format: FORMAT,
        tool: concat!("canary ", env!("CARGO_PKG_VERSION")).to_owned(),
        service: service(found, &files),
        revision: None,
        server_major: None,
        drivers: drivers(&files),
        queries,
        rows,
        enums,
        pools: all_pools(&files, &index),
        constraints: constraints(&files, &index),
        schema_hashes: Vec::new(),
        budgets: Budgets::default(),
        seed: 1,
        coverage,
    }
}

fn sort<T: Ord>(all: &mut Vec<T>) {
    all.sort();
    all.dedup();
}

/// The name of the package that was asked for; of the only one with queries in a workspace without a root package.
fn service(found: &Found, files: &[RawFile]) -> String {
    if let Some(name) = found.packages.first().and_then(|package| package.name.clone()) {
        return name;
    }
    let mut asking: Vec<usize> =
        files.iter().filter(|file| !file.queries.is_empty()).map(|file| file.package).collect();
    sort(&mut asking);
    let only = if let [only] = asking[..] {
        found.packages.get(only).and_then(|package| package.name.clone())
    } else {
        None
    };
    only.unwrap_or_else(|| "workspace".to_owned())
}

fn drivers(files: &[RawFile]) -> Vec<Driver> {
    let mut all: Vec<Driver> = files.iter().flat_map(|file| file.drivers.iter().copied()).collect();
    sort(&mut all);
    all
}

fn one_query(
    raw: &RawQuery,
    at: usize,
    names: Names<'_>,
    rows: &mut Rows<'_>,
    queries: &mut BTreeMap<String, Query>,
    coverage: &mut Coverage,
) {
    let texts = match names.texts(&raw.text) {
        Ok(texts) => texts,
        Err(made_by) => {
            coverage.computed.push(Computed { place: raw.place.clone(), call: raw.call.clone(), made_by });
            return;
        }
    };
    let binding = binding(raw, at, names, rows, coverage);
    for text in texts {
        let text = normalise(&text);
        // The methods of tokio-postgres share their names with others: what is no SQL was not meant for a database.
        if text.is_empty() || (raw.kind == SourceKind::TokioPostgres && !looks_like_sql(&text)) {
            continue;
        }
        let query = queries.entry(text.clone()).or_insert_with(|| empty(text));
        query.uses.push(QueryUse { place: raw.place.clone(), kind: raw.kind, binding: binding.clone() });
    }
}

fn empty(text: String) -> Query {
    let hash = QueryHash::of(&text);
    Query { hash, text, parameters: None, columns: None, overrides: Vec::new(), uses: Vec::new() }
}

/// Sorts the uses, and reads the aliases where a macro does.
fn finished(mut query: Query) -> Query {
    query.uses.sort();
    query.uses.dedup();
    let by_macro =
        |used: &QueryUse| matches!(used.kind, SourceKind::SqlxMacro | SourceKind::SqlxUncheckedMacro);
    if query.uses.is_empty() || query.uses.iter().any(by_macro) {
        query.overrides = overrides(&query.text);
    }
    query
}

fn binding(
    raw: &RawQuery,
    at: usize,
    names: Names<'_>,
    rows: &mut Rows<'_>,
    coverage: &mut Coverage,
) -> Binding {
    let mut row = |name: &str, by_macro: bool| match rows.bind(&bare(name), at, by_macro) {
        Some(name) => Binding::Row(name),
        None => {
            let (name, wanted) = (name.to_owned(), "row struct".to_owned());
            coverage.unresolved.push(Unresolved { place: raw.place.clone(), name, wanted });
            Binding::None
        }
    };
    match &raw.binding {
        RawBinding::None => Binding::None,
        RawBinding::Record => Binding::Record,
        RawBinding::Scalar(written) => Binding::Scalar(names.rust_type(written)),
        RawBinding::As(written) => match &written.tuple {
            Some(parts) => Binding::Tuple(parts.iter().map(|part| names.rust_type(part)).collect()),
            None => row(&written.name, false),
        },
        RawBinding::MacroAs(written) => row(&written.name, true),
        RawBinding::Inferred(all) => rows.only(all, at).map_or(Binding::None, Binding::Row),
        RawBinding::Reads(reads, makers) => match rows.only(makers, at) {
            Some(name) => Binding::Row(name),
            None => {
                let reads = reads.iter().map(|(column, written)| ColumnRead {
                    column: column.clone(),
                    rust_type: written.as_ref().map(|written| names.rust_type(written)),
                });
                let mut reads: Vec<ColumnRead> = reads.collect();
                sort(&mut reads);
                if reads.is_empty() { Binding::None } else { Binding::Reads(reads) }
            }
        },
    }
}

fn with_offline(root: &Path, found: &Found, queries: &mut BTreeMap<String, Query>, coverage: &mut Coverage) {
    for path in &found.offline {
        match offline::read(path) {
            Ok(Some(Offline { text, parameters, columns })) => {
                let query = queries.entry(text.clone()).or_insert_with(|| empty(text));
                query.parameters = parameters;
                query.columns = Some(columns);
            }
            Ok(None) => {}
            Err(why) => {
                let place = Place { file: super::relative(root, path), line: 1 };
                coverage.unreadable.push(Unreadable { place, column: 1, why });
            }
        }
    }
}

/// Names whose text is known, each with its first place.
fn constraints(files: &[RawFile], index: &Index<'_>) -> Vec<MatchedConstraint> {
    let mut all = Vec::new();
    for (at, file) in files.iter().enumerate() {
        let names = Names::at(files, index, at);
        for (text, place) in &file.constraints {
            let found = names.texts(text).unwrap_or_default();
            all.extend(found.into_iter().map(|name| MatchedConstraint { name, place: place.clone() }));
        }
    }
    all.sort();
    all.dedup_by(|a, b| a.name == b.name);
    all
}

fn all_pools(files: &[RawFile], index: &Index<'_>) -> Vec<PoolSettings> {
    let mut all = Vec::new();
    for (at, file) in files.iter().enumerate() {
        let names = Names::at(files, index, at);
        all.extend(file.pools.iter().map(|raw| pool(raw, names)));
    }
    all.sort_by(|a, b| (&a.place, a.library).cmp(&(&b.place, b.library)));
    all
}

fn pool(raw: &RawPool, names: Names<'_>) -> PoolSettings {
    let setting = |which: usize, said: &Option<(RawNumber, Place)>| match said {
        Some((number, place)) => told(names.number(number), place.clone()),
        None => match pools::default(raw.library, which) {
            Some(RawNumber::Known(number)) => Setting::Default { value: Limit::AtMost(number) },
            Some(_) => Setting::Default { value: Limit::Unlimited },
            None => Setting::Unknown {
                why: "the library's own: a multiple of the processors".to_owned(),
                place: raw.place.clone(),
            },
        },
    };
    PoolSettings {
        place: raw.place.clone(),
        library: raw.library,
        max_connections: setting(0, &raw.max),
        acquire_timeout_ms: setting(1, &raw.acquire),
        idle_timeout_ms: setting(2, &raw.idle),
        max_lifetime_ms: setting(3, &raw.lifetime),
    }
}

fn told(number: RawNumber, place: Place) -> Setting {
    match number {
        RawNumber::Known(number) => Setting::Known { value: Limit::AtMost(number), place },
        RawNumber::Unlimited => Setting::Known { value: Limit::Unlimited, place },
        RawNumber::Environment { name, otherwise } => Setting::FromEnvironment { name, otherwise, place },
        RawNumber::Name(name, _) => Setting::Unknown { why: format!("`{name}`"), place },
        RawNumber::Unknown(why) => Setting::Unknown { why, place },
    }
}

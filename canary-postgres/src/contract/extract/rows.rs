//! The structs that rows become: which of them count, their names, and their fields spelled out.

use std::collections::{BTreeMap, BTreeSet};

use super::names::{Index, Names, bare};
use super::raw::{RawField, RawFile, RawStruct};
use crate::contract::model::{Coverage, Field, RowKind, RowStruct, Unresolved};

/// The deepest flattening that is followed.
const DEEPEST: usize = 8;

/// A struct by its file and its place in it.
type At = (usize, usize);

/// All structs, and which of them the contract holds.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    files: &'a [RawFile],
    index: &'a Index<'a>,
    by_name: BTreeMap<&'a str, Vec<At>>,
    /// Fields that code fills from rows, by struct.
    made: BTreeMap<At, Vec<RawField>>,
    /// Those that count, with how they are made.
    taken: BTreeMap<At, RowKind>,
}

impl<'a> Rows<'a> {
    pub(super) fn of(files: &'a [RawFile], index: &'a Index<'a>) -> Self {
        let mut rows =
            Self { files, index, by_name: BTreeMap::new(), made: BTreeMap::new(), taken: BTreeMap::new() };
        for (at, file) in files.iter().enumerate() {
            for (nth, found) in file.structs.iter().enumerate() {
                rows.by_name.entry(&found.name).or_default().push((at, nth));
                if let Some(kind) = found.kind {
                    rows.taken.insert((at, nth), kind);
                }
            }
        }
        for (at, file) in files.iter().enumerate() {
            for made in &file.made {
                let Some(found) = rows.find(&made.of, at) else { continue };
                let own = rows.get(found).fields.iter().find(|field| field.name == made.field);
                let Some(rust_type) =
                    made.rust_type.clone().or_else(|| own.map(|field| field.rust_type.clone()))
                else {
                    continue;
                };
                let (name, column) = (made.field.clone(), made.column.clone());
                let field = RawField { name, column, rust_type, default: false, json: false, flatten: false };
                rows.taken.entry(found).or_insert(RowKind::Manual);
                rows.made.entry(found).or_default().push(field);
            }
        }
        rows
    }

    fn get(&self, (file, nth): At) -> &'a RawStruct {
        &self.files[file].structs[nth]
    }

    /// The struct of this name as a file sees it: its own, else the only one of its package, else the only one of all.
    fn find(&self, name: &str, from: usize) -> Option<At> {
        let all = self.by_name.get(name)?;
        let package = self.files[from].package;
        let one = |some: Vec<At>| if let [only] = some[..] { Some(only) } else { None };
        let here: Vec<At> = all.iter().copied().filter(|(file, _)| *file == from).collect();
        if !here.is_empty() {
            return one(here);
        }
        let inside: Vec<At> =
            all.iter().copied().filter(|(file, _)| self.files[*file].package == package).collect();
        if inside.is_empty() { one(all.clone()) } else { one(inside) }
    }

    /// The name of the row struct that a query is bound to.
    pub(super) fn bind(&mut self, name: &str, from: usize, by_macro: bool) -> Option<String> {
        let found = self.find(name, from)?;
        if by_macro {
            self.taken.entry(found).or_insert(RowKind::Macro);
        }
        self.taken.contains_key(&found).then(|| self.name(found))
    }

    /// The only row struct among these names.
    pub(super) fn only(&self, names: &[String], from: usize) -> Option<String> {
        let found: BTreeSet<At> = names
            .iter()
            .filter_map(|name| self.find(name, from))
            .filter(|found| self.taken.contains_key(found))
            .collect();
        let mut found = found.into_iter();
        let first = found.next()?;
        found.next().is_none().then(|| self.name(first))
    }

    /// The name; with its file when several structs that exist have it.
    fn name(&self, found: At) -> String {
        let own = &self.get(found).name;
        match self.by_name.get(own.as_str()).map_or(0, Vec::len) {
            0 | 1 => own.clone(),
            _ => format!("{}#{own}", self.get(found).place.file),
        }
    }

    /// The contract's rows, by name.
    pub(super) fn into_rows(self, coverage: &mut Coverage) -> Vec<RowStruct> {
        let rows = self.taken.iter().map(|(found, kind)| {
            let own = self.get(*found);
            let made = self.made.get(found).filter(|_| *kind == RowKind::Manual);
            let mut fields = Vec::new();
            self.spell_out(made.unwrap_or(&own.fields), found.0, "", 0, coverage, &mut fields);
            fields.dedup();
            let (name, place) = (self.name(*found), own.place.clone());
            RowStruct { name, place, kind: *kind, fields, table: own.table.clone() }
        });
        let mut rows: Vec<RowStruct> = rows.collect();
        rows.sort_by(|a, b| (&a.name, &a.place).cmp(&(&b.name, &b.place)));
        rows
    }

    fn spell_out(
        &self,
        fields: &[RawField],
        from: usize,
        outer: &str,
        depth: usize,
        coverage: &mut Coverage,
        out: &mut Vec<Field>,
    ) {
        let names = Names::at(self.files, self.index, from);
        for field in fields {
            let name = format!("{outer}{}", field.name);
            if !field.flatten {
                out.push(Field {
                    name,
                    column: field.column.clone(),
                    rust_type: names.rust_type(&field.rust_type),
                    default: field.default,
                    json: field.json,
                });
                continue;
            }
            match self.find(&bare(&field.rust_type.name), from).filter(|_| depth < DEEPEST) {
                Some(inner) => {
                    let below = &self.get(inner).fields;
                    self.spell_out(below, inner.0, &format!("{name}."), depth + 1, coverage, out);
                }
                None => {
                    let place = self.files[from].structs.first().map(|found| found.place.clone());
                    coverage.unresolved.extend(place.map(|place| Unresolved {
                        place,
                        name: field.rust_type.name.clone(),
                        wanted: format!("flattened struct of field {name}"),
                    }));
                }
            }
        }
    }
}

//! Holds what queries were before against what they are after: levels 1 to 3. Pure.

use canary_core::traits::Severity;

use super::breakage::{Breakage, Found, Level};
use super::facts::Tables;
use super::probe::{Description, Output, Probed, Refusal, TypeName};
use super::writes;
use crate::contract::{Binding, Contract, Driver, Query};

/// A schema, as a contract sees it.
#[derive(Debug, Clone)]
pub(super) struct Sight {
    /// One a query, in the contract's order.
    pub(super) queries: Vec<Probed>,
    pub(super) tables: Tables,
}

/// Everything that the contract's queries lose between two schemas. `held` is what a connection from before then gets.
pub(super) fn compare(
    contract: &Contract,
    before: &Sight,
    after: &Sight,
    held: &[Option<Refusal>],
) -> Vec<Breakage> {
    let mut found = Found::default();
    for (index, query) in contract.queries.iter().enumerate() {
        let (Some(was), Some(is)) = (before.queries.get(index), after.queries.get(index)) else { continue };
        let Ok(described) = &was.described else { continue };
        let mut one = One { contract, query, place: query.place(), found: &mut found };
        match &is.described {
            Err(refusal) => {
                one.refused(Level::Prepare, refusal);
                continue;
            }
            Ok(now) => one.described(described, now),
        }
        if let Some(Some(refusal)) = held.get(index)
            && refusal.sqlstate == "0A000"
        {
            one.push(Breakage::new(
                "stale-plan",
                Level::OldConnection,
                Some("0A000"),
                "its result changes under connections that have it prepared: every call on them fails until they are closed",
            ));
        }
        match (&was.explained, &is.explained) {
            (Some(Ok(_)), Some(Err(refusal))) => one.refused(Level::Explain, refusal),
            (Some(Ok(was)), Some(Ok(is))) => {
                writes::compare(query, (was, &before.tables), (is, &after.tables), &mut |breakage| {
                    one.push(breakage);
                });
            }
            _ => {}
        }
    }
    found.into_vec()
}

/// One query that is compared.
struct One<'a> {
    contract: &'a Contract,
    query: &'a Query,
    place: String,
    found: &'a mut Found,
}

impl One<'_> {
    fn push(&mut self, breakage: Breakage) {
        self.found.push(&self.place, breakage);
    }

    fn refused(&mut self, level: Level, refusal: &Refusal) {
        let rule = match refusal.sqlstate.as_str() {
            "42702" => "ambiguous-name",
            "42501" => "revoke",
            "42P10" | "42803" => "drop-constraint",
            "428C9" => "identity-always",
            _ => "query-fails",
        };
        self.push(Breakage::new(rule, level, Some(&refusal.sqlstate), &refusal.message));
    }

    fn described(&mut self, was: &Description, is: &Description) {
        for (number, (was, is)) in (1..).zip(was.parameters.iter().zip(&is.parameters)) {
            if was.name != is.name {
                let what = format!("its parameter ${number} is {} where it was {}", is.name, was.name);
                self.parameter(what);
            }
            self.labels(&format!("its parameter ${number}"), was, is);
        }
        for was in &was.columns {
            match is.columns.iter().find(|column| column.name == was.name) {
                Some(is) => self.column(was, is),
                None => {
                    let what = format!("its result has no column {} any more", was.name);
                    self.push(Breakage::new("result-changes", Level::Describe, None, what));
                }
            }
        }
    }

    /// sqlx says itself of what type its parameters are; the others take the server's word and refuse other Rust types.
    fn parameter(&mut self, what: String) {
        let breakage = Breakage::new("parameter-changes", Level::Describe, None, what);
        let sqlx = !self.contract.drivers.is_empty()
            && self.contract.drivers.iter().all(|driver| *driver == Driver::Sqlx);
        self.push(if sqlx { breakage.warns() } else { breakage });
    }

    fn column(&mut self, was: &Output, is: &Output) {
        if was.of.name != is.of.name {
            let what = format!(
                "its column {} is {} where it was {}: what decodes the one refuses the other",
                was.name, is.of.name, was.of.name
            );
            self.push(Breakage::new("result-changes", Level::Describe, None, what));
        }
        self.labels(&format!("its column {}", was.name), &was.of, &is.of);
        if was.not_null && !is.not_null {
            let what = format!("its column {} may now be NULL", was.name);
            let breakage = Breakage::new("drop-not-null", Level::Describe, None, what);
            self.push(if self.takes_no_null(&was.name) { breakage } else { breakage.warns() });
        }
    }

    fn labels(&mut self, subject: &str, was: &TypeName, is: &TypeName) {
        if was.name != is.name {
            return;
        }
        let missing: Vec<&str> =
            was.labels.iter().filter(|l| !is.labels.contains(l)).map(String::as_str).collect();
        let added: Vec<&str> =
            is.labels.iter().filter(|l| !was.labels.contains(l)).map(String::as_str).collect();
        if !missing.is_empty() {
            let what = format!("{subject} ({}) has no label {} any more", was.name, missing.join(", "));
            self.push(Breakage::new("rename-enum-value", Level::Describe, Some("22P02"), what));
        }
        if !added.is_empty() {
            let what = format!(
                "{subject} ({}) has the new label {}: a Rust enum without it cannot read it once it is written",
                was.name,
                added.join(", ")
            );
            self.push(Breakage::new("enum-add-value", Level::Describe, None, what).warns());
        }
    }

    /// Whether some use of the query reads the column into a type that has no place for NULL.
    fn takes_no_null(&self, column: &str) -> bool {
        self.query.uses.iter().any(|used| match &used.binding {
            Binding::None => false,
            Binding::Row(name) => self.contract.row(name).is_some_and(|row| {
                row.fields.iter().any(|field| field.column == column && !field.rust_type.nullable)
            }),
            Binding::Scalar(rust_type) => !rust_type.nullable,
            // The macro's record has the nullability of the day it was built.
            Binding::Record => true,
            Binding::Tuple(types) => types.iter().any(|rust_type| !rust_type.nullable),
            Binding::Reads(reads) => reads.iter().any(|read| {
                read.column == column && read.rust_type.as_ref().is_some_and(|rust_type| !rust_type.nullable)
            }),
        })
    }
}

/// Whether anything stops.
pub(super) fn refuses(breakages: &[Breakage]) -> bool {
    breakages.iter().any(|breakage| breakage.severity == Severity::Refuse)
}

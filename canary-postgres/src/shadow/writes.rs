//! Level 4: what became stricter, or different, for the tables that a query writes. Pure.

use super::breakage::{Breakage, Level};
use super::facts::{Kind, Restriction, Table, Tables};
use super::plan::{Plan, Verb, Write};
use crate::contract::Query;
use crate::phase::has_word as names;

/// `tgtype`'s bits (`catalog/pg_trigger.h`).
const ON_INSERT: i16 = 4;
const ON_DELETE: i16 = 8;
const ON_UPDATE: i16 = 16;

/// What a query's writes and reads lose.
pub(super) fn compare(
    query: &Query,
    (was, tables_were): (&Plan, &Tables),
    (is, tables_are): (&Plan, &Tables),
    push: &mut dyn FnMut(Breakage),
) {
    for name in was.tables.iter().chain(&is.tables) {
        row_security(name, tables_were.get(name), tables_are.get(name), push);
    }
    for (index, written) in was.writes.iter().enumerate() {
        let now = is.writes.get(index).filter(|now| now.verb == written.verb);
        let name = now.map_or(&written.table, |now| &now.table);
        let (Some(table_was), Some(table_is)) = (tables_were.get(&written.table), tables_are.get(name))
        else {
            continue;
        };
        let looked = Looked { query, name, verb: written.verb, was: table_was, is: table_is };
        looked.restrictions(written, now, push);
        match now {
            Some(now) => looked.columns(written, now, push),
            None => push(looked.found(
                "rewrite-rule",
                None,
                format!("its {} no longer writes {name}", written.verb.word()),
            )),
        }
    }
}

fn row_security(name: &str, was: Option<&Table>, is: Option<&Table>, push: &mut dyn FnMut(Breakage)) {
    let (Some(was), Some(is)) = (was, is) else { return };
    let policies = |table: &Table| {
        table.restrictions.iter().filter(|found| found.kind == Kind::Policy).cloned().collect::<Vec<_>>()
    };
    let what = match (was.row_security, is.row_security) {
        (false, true) => "row level security is on: rows without a policy are not seen, and not written",
        (true, true) if !was.forced && is.forced => "row level security is forced on the owner too",
        (true, true) if policies(was) != policies(is) => {
            "other policies decide which rows are seen and written"
        }
        _ => return,
    };
    push(Breakage::new("row-security", Level::Catalog, Some("42501"), format!("{name}: {what}")).of(name));
}

/// One table that a query writes, before and after.
struct Looked<'a> {
    query: &'a Query,
    name: &'a str,
    verb: Verb,
    was: &'a Table,
    is: &'a Table,
}

impl Looked<'_> {
    fn found(&self, rule: &str, sqlstate: Option<&str>, what: String) -> Breakage {
        Breakage::new(rule, Level::Catalog, sqlstate, what).of(self.name)
    }

    /// Whether an UPDATE can set one of the columns: it must name what it sets. No columns: any.
    fn names(&self, columns: &[String]) -> bool {
        columns.is_empty() || columns.iter().any(|column| names(&self.query.text, column))
    }

    /// Whether the write gives a value to one of the columns.
    fn gives(&self, columns: &[String]) -> bool {
        self.verb.inserts() || self.verb.updates() && self.names(columns)
    }

    fn restrictions(&self, was: &Write, now: Option<&Write>, push: &mut dyn FnMut(Breakage)) {
        if self.was.kind != "p" && self.is.kind == "p" && self.verb.inserts() {
            let what = format!("{} is partitioned: a row that no partition takes is refused", self.name);
            push(self.found("new-write-restriction", Some("23514"), what));
        }
        for new in self.is.restrictions.difference(&self.was.restrictions) {
            if let Some(breakage) = self.restriction(new, now.unwrap_or(was)) {
                push(breakage);
            }
        }
    }

    fn restriction(&self, new: &Restriction, written: &Write) -> Option<Breakage> {
        let (name, word) = (self.name, self.verb.word());
        let (applies, code) = match new.kind {
            Kind::Check | Kind::Domain => (self.gives(&new.columns), "23514"),
            Kind::Unique => (self.gives(&new.columns), "23505"),
            Kind::Exclude => (self.gives(&new.columns), "23P01"),
            Kind::ForeignKey => (self.gives(&new.columns) && !self.left_null(&new.columns, written), "23503"),
            Kind::Referenced => {
                // A row that goes with its parent, or is cut loose, holds nobody up.
                let loose = ["ON DELETE CASCADE", "ON DELETE SET NULL", "ON DELETE SET DEFAULT"];
                let deletes =
                    self.verb.deletes() && !loose.iter().any(|action| new.definition.contains(action));
                let updates = self.verb.updates()
                    && self.names(&new.columns)
                    && !new.definition.contains("ON UPDATE CASCADE");
                (deletes || updates, "23503")
            }
            Kind::Trigger { events, raises } => return self.trigger(new, events, raises),
            Kind::Rule { event } => {
                let meant = match self.verb {
                    Verb::Insert => event == 3,
                    Verb::Update => event == 2,
                    Verb::Delete => event == 4,
                    Verb::Any => true,
                };
                let what = format!("its {word} of {name} runs through a new rule: {}", new.definition);
                return meant.then(|| self.found("rewrite-rule", None, what));
            }
            // Told for reads and writes alike.
            Kind::Policy => return None,
        };
        let what = format!("its {word} of {name} can now be refused by {}", new.definition);
        applies.then(|| self.found("new-write-restriction", Some(code), what))
    }

    fn trigger(&self, new: &Restriction, events: i16, raises: bool) -> Option<Breakage> {
        let fires = self.verb.inserts() && events & ON_INSERT != 0
            || self.verb.updates() && events & ON_UPDATE != 0
            || self.verb.deletes() && events & ON_DELETE != 0;
        let (name, word) = (self.name, self.verb.word());
        let breakage = if raises {
            let what = format!(
                "its {word} of {name} fires a new trigger that can raise an error: {}",
                new.definition
            );
            self.found("new-write-restriction", Some("P0001"), what)
        } else {
            let what = format!("its {word} of {name} fires a new trigger: {}", new.definition);
            self.found("trigger-change", None, what).warns()
        };
        fires.then_some(breakage)
    }

    /// Whether an INSERT leaves one of the columns NULL, which a foreign key lets pass (MATCH SIMPLE).
    fn left_null(&self, columns: &[String], written: &Write) -> bool {
        self.verb == Verb::Insert
            && self
                .is
                .columns
                .iter()
                .any(|(number, column)| columns.contains(&column.name) && written.null(*number))
    }

    fn columns(&self, was: &Write, is: &Write, push: &mut dyn FnMut(Breakage)) {
        for (number, column) in &self.is.columns {
            let before = self.was.columns.iter().find(|(_, known)| known.name == column.name);
            let was_required = before.is_some_and(|(_, known)| known.not_null);
            let value_was = before.and_then(|(number, _)| was.value(*number));
            let left_out_before = before.is_some_and(|(number, _)| was.null(*number));
            let refused = self.verb.inserts() && column.not_null && is.null(*number);
            if refused && !(was_required && left_out_before) {
                let rule = match (before, was_required) {
                    (None, _) => "add-column-required",
                    (Some(_), false) => "set-not-null",
                    (Some(_), true) => "drop-default",
                };
                let what = format!(
                    "its INSERT of {} leaves out {}, which must have a value and has no default",
                    self.name, column.name
                );
                push(self.found(rule, Some("23502"), what));
            } else if column.not_null
                && before.is_some()
                && !was_required
                && self.may_give_null(*number, is, &column.name)
            {
                let what =
                    format!("its {} of {} may write NULL to {}", self.verb.word(), self.name, column.name);
                push(self.found("set-not-null", Some("23502"), what));
            } else if let (Some(was), Some(is)) = (value_was, is.value(*number))
                && literal(was) != literal(is)
                && constant(was)
                && constant(is)
            {
                let what = format!(
                    "its INSERT of {} writes {is} to {} where it wrote {was}",
                    self.name, column.name
                );
                push(self.found("set-default", None, what).warns());
            }
        }
    }

    /// Whether the value is a parameter or is read from somewhere.
    fn may_give_null(&self, number: i16, written: &Write, name: &str) -> bool {
        match written.value(number) {
            Some(value) if self.verb.inserts() => !constant(value),
            _ => self.verb.updates() && names(&self.query.text, name),
        }
    }
}

/// A printed expression without the name of its type, which may have another one by now.
fn literal(value: &str) -> &str {
    value.rsplit_once("::").map_or(value, |(value, _)| value)
}

/// Whether a printed expression is what the schema alone decides: a literal, or a call without arguments of the query.
fn constant(value: &str) -> bool {
    let literal = value.starts_with('\'') || value.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    let own = value.contains('$') || value.contains('.') && !literal;
    literal
        || !own && value.ends_with(')')
        || value.starts_with("nextval(")
        || value.starts_with("NULL::")
        || ["true", "false"].contains(&value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_names_as_words() {
        let text = "UPDATE t SET \"Qty\" = $1, sub_total = 2 WHERE id = $2";
        assert!(names(text, "qty") && names(text, "id") && names(text, "t"));
        assert!(!names(text, "total") && !names(text, "sub"));
    }

    #[test]
    fn tells_constants_from_what_queries_give() {
        for yes in
            ["'x'::text", "7", "-1", "NULL::integer", "now()", "nextval('a.t_id_seq'::regclass)", "true"]
        {
            assert!(constant(yes), "{yes}");
        }
        for no in ["$1", "p.ref", "\"*VALUES*\".column1", "lower($2)", "ref"] {
            assert!(!constant(no), "{no}");
        }
    }
}

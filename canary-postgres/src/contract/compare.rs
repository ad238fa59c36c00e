//! What two contracts of one service differ in, line by line.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::model::Contract;

/// A part of a contract, by its name: the query's text, the struct's name.
type Parts = BTreeMap<String, BTreeMap<String, String>>;

impl Contract {
    /// What a fresh extraction has else than this contract: `+` for what is new, `-` for what is gone, `~` for what changed.
    ///
    /// Lines of files are no part of it: moving code changes nothing that the database sees. Neither are the tool, the
    /// revision, and what a person or a database adds: budgets, seed, schema hashes, the server's version.
    #[must_use]
    pub fn differences(&self, fresh: &Self) -> Vec<String> {
        let (old, new) = (parts(self), parts(fresh));
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        let mut lines = Vec::new();
        for name in names {
            match (old.get(name), new.get(name)) {
                (Some(_), None) => lines.push(format!("- {name}")),
                (None, Some(_)) => lines.push(format!("+ {name}")),
                (Some(old), Some(new)) if old != new => lines.extend(changed(name, old, new)),
                _ => {}
            }
        }
        lines
    }
}

/// A migration as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationState {
    /// Its file, below the migrations' directory, with `/`.
    pub migration: String,
    /// SHA-256 of the file, in hexadecimal digits.
    pub text: String,
    /// What the schema hashes to after it, where it was replayed on a server of the lock file's major version.
    pub schema: Option<String>,
}

impl Contract {
    /// What the migrations are else than when the schema hashes were taken; nothing where none were.
    ///
    /// Only the migrations that the file keeps are compared, and those after them.
    #[must_use]
    pub fn schema_differences(&self, now: &[MigrationState]) -> Vec<String> {
        let Some(first) = self.schema_hashes.first() else { return Vec::new() };
        let from = now.iter().position(|state| state.migration == first.migration).unwrap_or(0);
        let mut lines = Vec::new();
        for kept in &self.schema_hashes {
            let name = &kept.migration;
            let Some(state) = now[from..].iter().find(|state| state.migration == *name) else {
                lines.push(format!("- migration {name}"));
                continue;
            };
            if state.text != kept.text {
                lines.push(format!("~ migration {name}: its text is another"));
            }
            if let Some(schema) = state.schema.as_ref().filter(|schema| **schema != kept.schema) {
                lines.push(format!(
                    "~ schema after {name}: {} is now {}",
                    short(&kept.schema),
                    short(schema)
                ));
            }
        }
        let known =
            |state: &&MigrationState| self.schema_hashes.iter().all(|kept| kept.migration != state.migration);
        lines
            .extend(now[from..].iter().filter(known).map(|state| format!("+ migration {}", state.migration)));
        lines
    }
}

fn short(hash: &str) -> String {
    hash.chars().take(12).collect()
}

fn changed(name: &str, old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<String> {
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let of = |side: &BTreeMap<String, String>, path: &String| {
        side.get(path).map_or("nothing", String::as_str).to_owned()
    };
    let paths = paths.into_iter().filter(|path| old.get(*path) != new.get(*path));
    paths.map(|path| format!("~ {name}: {path}: {} is now {}", of(old, path), of(new, path))).collect()
}

fn parts(contract: &Contract) -> Parts {
    let mut parts = Parts::new();
    let mut add = |name: String, value: Value| {
        let mut flat = BTreeMap::new();
        flatten(&value, String::new(), &mut flat);
        // The same thing twice, as pools of one file, is told apart by its number.
        let mut unique = name.clone();
        let mut nth = 1;
        while parts.contains_key(&unique) {
            nth += 1;
            unique = format!("{name} ({nth})");
        }
        parts.insert(unique, flat);
    };
    let json = |value: serde_json::Result<Value>| value.unwrap_or_default();
    add("drivers".to_owned(), json(serde_json::to_value(&contract.drivers)));
    for query in &contract.queries {
        add(format!("query {}", query.text), json(serde_json::to_value(query)));
    }
    for row in &contract.rows {
        add(format!("row struct {}", row.name), json(serde_json::to_value(row)));
    }
    for own in &contract.enums {
        add(format!("enum {} in {}", own.name, own.place.file), json(serde_json::to_value(own)));
    }
    for matched in &contract.constraints {
        add(format!("matched constraint {}", matched.name), json(serde_json::to_value(&matched.place)));
    }
    for pool in &contract.pools {
        add(format!("pool in {}", pool.place.file), json(serde_json::to_value(pool)));
    }
    let coverage = &contract.coverage;
    for computed in &coverage.computed {
        add(format!("computed query in {}: {}", computed.place.file, computed.made_by), Value::Null);
    }
    for lost in &coverage.unreadable {
        add(format!("unreadable {}: {}", lost.place.file, lost.why), Value::Null);
    }
    for lost in &coverage.unresolved {
        add(format!("unresolved {} in {}", lost.name, lost.place.file), Value::Null);
    }
    parts
}

/// Every scalar by its path; lists of named things by their names, lines left out.
fn flatten(value: &Value, path: String, out: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                if !(key == "line" && map.contains_key("file")) {
                    flatten(inner, joined(&path, key), out);
                }
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                let name =
                    item.get("name").and_then(Value::as_str).map_or_else(|| at.to_string(), str::to_owned);
                flatten(item, joined(&path, &name), out);
            }
        }
        Value::String(text) => {
            out.insert(path, text.clone());
        }
        scalar => {
            out.insert(path, scalar.to_string());
        }
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

#[cfg(test)]
mod tests {
    use super::MigrationState;
    use crate::contract::SchemaHash;
    use crate::contract::extract::from_texts;

    #[test]
    fn schema_hashes_are_of_migrations_that_may_change() {
        let mut contract = from_texts(&[("src/lib.rs", "fn f() {}")], &["sqlx"]);
        let state = |n: u32, text: &str, schema: Option<&str>| MigrationState {
            migration: format!("{n}.sql"),
            text: text.to_owned(),
            schema: schema.map(str::to_owned),
        };
        let now = [state(1, "a", Some("x")), state(2, "b", Some("y")), state(3, "c", Some("z"))];
        assert_eq!(contract.schema_differences(&now), [""; 0], "nothing was ever replayed");
        // The first has fallen out of those that are kept.
        let of = |state: &MigrationState| SchemaHash {
            migration: state.migration.clone(),
            text: state.text.clone(),
            schema: state.schema.clone().unwrap(),
        };
        contract.schema_hashes = now[1..].iter().map(of).collect();
        assert_eq!(contract.schema_differences(&now), [""; 0]);
        let unknown: Vec<_> =
            now.iter().cloned().map(|state| MigrationState { schema: None, ..state }).collect();
        assert_eq!(contract.schema_differences(&unknown), [""; 0]);
        let other = [now[0].clone(), state(2, "b", Some("Y")), state(3, "C", None), state(4, "d", None)];
        assert_eq!(
            contract.schema_differences(&other),
            [
                "~ schema after 2.sql: y is now Y",
                "~ migration 3.sql: its text is another",
                "+ migration 4.sql"
            ]
        );
        assert_eq!(contract.schema_differences(&now[..2]), ["- migration 3.sql"]);
    }

    #[test]
    fn what_the_database_sees_counts_and_lines_do_not() {
        let of = |text: &str| from_texts(&[("src/lib.rs", text)], &["sqlx"]);
        let old = of(
            "#[derive(FromRow)] struct A { a: i64 } fn f() { sqlx::query_as::<_, A>(\"SELECT a FROM t\"); sqlx::query(\"SELECT 1\"); }",
        );
        let moved = of(
            "\n\n#[derive(FromRow)]\nstruct A { a: i64 }\n fn f() { sqlx::query(\"SELECT 1\");\n sqlx::query_as::<_, A>(\"SELECT  a FROM t;\"); }",
        );
        assert_eq!(old.differences(&moved), Vec::<String>::new());
        let new = of(
            "#[derive(FromRow)] struct A { a: Option<i32> } fn f(t: &str) { sqlx::query(\"SELECT 1\"); sqlx::query(\"SELECT 2\"); sqlx::query(t); }",
        );
        assert_eq!(
            old.differences(&new),
            [
                "+ computed query in src/lib.rs: the parameter `t`",
                "+ query SELECT 2",
                "- query SELECT a FROM t",
                "~ row struct A: fields.a.rust_type.name: i64 is now i32",
                "~ row struct A: fields.a.rust_type.nullable: false is now true",
            ]
        );
    }
}

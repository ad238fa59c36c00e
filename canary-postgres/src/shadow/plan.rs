//! What a query reads and writes, from its plan: no SQL parser is needed, and views and rules are already resolved.

use std::collections::BTreeSet;

use serde_json::Value;

/// The tables of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Every table that is read or written, with its schema.
    pub(super) tables: BTreeSet<String>,
    /// What is written.
    pub(super) writes: Vec<Write>,
}

/// One table that a query writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Write {
    pub(super) verb: Verb,
    /// With its schema.
    pub(super) table: String,
    /// For an INSERT: what goes into each column, by its number from 1, as `EXPLAIN (VERBOSE)` prints it. A column that is left
    /// out has its default, or `NULL::type`.
    pub(super) values: Vec<String>,
}

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Verb {
    Insert,
    Update,
    Delete,
    /// `MERGE`, and what later versions have: may be any of them.
    Any,
}

impl Verb {
    pub(super) const fn inserts(self) -> bool {
        matches!(self, Self::Insert | Self::Any)
    }

    pub(super) const fn updates(self) -> bool {
        matches!(self, Self::Update | Self::Any)
    }

    pub(super) const fn deletes(self) -> bool {
        matches!(self, Self::Delete | Self::Any)
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Any => "MERGE",
        }
    }
}

impl Write {
    /// Whether column number `number` is certainly written as NULL: left out and without a default.
    pub(super) fn null(&self, number: i16) -> bool {
        self.value(number).is_some_and(|value| value.starts_with("NULL::"))
    }

    /// What goes into column number `number`.
    pub(super) fn value(&self, number: i16) -> Option<&str> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        self.values.get(index).map(String::as_str)
    }
}

impl Plan {
    /// From the output of `EXPLAIN (VERBOSE, FORMAT JSON)`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let root: Value = serde_json::from_str(text).ok()?;
        let mut plan = Self::default();
        for query in root.as_array()? {
            // A rule can leave nothing of a query: "Utility Statement" or no plan at all.
            if let Some(node) = query.get("Plan") {
                plan.node(node, 0);
            }
        }
        Some(plan)
    }

    fn node(&mut self, node: &Value, depth: usize) {
        // serde_json reads no more than 128 levels.
        debug_assert!(depth < 256, "a plan as deep as its text");
        let text = |key: &str| node.get(key).and_then(Value::as_str);
        let below: &[Value] = node.get("Plans").and_then(Value::as_array).map_or(&[], Vec::as_slice);
        let table =
            text("Relation Name").zip(text("Schema")).map(|(name, schema)| format!("{schema}.{name}"));
        if let Some(table) = table {
            if text("Node Type") == Some("ModifyTable") {
                let verb = match text("Operation") {
                    Some("Insert") => Verb::Insert,
                    Some("Update") => Verb::Update,
                    Some("Delete") => Verb::Delete,
                    _ => Verb::Any,
                };
                let source = below
                    .iter()
                    .find(|node| node.get("Parent Relationship").and_then(Value::as_str) == Some("Outer"));
                let output = source.and_then(|node| node.get("Output")).and_then(Value::as_array);
                let values =
                    output.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
                self.writes.push(Write { verb, table: table.clone(), values });
            }
            self.tables.insert(table);
        }
        for node in below {
            self.node(node, depth + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_is_written_read_and_left_out() {
        let text = r#"[{"Plan": {"Node Type": "ModifyTable", "Operation": "Insert", "Relation Name": "t", "Schema": "public",
            "Plans": [{"Node Type": "Index Scan", "Parent Relationship": "Outer", "Relation Name": "p", "Schema": "s",
                       "Output": ["nextval('t_id_seq'::regclass)", "p.ref", "NULL::integer"]}]}}]"#;
        let plan = Plan::read(text).unwrap();
        assert_eq!(plan.tables, BTreeSet::from(["public.t".to_owned(), "s.p".to_owned()]));
        let write = &plan.writes[0];
        assert_eq!((write.verb, write.table.as_str()), (Verb::Insert, "public.t"));
        assert_eq!([1, 2, 3, 4, 0, -1].map(|n| write.null(n)), [false, false, true, false, false, false]);
        assert_eq!(Plan::read("[]"), Some(Plan::default()));
        assert_eq!(Plan::read("no"), None);
    }
}

//! What the static gate asks of the binary that is running.

use super::model::{Binding, Contract, Query, RowKind, RowStruct};
use crate::rules::{BinaryFacts, KnownQuery, RequiredColumn};
use crate::sql::parse;

impl Contract {
    /// The facts by which the gate's rules decide about this binary: its queries, the columns that it reads without an
    /// `Option`, and the constraints whose names its code matches in errors.
    #[must_use]
    pub fn facts(&self) -> BinaryFacts {
        let queries =
            self.queries.iter().map(|query| KnownQuery { text: query.text.clone(), place: query.place() });
        let mut required: Vec<RequiredColumn> = Vec::new();
        for query in &self.queries {
            for used in &query.uses {
                if let Binding::Row(name) = &used.binding
                    && let Some(row) = self.row(name)
                {
                    required.extend(
                        required_by(query, row)
                            .filter(|column| !required.contains(column))
                            .collect::<Vec<_>>(),
                    );
                }
            }
        }
        BinaryFacts {
            complete: self.coverage.complete(),
            queries: queries.collect(),
            required_columns: required,
            matched_names: self
                .constraints
                .iter()
                .map(|matched| (matched.name.clone(), matched.place.to_string()))
                .collect(),
            ..BinaryFacts::default()
        }
    }
}

/// The columns that a row needs, by what finds them; those of `Queryable` go by position and have no name here.
fn required_by<'a>(query: &'a Query, row: &'a RowStruct) -> impl Iterator<Item = RequiredColumn> + 'a {
    let table = only_table(&query.text);
    let named = row.fields.iter().filter(|field| row.kind != RowKind::Queryable && !field.rust_type.nullable);
    named.map(move |field| RequiredColumn {
        table: table.clone(),
        column: if row.kind == RowKind::Macro { field.name.clone() } else { field.column.clone() },
        place: format!("{}.{}, {}", row.name, field.name, row.place),
    })
}

/// The table that a query reads or writes, when it is certainly one alone.
fn only_table(text: &str) -> Option<String> {
    let words = parse::words(text).all;
    let several =
        ["join", "with", "union", "intersect", "except", "using"].iter().any(|word| words.contains(*word));
    let lower = text.to_ascii_lowercase();
    let mut after = lower.split_whitespace().skip_while(|word| !matches!(*word, "from" | "into" | "update"));
    let (_, named) = (after.next()?, after.next()?);
    let next = after.next().unwrap_or_default();
    let listed = named.ends_with(',') || next.starts_with(',') || lower.matches(" from ").count() > 1;
    let plain = named.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
    // An alias may be followed by a comma and another table: only what is followed by a clause is certain.
    let clause =
        matches!(next, "" | "where" | "order" | "limit" | "set" | "group" | "for" | "returning" | "values")
            || next.starts_with('(');
    (!several && !listed && plain && clause).then(|| named.rsplit('.').next().unwrap_or(named).to_owned())
}

#[cfg(test)]
mod tests {
    use crate::contract::extract::from_texts;

    use super::*;

    #[test]
    fn columns_without_an_option_are_required_of_their_table() {
        let source = r#"
            #[derive(FromRow)] struct User { id: i64, #[sqlx(rename = "mail")] email: String, note: Option<String> }
            fn f() {
                sqlx::query_as::<_, User>("SELECT id, mail, note FROM app.users WHERE id = $1");
                sqlx::query_as::<_, User>("SELECT u.* FROM users u, orders o");
                sqlx::query("DELETE FROM orders");
            }"#;
        let facts = from_texts(&[("src/a.rs", source)], &["sqlx"]).facts();
        assert!(facts.complete && facts.queries.len() == 3);
        let of =
            |c: &RequiredColumn| format!("{}.{} {}", c.table.as_deref().unwrap_or("?"), c.column, c.place);
        let seen: Vec<_> = facts.required_columns.iter().map(of).collect();
        assert_eq!(
            seen,
            [
                "users.id User.id, src/a.rs:2",
                "users.mail User.email, src/a.rs:2",
                "?.id User.id, src/a.rs:2",
                "?.mail User.email, src/a.rs:2",
            ]
        );
        let computed = from_texts(&[("src/a.rs", "fn f(t: &str) { sqlx::query(t); }")], &["sqlx"]).facts();
        assert!(!computed.complete);
    }

    #[test]
    fn a_table_is_named_only_when_it_is_alone() {
        for (text, table) in [
            ("SELECT a FROM t WHERE b = $1", Some("t")),
            ("UPDATE s.t SET a = 1", Some("t")),
            ("INSERT INTO t (a) VALUES (1)", Some("t")),
            ("SELECT a FROM t x", None),
            ("SELECT a FROM t, u", None),
            ("SELECT a FROM t JOIN u ON true", None),
            ("SELECT a FROM (SELECT 1 FROM u) x", None),
            ("SELECT 1", None),
        ] {
            assert_eq!(only_table(text).as_deref(), table, "{text}");
        }
    }
}

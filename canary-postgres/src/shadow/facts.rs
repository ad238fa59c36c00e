//! What the catalog says of tables: columns, and everything that can refuse or change a write.

use std::collections::{BTreeMap, BTreeSet};

use crate::live::{Connection, Failure};

/// The tables of a database, by name with schema.
pub(super) type Tables = BTreeMap<String, Table>;

/// One table, or view.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Table {
    /// `relkind`.
    pub(super) kind: String,
    /// Row level security is on (or forced on its owner too).
    pub(super) row_security: bool,
    pub(super) forced: bool,
    /// By number.
    pub(super) columns: BTreeMap<i16, Column>,
    pub(super) restrictions: BTreeSet<Restriction>,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    /// Of its own, or of its domain.
    pub(super) not_null: bool,
}

/// Something that can refuse a write or do something else instead. Without its name: a renamed one is the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Restriction {
    pub(super) kind: Kind,
    /// As the server prints it.
    pub(super) definition: String,
    /// The columns it looks at; empty when it may be any.
    pub(super) columns: Vec<String>,
}

/// A kind of restriction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    Check,
    Domain,
    Unique,
    Exclude,
    ForeignKey,
    /// Another table's foreign key on this one.
    Referenced,
    /// Events as bits of `tgtype`, and whether its function says RAISE EXCEPTION.
    Trigger {
        events: i16,
        raises: bool,
    },
    /// `ev_type`: 2 UPDATE, 3 INSERT, 4 DELETE.
    Rule {
        event: i32,
    },
    Policy,
}

const OURS: &str = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

/// Reads them.
pub(super) async fn tables(connection: &Connection) -> Result<Tables, Failure> {
    let mut tables = Tables::new();
    let text = format!(
        "SELECT n.nspname || '.' || c.relname, c.relkind::text, c.relrowsecurity, c.relforcerowsecurity
           FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND {OURS}"
    );
    for row in connection.query("list the tables", &text, &[]).await? {
        let (kind, row_security, forced) = (row.get(1), row.get(2), row.get(3));
        tables.insert(row.get(0), Table { kind, row_security, forced, ..Table::default() });
    }
    let text = format!(
        "SELECT n.nspname || '.' || c.relname, a.attnum, a.attname::text, a.attnotnull OR t.typnotnull
           FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
          WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'f') AND {OURS}"
    );
    for row in connection.query("list the columns", &text, &[]).await? {
        if let Some(table) = tables.get_mut(row.get::<_, &str>(0)) {
            table.columns.insert(row.get(1), Column { name: row.get(2), not_null: row.get(3) });
        }
    }
    restrictions(connection, &mut tables).await?;
    Ok(tables)
}

/// Rows of: table, kind, definition, columns, a number, a flag.
fn restriction_queries() -> [String; 4] {
    // A column list in the order of the key; NULL for expressions.
    let names = |rel: &str, key: &str| {
        format!(
            "(SELECT pg_catalog.array_agg(a.attname::text ORDER BY g.i) FROM pg_catalog.unnest({key}) WITH ORDINALITY g(n, i)
                JOIN pg_catalog.pg_attribute a ON a.attrelid = {rel} AND a.attnum = g.n)"
        )
    };
    let table = "n.nspname || '.' || c.relname";
    let of = |rel: &str| {
        format!(
            "JOIN pg_catalog.pg_class c ON c.oid = {rel} JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND {OURS}"
        )
    };
    let constraints = format!(
        "SELECT {table}, k.contype::text, pg_catalog.pg_get_constraintdef(k.oid), {}, 0, false
           FROM pg_catalog.pg_constraint k {} WHERE k.contype IN ('c', 'f', 'x')
         UNION ALL
         SELECT {table}, 'R', pg_catalog.pg_get_constraintdef(k.oid) || ' of ' || k.conrelid::pg_catalog.regclass, {}, 0, false
           FROM pg_catalog.pg_constraint k {} WHERE k.contype = 'f'
         UNION ALL
         SELECT {table}, 'd', 'domain ' || y.typname || ' ' || pg_catalog.pg_get_constraintdef(k.oid), ARRAY[b.attname::text], 0, false
           FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_type y ON y.oid = k.contypid
           JOIN pg_catalog.pg_attribute b ON b.atttypid = y.oid AND b.attnum > 0 AND NOT b.attisdropped {}
          WHERE c.relkind IN ('r', 'p')",
        names("k.conrelid", "k.conkey"),
        of("k.conrelid"),
        names("k.confrelid", "k.confkey"),
        of("k.confrelid"),
        of("b.attrelid"),
    );
    let unique = format!(
        "SELECT {table}, 'u', pg_catalog.pg_get_indexdef(i.indexrelid), {}, 0, false
           FROM pg_catalog.pg_index i {} WHERE i.indisunique",
        names("i.indrelid", "i.indkey::pg_catalog.int2[]"),
        of("i.indrelid"),
    );
    let triggers = format!(
        "SELECT {table}, 't', pg_catalog.pg_get_triggerdef(t.oid), NULL::text[], t.tgtype::int4,
                p.prosrc ~* '\\mraise\\M(?!\\s+(debug|log|info|notice|warning)\\M)'
           FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid {}
          WHERE NOT t.tgisinternal AND t.tgenabled <> 'D'",
        of("t.tgrelid"),
    );
    let others = format!(
        "SELECT {table}, 'r', pg_catalog.pg_get_ruledef(r.oid), NULL::text[], r.ev_type::text::int4, false
           FROM pg_catalog.pg_rewrite r {} WHERE r.rulename <> '_RETURN' AND r.ev_enabled <> 'D'
         UNION ALL
         SELECT {table}, 'p', pg_catalog.concat_ws(' ', 'policy', p.polname, p.polpermissive::text, p.polcmd::text,
                  pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)), NULL::text[], 0, false
           FROM pg_catalog.pg_policy p {}",
        of("r.ev_class"),
        of("p.polrelid"),
    );
    [constraints, unique, triggers, others]
}

async fn restrictions(connection: &Connection, tables: &mut Tables) -> Result<(), Failure> {
    for text in restriction_queries() {
        for row in connection.query("list the constraints", &text, &[]).await? {
            let (number, raises) = (row.get::<_, i32>(4), row.get(5));
            let definition: String = row.get(2);
            let (kind, definition) = match row.get::<_, &str>(1) {
                "c" => (Kind::Check, definition),
                "d" => (Kind::Domain, definition),
                "f" => (Kind::ForeignKey, definition),
                "R" => (Kind::Referenced, definition),
                "x" => (Kind::Exclude, definition),
                // Without its name, so that an index that a constraint takes over is the same.
                "u" => (Kind::Unique, after(&definition, " USING ")),
                "t" => {
                    let events = i16::try_from(number).unwrap_or(i16::MAX);
                    (Kind::Trigger { events, raises }, definition)
                }
                "r" => (Kind::Rule { event: number }, definition),
                _ => (Kind::Policy, definition),
            };
            // Validating a constraint later restricts nobody who writes.
            let definition = definition.replacen(" NOT VALID", "", 1);
            let columns = row.get::<_, Option<Vec<String>>>(3).unwrap_or_default();
            if let Some(table) = tables.get_mut(row.get::<_, &str>(0)) {
                table.restrictions.insert(Restriction { kind, definition, columns });
            }
        }
    }
    Ok(())
}

fn after(text: &str, mark: &str) -> String {
    text.split_once(mark).map_or(text, |(_, rest)| rest).to_owned()
}
